// Command podcullis judges manifests with the guardrails of the webhook, and
// tells who can talk to whom. As kubectl-podcullis it is a plugin of kubectl.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/podcullis/podcullis/guardrail/bundle"
)

func main() {
	os.Exit(run(context.Background(), os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// The exit codes.
const (
	clean      = 0
	violations = 1 // or not what was expected
	unable     = 2 // could not evaluate
)

// errViolations is a result and no failure: everything is said already.
var errViolations = errors.New("violations")

// hinted is an error that says what to do about it.
type hinted struct {
	error
	hint string
}

func (h hinted) Unwrap() error { return h.error }

func hint(err error, format string, args ...any) error {
	return hinted{err, fmt.Sprintf(format, args...)}
}

// program is what the subcommands share.
type program struct {
	name           string // as people call it
	stdin          io.Reader
	stdout, stderr io.Writer
	named          string         // the namespaces that were said to be only named
	quiet          bool           // nothing is said beside the data
	bundle         *bundle.Bundle // of --bundle
	prints         bool           // what guardrails print is said
}

// say writes a line for people beside the data.
func (p *program) say(format string, args ...any) {
	if p.quiet {
		return
	}
	fmt.Fprintf(p.stderr, format+"\n", args...)
}

func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	p := &program{name: "podcullis", stdin: stdin, stdout: stdout, stderr: stderr}
	if strings.HasPrefix(filepath.Base(os.Args[0]), "kubectl-podcullis") {
		p.name = "kubectl podcullis"
	}
	root := p.root()
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := p.checkCommand(root, args)
	if err == nil {
		err = root.ExecuteContext(ctx)
	}
	switch {
	case err == nil:
		return clean
	case errors.Is(err, errViolations):
		return violations
	}
	p.sayError(err)
	return unable
}

// sayError says what is wrong, and what to do about it.
func (p *program) sayError(err error) {
	defer func(quiet bool) { p.quiet = quiet }(p.quiet)
	p.quiet = false // an error is the answer
	for line := range strings.Lines(err.Error()) {
		p.say("error: %s", strings.TrimRight(line, "\n"))
	}
	var h hinted
	if errors.As(err, &h) {
		p.say("hint: %s", h.hint)
	} else {
		p.say("hint: `%s help` shows the commands, and `%s help COMMAND` their flags", p.name, p.name)
	}
}

func (p *program) root() *cobra.Command {
	c := &cobra.Command{
		Use:   "podcullis",
		Short: "Keep network paths shut: judge manifests by guardrails, and tell who can talk to whom",
		Long: `Podcullis judges Kubernetes manifests by the guardrails that its admission
webhook applies, and tells who can talk to whom.

Exit codes: 0 clean, 1 violations (differences, or not what --expect says), 2 could not evaluate.
Data goes to standard output, everything else to standard error.

The shell completes flags, formats, workloads and guardrails after
source <(podcullis completion bash), or zsh, fish or powershell.`,
		Annotations:   map[string]string{cobra.CommandDisplayNameAnnotation: p.name},
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	c.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return hint(err, "`%s --help` shows the flags", c.CommandPath())
	})
	c.AddCommand(p.audit(), p.bundles(), p.check(), p.connections(), p.diff(), p.doctor(), p.eval(), p.explain(), p.format(), p.graph(), p.guardrails(), p.initialize(), p.lint(), p.plan(), p.review(), p.suggest(), p.test(), p.version())
	c.Version = build().Version
	c.SetVersionTemplate("podcullis {{.Version}}\n")
	c.SetUsageFunc(p.usage)
	p.complete(c)
	return c
}
