package main

import (
	"context"
	"fmt"
	"io"
	"regexp"
	"time"

	"github.com/spf13/cobra"

	"github.com/podcullis/podcullis/guardrail/regotest"
	"github.com/podcullis/podcullis/report"
)

type testOptions struct {
	policyDirs  []string
	config      string
	run         string
	chosen      *regexp.Regexp // run
	watch       bool
	verbose     bool
	coverage    bool
	minCoverage float64
	timeout     time.Duration
	outputs     outputs
}

func (p *program) test() *cobra.Command {
	o := testOptions{outputs: outputs{formats: []string{"text", "json", "yaml", "junit", "csv", "markdown", "name"}}}
	c := &cobra.Command{
		Use:   "test [DIR|FILE_test.rego|FILE_suite.yaml...]",
		Short: "Run the tests of guardrails",
		Long: `Runs the tests in directories with guardrails: those in *_test.rego files, with OPA's
own tester and inside the sandbox of guardrails, and the suites in YAML, of files
named *_suite.yaml and others with a document of kind Suite. Without an argument
those of --policy-dir are run.

A suite says what is there, what is changed and what the answer has to be:

  apiVersion: podcullis.io/v1alpha1
  kind: Suite
  guardrail: team-label
  cluster: cluster.yaml
  tests:
  - name: a pod without a team
    create: pod.yaml
    assertions:
    - {verdict: denied, violations: 1, message: no team}

A test in Rego replaces the questions that a guardrail asks (with netpol.opened as [...]),
or has it judge a change to a cluster, as the webhook would:

  podcullis.review({"guardrail": "team-label", "cluster": "cluster.yaml", "create": "pod.yaml"})

is the list of what it reports, each {guardrail, action, msg, details}. create, update
and delete take a file or an object, cluster a file, a directory or a list of
objects and files. Files are beside the test, or below it. parameters is an
object; a name of --config has its parameters there.

What print(...) writes in a guardrail or a test is shown for tests that fail, and
with -v for all.

Exit code 0 when all pass, 1 when one fails or less is covered than --min-coverage,
2 when something does not compile or could not be evaluated.`,
		Example: `  podcullis test guardrails/
  podcullis test guardrails/ --run 'label' -v
  podcullis test guardrails/ --watch
  podcullis test guardrails/ --min-coverage 90 -o text -o junit=tests.xml`,
		RunE: func(c *cobra.Command, args []string) error {
			o.coverage = o.coverage || c.Flags().Changed("min-coverage")
			return p.runTests(c.Context(), &o, args)
		},
	}
	o.outputs.addFlags(c)
	f := c.Flags()
	f.StringArrayVar(&o.policyDirs, "policy-dir", nil, "a `directory` with Rego guardrails that the tests need beside the embedded ones; repeatable")
	f.StringVar(&o.config, "config", "", "the configuration `file` whose names suites and podcullis.review may ask")
	f.StringVar(&o.run, "run", "", "run tests whose name, such as data.guardrails.mine_test.test_label or SUITE.NAME, matches the `regular expression`")
	f.BoolVarP(&o.verbose, "verbose", "v", false, "list the tests that pass, too, with what they print")
	f.BoolVar(&o.coverage, "coverage", false, "tell which lines of the guardrails no test reaches")
	f.Float64Var(&o.minCoverage, "min-coverage", 0, "exit code 1 when fewer `percent` of the lines are reached; with --coverage")
	f.DurationVar(&o.timeout, "timeout", regotest.DefaultTimeout, "how long one test may take: a `duration`")
	f.BoolVarP(&o.watch, "watch", "w", false, "run the tests again whenever one of their files changes, until Ctrl-C; the exit code is that of the last run")
	p.addQuietFlag(c)
	return c
}

