package main

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"text/template"

	"github.com/spf13/cobra"
)

// beginnings are the files that a new guardrail begins with, by the question that it asks.
//
//go:embed beginnings/*.tmpl
var beginnings embed.FS

type newOptions struct{ dir, about, title, severity string }

func (p *program) guardrailsNew() *cobra.Command {
	var o newOptions
	c := &cobra.Command{
		Use:   "new NAME",
		Short: "Begin a guardrail of your own, with tests that pass",
		Long: `Writes NAME.rego and NAME_test.rego, complete and with tests that pass, for you to
change: one that judges an object as it is written, or one about connectivity.
What is there already is never overwritten.`,
		Example: `  podcullis guardrails new team-label --dir guardrails
  podcullis guardrails new no-path-to-vault --about connectivity --severity critical`,
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return hint(fmt.Errorf("want one NAME, got %s", number(len(args), "argument")), "such as `%s guardrails new team-label`", p.name)
			}
			return p.beginGuardrail(args[0], &o)
		},
	}
	f := c.Flags()
	f.StringVar(&o.dir, "dir", ".", "the `directory` to write to; it is made if it is not there")
	f.StringVar(&o.about, "about", "object", "what the new one asks `about`: object or connectivity")
	f.StringVar(&o.title, "title", "", "a `title` of a few words; without it the name in words")
	f.StringVar(&o.severity, "severity", "medium", "the `severity`: critical, high, medium or low")
	p.addQuietFlag(c)
	return c
}

// plainTitle is one that YAML takes as it is.
var plainTitle = regexp.MustCompile(`[A-Za-z][A-Za-z0-9 ,.'-]*`)

var guardrailName = regexp.MustCompile(`^[a-z][a-z0-9]*(-[a-z0-9]+)*$`)

func (p *program) beginGuardrail(name string, o *newOptions) error {
	if !guardrailName.MatchString(name) || len(name) > 63 {
		return hint(fmt.Errorf("%q is no name for a guardrail: want at most 63 lower case letters, digits and single hyphens, beginning with a letter", name), "such as team-label")
	}
	if err := oneOf("about", o.about, "object", "connectivity"); err != nil {
		return err
	}
	if err := oneOf("severity", o.severity, severities()...); err != nil {
		return err
	}
	if strings.ContainsAny(o.title, "\n\r") || strings.TrimSpace(o.title) != o.title {
		return hint(fmt.Errorf("--title %q: want one line, without blanks around it", o.title), "leave --title out for the name in words")
	}
	all, err := p.catalog(nil)
	if err != nil {
		return err
	}
	for _, e := range all {
		if e.ID == name {
			return hint(fmt.Errorf("%s is in the library already", name), "`%s guardrails show %s` shows it; take another name", p.name, name)
		}
	}
	files, err := newFiles(name, o)
	if err != nil {
		return err
	}
	paths, err := writeNew(o.dir, files)
	if err != nil {
		return err
	}
	for _, path := range paths {
		p.say("Wrote %s", path)
	}
	p.say("next: `%s test %s`, then name it in a configuration: guardrail: %s, with --policy-dir %s", p.name, o.dir, name, o.dir)
	return nil
}

type newFile struct {
	name string
	text []byte
}

func newFiles(name string, o *newOptions) ([]newFile, error) {
	title := o.title
	if title == "" {
		words := strings.ReplaceAll(name, "-", " ")
		title = strings.ToUpper(words[:1]) + words[1:]
	}
	quoted := title
	if plainTitle.FindString(title) != title {
		quoted = "'" + strings.ReplaceAll(title, "'", "''") + "'"
	}
	data := map[string]string{"Name": name, "Package": strings.ReplaceAll(name, "-", "_"), "Title": quoted, "Severity": o.severity}
	var out []newFile
	for _, part := range []struct{ template, suffix string }{{o.about + ".rego.tmpl", ".rego"}, {o.about + "_test.rego.tmpl", "_test.rego"}} {
		t, err := template.New(part.template).ParseFS(beginnings, "beginnings/"+part.template)
		if err != nil {
			return nil, err
		}
		var b bytes.Buffer
		if err := t.Execute(&b, data); err != nil {
			return nil, err
		}
		out = append(out, newFile{data["Package"] + part.suffix, b.Bytes()})
	}
	return out, nil
}

// writeNew writes files that are not there yet: all of them, or none.
func writeNew(dir string, files []newFile) ([]string, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, hint(err, "--dir names a directory that can be written")
	}
	var made []string
	for _, file := range files {
		path := filepath.Join(dir, file.name)
		f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
		if err == nil {
			made = append(made, path)
			_, err = f.Write(file.text)
			err = errors.Join(err, f.Close())
		}
		if err != nil {
			for _, m := range made {
				_ = os.Remove(m) // which this call has made
			}
			if errors.Is(err, fs.ErrExist) {
				return nil, hint(fmt.Errorf("%s is there already, and nothing was written", path), "take another name, or another --dir")
			}
			return nil, hint(err, "--dir names a directory that can be written")
		}
	}
	return made, nil
}
