package regotest

import (
	"cmp"
	"context"
	"errors"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/tester"

	"github.com/podcullis/podcullis/guardrail"
	"github.com/podcullis/podcullis/guardrail/sandbox"
)

// DefaultTimeout bounds one test.
const DefaultTimeout = time.Minute

// Options say which tests are run, and how.
type Options struct {
	// Guardrails are what the tests may refer to, without their tests.
	Guardrails []guardrail.Source
	// Tested are the sources whose tests are run. They are guardrails, too.
	Tested []guardrail.Source
	// Files are those whose tests in Rego are run, by name; nil is all.
	Files []string
	// Run chooses tests by their name, as in data.guardrails.mine_test.test_label; nil is all.
	Run *regexp.Regexp
	// Timeout bounds one test; 0 is DefaultTimeout.
	Timeout time.Duration
	// Coverage is set to learn which lines of the guardrails are reached.
	Coverage bool
	// Cases are tests that are not written in Rego; all of them are run that Run chooses.
	Cases []Case
	// Review has the engine judge what a test asks podcullis.review about.
	Review func(context.Context, *Question) (Answer, error)
}

// Outcome is how a test ended.
type Outcome string

// The outcomes.
const (
	Passed  Outcome = "pass"
	Failed  Outcome = "fail"
	Skipped Outcome = "skip"  // its name begins with todo_test_, or it says why
	Unable  Outcome = "error" // it could not be evaluated
)

// Test is one test, or one case of a test.
type Test struct {
	File    string
	Line    int
	Package string // as in data.guardrails.mine_test
	Name    string // of a case with its names: test_labels/no team
	Outcome Outcome
	// FailedAt is the expression that was not true, at FailedLine.
	FailedAt   string
	FailedLine int
	// Mismatches are what a Case does not get.
	Mismatches []Mismatch
	// Why a Case is skipped.
	Why string
	// Undefined is what had no value in a guardrail while a test ran that failed.
	Undefined []Spot
	// Err is why it could not be evaluated.
	Err error
	// Output is what print wrote.
	Output   string
	Duration time.Duration
}

// FullName is what Options.Run chooses by.
func (t *Test) FullName() string { return t.Package + "." + t.Name }

// Report is how the tests of some sources ended, in order of their files and lines.
type Report struct {
	Tests    []Test
	Coverage *Coverage // nil unless it was asked for
}

// Count counts the tests of an outcome.
func (r *Report) Count(o Outcome) int {
	n := 0
	for _, t := range r.Tests {
		if t.Outcome == o {
			n++
		}
	}
	return n
}

// ErrNoTests is when there is no test at all to run.
var ErrNoTests = errors.New("no tests to run")

// Run runs the tests. A test that fails is no error; an error is what does not compile.
func Run(ctx context.Context, o Options) (*Report, error) {
	sandbox.Bound()
	modules, tested, err := o.parse()
	if err != nil {
		return nil, err
	}
	w := &watch{timeout: o.timeout()}
	if o.Coverage {
		w.countLines()
	}
	asking := review{ask: o.Review, lines: w.lines}
	builtins := []*tester.Builtin{{Decl: asking.decl(), Func: asking.register()}}
	for _, b := range guardrail.Unasked() {
		builtins = append(builtins, &tester.Builtin{Decl: b.Decl, Func: b.Register})
	}
	compiler, err := guardrail.Compiler(modules, asking.decl())
	if err != nil {
		return nil, err
	}
	runner := tester.NewRunner().
		SetCompiler(compiler).
		SetModules(modules).
		AddCustomBuiltins(builtins).
		RaiseBuiltinErrors(true).
		SetTimeout(o.timeout()).
		SetParallel(1). // watch tells one test from the next by their order
		SetCoverageQueryTracer(w)
	if o.Run != nil {
		runner.Filter(o.Run.String())
	}
	results, err := runner.RunTests(ctx, nil)
	if err != nil {
		return nil, guardrail.Readable(err)
	}
	r := &Report{}
	for result := range results {
		if o.wants(result.Location.File) {
			r.Tests = append(r.Tests, w.tests(result)...)
		}
	}
	for _, c := range chosen(o.Cases, o.Run) {
		r.Tests = append(r.Tests, w.run(ctx, &c))
	}
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	slices.SortStableFunc(r.Tests, func(a, b Test) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Name, b.Name))
	})
	if len(r.Tests) == 0 {
		return nil, ErrNoTests
	}
	if o.Coverage {
		r.Coverage = w.coverage(tested)
	}
	return r, nil
}

func (o *Options) timeout() time.Duration { return cmp.Or(o.Timeout, DefaultTimeout) }

func (o *Options) wants(file string) bool { return o.Files == nil || slices.Contains(o.Files, file) }

// parse reads the guardrails of all sources, and the tests of those that are tested; tested
// are the guardrails of these.
func (o *Options) parse() (modules, tested map[string]*ast.Module, err error) {
	modules, tested = map[string]*ast.Module{}, map[string]*ast.Module{}
	var faults guardrail.Faults
	var unread []error
	read := func(s guardrail.Source, tests bool) {
		err := s.Each(func(file string, text []byte) {
			if isTest(file) && !tests {
				return
			}
			m, wrong := guardrail.ParseFile(file, text)
			faults = append(faults, wrong...)
			if m == nil {
				return
			}
			modules[file] = m
			if tests && !isTest(file) {
				tested[file] = m
			}
		})
		if err != nil {
			unread = append(unread, err)
		}
	}
	for _, s := range o.Guardrails {
		read(s, false)
	}
	for _, s := range o.Tested {
		read(s, true)
	}
	if len(faults) > 0 {
		unread = append(unread, faults)
	}
	return modules, tested, errors.Join(unread...)
}

func isTest(file string) bool { return strings.HasSuffix(file, "_test.rego") }