func (p *program) runTests(ctx context.Context, o *testOptions, args []string) error {
	if err := o.outputs.parse(); err != nil {
		return err
	}
	if o.minCoverage < 0 || o.minCoverage > 100 {
		return hint(fmt.Errorf("--min-coverage must be from 0 to 100, got %v", o.minCoverage), "it is a percentage, such as --min-coverage 90")
	}
	if o.timeout <= 0 {
		return hint(fmt.Errorf("--timeout must be more than nothing, got %s", o.timeout), "such as --timeout 1m")
	}
	if o.run != "" {
		var err error
		if o.chosen, err = regexp.Compile(o.run); err != nil {
			return hint(fmt.Errorf("--run %s: %w", o.run, err), "it is a regular expression, such as --run test_label")
		}
	}
	if o.watch {
		return p.watchTests(ctx, o, args)
	}
	return p.testOnce(ctx, o, args)
}

// testOnce runs the tests as their files are now.
func (p *program) testOnce(ctx context.Context, o *testOptions, args []string) error {
	t, err := p.tested(o, args)
	if err != nil {
		return err
	}
	r, err := t.run(ctx, o)
	if err != nil {
		return err
	}
	result := testsOf(r)
	result.Verbose = o.verbose
	if err := o.outputs.write(p, writers{
		"text":     result.Text,
		"json":     func(w io.Writer, _ report.Style) error { return result.JSON(w) },
		"yaml":     func(w io.Writer, _ report.Style) error { return asYAML(w, result.JSON) },
		"junit":    func(w io.Writer, _ report.Style) error { return result.JUnit(w) },
		"csv":      func(w io.Writer, _ report.Style) error { return result.CSV(w) },
		"markdown": func(w io.Writer, _ report.Style) error { return result.Markdown(w) },
		"name":     func(w io.Writer, _ report.Style) error { return result.Name(w) },
	}); err != nil {
		return err
	}
	switch {
	case r.Count(regotest.Unable) > 0:
		return hint(fmt.Errorf("%s could not be evaluated", number(r.Count(regotest.Unable), "test")), "what is listed above says why")
	case r.Count(regotest.Failed) > 0:
		return errViolations
	case r.Coverage != nil && r.Coverage.Percent < o.minCoverage:
		p.say("coverage is %.1f%%, less than --min-coverage %v", r.Coverage.Percent, o.minCoverage)
		return errViolations
	}
	return nil
}

// add appends what is not there yet.
func add(list []string, one string) []string {
	for _, there := range list {
		if there == one {
			return list
		}
	}
	return append(list, one)
}

func testsOf(r *regotest.Report) *report.Tests {
	out := &report.Tests{}
	for _, t := range r.Tests {
		x := report.Test{
			File: t.File, Line: t.Line, Package: t.Package, Name: t.Name,
			Outcome: string(t.Outcome), Output: t.Output, Seconds: t.Duration.Seconds(), Why: t.Why,
		}
		for _, m := range t.Mismatches {
			x.Mismatches = append(x.Mismatches, report.Mismatch(m))
		}
		if t.FailedAt != "" {
			x.Failed = &report.FailedAt{Line: t.FailedLine, Expression: t.FailedAt}
		}
		for _, u := range t.Undefined {
			x.Undefined = append(x.Undefined, u.String())
		}
		if t.Err != nil {
			x.Error = t.Err.Error()
		}
		out.Items = append(out.Items, x)
	}
	if r.Coverage == nil {
		return out
	}
	out.Coverage = &report.TestCoverage{Percent: r.Coverage.Percent, Files: []report.FileCoverage{}}
	for _, f := range r.Coverage.Files {
		c := report.FileCoverage{File: f.File, Percent: f.Percent}
		for _, l := range f.Missed {
			text := fmt.Sprint(l.From)
			if l.To > l.From {
				text = fmt.Sprintf("%d-%d", l.From, l.To)
			}
			c.Missed = add(c.Missed, text)
		}
		out.Coverage.Files = append(out.Coverage.Files, c)
	}
	return out
}
