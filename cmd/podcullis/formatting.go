package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/pmezard/go-difflib/difflib"
	"github.com/spf13/cobra"

	"github.com/podcullis/podcullis/guardrail/regolint"
)

type formatOptions struct{ list, diff, write, check bool }

func (p *program) format() *cobra.Command {
	var o formatOptions
	c := &cobra.Command{
		Use:   "fmt DIR|FILE.rego|-...",
		Short: "Format Rego as opa fmt does",
		Long: `Formats Rego files, tests among them, as opa fmt does, with our builtins. Without a
flag what is formatted goes to standard output; - is standard input.

Exit code 0, or with --check 1 when a file is formatted otherwise; 2 when one does not parse.`,
		Example: `  podcullis fmt -w guardrails/
  podcullis fmt --check --diff guardrails/`,
		RunE: func(_ *cobra.Command, args []string) error { return p.runFormat(&o, args) },
	}
	f := c.Flags()
	f.BoolVarP(&o.list, "list", "l", false, "list the files that are formatted otherwise")
	f.BoolVarP(&o.diff, "diff", "d", false, "show what would change")
	f.BoolVarP(&o.write, "write", "w", false, "write the files")
	f.BoolVar(&o.check, "check", false, "list the files that are formatted otherwise, and end with exit code 1 if there are some")
	p.addQuietFlag(c)
	return c
}

func (p *program) runFormat(o *formatOptions, args []string) error {
	if len(args) == 0 {
		return hint(errors.New("nothing was given: nothing to format"), "name a directory with Rego, files, or - for standard input")
	}
	files, err := regoFiles(args)
	if err != nil {
		return hint(err, "name a directory with Rego, or files named *.rego")
	}
	if o.write && (o.check || contains(files, "-")) {
		return hint(errors.New("--write writes files: it goes neither with --check nor with standard input"), "leave one of them out")
	}
	var errs []error
	differ := false
	for _, file := range files {
		changed, err := p.formatFile(o, file)
		if err != nil {
			errs = append(errs, err)
		}
		differ = differ || changed
	}
	if err := errors.Join(errs...); err != nil {
		return hint(err, "correct the Rego")
	}
	if differ && o.check {
		return errViolations
	}
	return nil
}

func contains(list []string, one string) bool { return len(add(list, one)) == len(list) }

// formatFile formats one file, and tells whether it was formatted otherwise.
func (p *program) formatFile(o *formatOptions, file string) (changed bool, err error) {
	text, err := p.regoText(file)
	if err != nil {
		return false, err
	}
	name := file
	if file == "-" {
		name = "standard input"
	}
	made, err := regolint.Format(name, text)
	if err != nil {
		return false, err
	}
	changed = !bytes.Equal(text, made)
	if !o.list && !o.diff && !o.write && !o.check {
		_, err := p.stdout.Write(made)
		return changed, err
	}
	if !changed {
		return false, nil
	}
	if o.list || o.check && !o.diff {
		fmt.Fprintln(p.stdout, name)
	}
	if o.diff {
		diff, err := difflib.GetUnifiedDiffString(difflib.UnifiedDiff{
			A: difflib.SplitLines(string(text)), B: difflib.SplitLines(string(made)), FromFile: name + ".orig", ToFile: name, Context: 3,
		})
		if err != nil {
			return changed, err
		}
		fmt.Fprint(p.stdout, diff)
	}
	if o.write {
		return changed, writeFile(file, made)
	}
	return changed, nil
}

func (p *program) regoText(file string) ([]byte, error) {
	if file == "-" {
		return io.ReadAll(p.stdin)
	}
	return os.ReadFile(file)
}

// regoFiles are the Rego files of folders, and those that are named.
func regoFiles(args []string) ([]string, error) {
	var out []string
	for _, a := range args {
		info, err := os.Stat(a)
		switch {
		case a == "-":
			out = add(out, a)
			continue
		case err != nil:
			return nil, err
		case !info.IsDir():
			out = add(out, a)
			continue
		}
		n := len(out)
		err = filepath.WalkDir(a, func(path string, d fs.DirEntry, err error) error {
			switch {
			case err != nil:
				return err
			case d.IsDir() && path != a && strings.HasPrefix(d.Name(), "."):
				return fs.SkipDir
			case !d.IsDir() && strings.HasSuffix(path, ".rego"):
				out = add(out, path)
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
		if len(out) == n {
			return nil, fmt.Errorf("%s: holds no *.rego file", a)
		}
	}
	return out, nil
}
