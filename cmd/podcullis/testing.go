package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/podcullis/podcullis/guardrail/regotest"
	"github.com/podcullis/podcullis/guardrail/suite"
	"github.com/podcullis/podcullis/report"
)

type testOptions struct {
	policyDirs  []string
	config      string
	run         string
	verbose     bool
	coverage    bool
	minCoverage float64
	timeout     time.Duration
	outputs     outputs
}

func (p *program) test() *cobra.Command {
	o := testOptions{outputs: outputs{formats: []string{"text", "json", "yaml", "junit", "csv", "markdown", "name"}}}
	c := &cobra.Command{
		Use:   "test [DIR|FILE_test.rego...]",
		Short: "Run the tests of guardrails",
		Long: `Runs the tests in *_test.rego files of directories with guardrails, with OPA's own
tester and inside the sandbox of guardrails. Without an argument those of
--policy-dir are run.

A test replaces the questions that a guardrail asks (with netpol.opened as [...]),
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
  podcullis test guardrails/ --min-coverage 90 -o text -o junit=tests.xml`,
		RunE: func(c *cobra.Command, args []string) error {
			o.coverage = o.coverage || c.Flags().Changed("min-coverage")
			return p.runTests(c.Context(), &o, args)
		},
	}
	o.outputs.addFlags(c)
	f := c.Flags()
	f.StringArrayVar(&o.policyDirs, "policy-dir", nil, "a `directory` with Rego guardrails that the tests need beside the embedded ones; repeatable")
	f.StringVar(&o.config, "config", "", "the configuration `file` whose names podcullis.review may be asked about")
	f.StringVar(&o.run, "run", "", "run tests whose name, such as data.guardrails.mine_test.test_label, matches the `regular expression`")
	f.BoolVarP(&o.verbose, "verbose", "v", false, "list the tests that pass, too, with what they print")
	f.BoolVar(&o.coverage, "coverage", false, "tell which lines of the guardrails no test reaches")
	f.Float64Var(&o.minCoverage, "min-coverage", 0, "exit code 1 when fewer `percent` of the lines are reached; with --coverage")
	f.DurationVar(&o.timeout, "timeout", regotest.DefaultTimeout, "how long one test may take: a `duration`")
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
	var run *regexp.Regexp
	if o.run != "" {
		var err error
		if run, err = regexp.Compile(o.run); err != nil {
			return hint(fmt.Errorf("--run %s: %w", o.run, err), "it is a regular expression, such as --run test_label")
		}
	}
	bench, err := p.tested(o, args)
	if err != nil {
		return err
	}
	bench.options.Run, bench.options.Coverage, bench.options.Timeout = run, o.coverage, o.timeout
	return p.runOnce(ctx, o, bench)
}

// runOnce runs the tests as their files are now.
func (p *program) runOnce(ctx context.Context, o *testOptions, t *testBench) error {
	options := t.options
	all := append(options.Guardrails[:len(options.Guardrails):len(options.Guardrails)], options.Tested...)
	b, err := newBench(all, o.config)
	if err != nil {
		return err
	}
	options.Review = (&asker{bench: b, clusters: map[string]*scene{}}).ask
	suites, err := t.suites()
	if err != nil {
		return hint(err, "a suite is described in docs/suites.md, and docs/schemas/suite.schema.json has its fields")
	}
	foreign, err := t.gatekeeper()
	if err != nil {
		return hint(err, "a suite of Gatekeeper names a template, a constraint and cases: docs/gatekeeper.md")
	}
	options.Cases = append(casesOf(suites, b), gatekeeperCases(foreign)...)
	r, err := regotest.Run(ctx, options)
	if errors.Is(err, regotest.ErrNoTests) {
		where := "no test in " + strings.Join(t.named, ", ")
		if o.run != "" {
			where += " matches --run " + o.run
		}
		return hint(errors.New(where+": nothing to run"), "tests are rules whose names begin with test_, in files named *_test.rego, and suites in files named *_suite.yaml")
	}
	if err != nil {
		return hint(err, "correct the Rego")
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

// testBench is what is tested.
type testBench struct {
	options regotest.Options
	dirs    []string // whose suites are run
	files   []string // suites that are named one by one
	foreign []string // the same of Gatekeeper
	named   []string // the arguments
}

func (t *testBench) suites() ([]suite.Suite, error) {
	var out []suite.Suite
	var errs []error
	for _, dir := range t.dirs {
		suites, err := suitesIn(dir)
		out, errs = append(out, suites...), append(errs, err)
	}
	for _, file := range t.files {
		suites, err := suitesOf(file)
		out, errs = append(out, suites...), append(errs, err)
	}
	return out, errors.Join(errs...)
}

// tested sorts what is named into the sources whose tests are run, and those that they need.
func (p *program) tested(o *testOptions, args []string) (*testBench, error) {
	t := &testBench{}
	dirs := slices.Clone(o.policyDirs)
	if len(args) == 0 {
		args, dirs = dirs, nil
	}
	if len(args) == 0 {
		return nil, hint(errors.New("no directory was given: nothing to test"), "name one with guardrails, *_test.rego files and *_suite.yaml files: `%s test DIR`", p.name)
	}
	var tested []string
	for _, a := range args {
		a = filepath.Clean(a)
		t.named = append(t.named, a)
		info, err := os.Stat(a)
		switch {
		case err != nil:
			return nil, hint(err, "guardrails and their tests are in a directory with *.rego files, or tests are named file by file")
		case info.IsDir():
			tested, t.dirs = add(tested, a), add(t.dirs, a)
			continue
		case strings.HasSuffix(a, "_test.rego"):
			t.options.Files = append(t.options.Files, filepath.ToSlash(a))
		case isYAML(a) && isGatekeeperSuite(a):
			t.foreign = add(t.foreign, a)
			continue
		case isYAML(a):
			t.files = add(t.files, a)
		default:
			return nil, hint(errors.New(a+": is no file with tests"), "they are named *_test.rego, or hold a suite in YAML; guardrails are tested by those in their directory")
		}
		tested = add(tested, filepath.Dir(a))
	}
	switch {
	case len(t.dirs) > 0 && len(t.dirs) < len(t.named):
		return nil, hint(errors.New("directories and single files cannot be named together"), "name either")
	case len(t.dirs) == 0 && t.options.Files == nil:
		t.options.Files = []string{} // no Rego
	}
	for i, d := range dirs {
		dirs[i] = filepath.Clean(d)
	}
	all, err := authored(append(tested, dirs...))
	if err != nil {
		return nil, err
	}
	t.options.Guardrails = append(all[:1:1], all[1+len(tested):]...)
	t.options.Tested = all[1 : 1+len(tested)]
	return t, nil
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
