package main

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/podcullis/podcullis/guardrail/regolint"
	"github.com/podcullis/podcullis/report"
)

type lintOptions struct {
	policyDirs []string
	checks     bool
	outputs    outputs
}

func (p *program) lint() *cobra.Command {
	o := lintOptions{outputs: outputs{formats: []string{"text", "json", "yaml", "sarif", "github", "junit", "csv", "markdown", "name"}}}
	c := &cobra.Command{
		Use:   "lint DIR|FILE.rego...",
		Short: "Find what guardrails do not do as their authors mean",
		Long: `Finds in Rego guardrails what compiles and may not do what is meant: a rule that
reports nothing because something is undefined under a not, a parameter that nobody
reads, a condition that no object can meet, a message that names nothing. OPA's
strict mode is part of it. --checks lists what is looked for.

A line is left alone with a comment in it or above it that says why:

  # lint:ignore unnamed-object there is one such object in a cluster

The server and check load what is found fault with here; what does not compile they
refuse, and so does lint.

Exit code 0 when nothing is found, 1 when something is, 2 when something does not
compile.`,
		Example: `  podcullis lint guardrails/
  podcullis lint guardrails/team_label.rego -o github -o sarif=lint.sarif`,
		RunE: func(_ *cobra.Command, args []string) error { return p.runLint(&o, args) },
	}
	o.outputs.addFlags(c)
	f := c.Flags()
	f.StringArrayVar(&o.policyDirs, "policy-dir", nil, "a `directory` with Rego that the guardrails need beside the embedded ones; repeatable")
	f.BoolVar(&o.checks, "checks", false, "list the checks, and do nothing else")
	p.addQuietFlag(c)
	return c
}

func (p *program) runLint(o *lintOptions, args []string) error {
	if err := o.outputs.parse(); err != nil {
		return err
	}
	about := map[string]string{}
	list := report.List{Title: "checks", Names: []string{"check", "about"}}
	for _, c := range regolint.Checks() {
		about[c.ID] = c.About
		list.Rows = append(list.Rows, []string{c.ID, c.About})
	}
	if o.checks {
		return list.CSV(p.stdout)
	}
	options, err := linted(o, args)
	if err != nil {
		return err
	}
	found, err := regolint.Lint(options)
	if err != nil {
		return hint(err, "correct the Rego")
	}
	if len(found.Files) == 0 {
		return hint(errors.New("no guardrail in "+strings.Join(args, ", ")+": nothing to look at"), "guardrails are files named *.rego, but for *_test.rego")
	}
	r := &report.Lint{Files: found.Files}
	for _, f := range found.Findings {
		r.Items = append(r.Items, report.LintFinding{Check: f.Check, Location: report.Location{File: f.File, Line: f.Line}, Message: f.Text, Fix: f.Fix})
	}
	if err := o.outputs.write(p, writers{
		"text":     r.Text,
		"json":     func(w io.Writer, _ report.Style) error { return r.JSON(w) },
		"yaml":     func(w io.Writer, _ report.Style) error { return asYAML(w, r.JSON) },
		"sarif":    func(w io.Writer, _ report.Style) error { return r.SARIF(w, build().Version, about) },
		"github":   func(w io.Writer, _ report.Style) error { return r.GitHub(w) },
		"junit":    func(w io.Writer, _ report.Style) error { return r.JUnit(w) },
		"csv":      func(w io.Writer, _ report.Style) error { return r.List().CSV(w) },
		"markdown": func(w io.Writer, _ report.Style) error { return r.List().Markdown(w) },
		"name":     func(w io.Writer, _ report.Style) error { return r.Name(w) },
	}); err != nil {
		return err
	}
	if len(r.Items) > 0 {
		return errViolations
	}
	return nil
}

// linted sorts what is named into folders, and files of these.
func linted(o *lintOptions, args []string) (regolint.Options, error) {
	var out regolint.Options
	if len(args) == 0 {
		return out, hint(errors.New("nothing was given: nothing to look at"), "name a directory with guardrails, or files: `podcullis lint DIR`")
	}
	var dirs []string
	whole := false
	for _, a := range args {
		info, err := os.Stat(a)
		switch {
		case err != nil:
			return out, hint(err, "name a directory with guardrails, or files named *.rego")
		case info.IsDir():
			dirs, whole = add(dirs, filepath.Clean(a)), true
		case !strings.HasSuffix(a, ".rego") || strings.HasSuffix(a, "_test.rego"):
			return out, hint(errors.New(a+": is no guardrail"), "guardrails are files named *.rego, but for *_test.rego")
		default:
			dirs = add(dirs, filepath.Dir(a))
			out.Files = append(out.Files, filepath.ToSlash(filepath.Clean(a)))
		}
	}
	if whole && len(out.Files) > 0 {
		return out, hint(errors.New("directories and single files cannot be named together"), "name either")
	}
	for i, d := range o.policyDirs {
		o.policyDirs[i] = filepath.Clean(d)
	}
	all, err := authored(append(dirs, o.policyDirs...))
	if err != nil {
		return out, err
	}
	out.Needed = append(all[:1:1], all[1+len(dirs):]...)
	out.Linted = all[1 : 1+len(dirs)]
	return out, nil
}
