package regotest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"regexp"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/topdown/print"

	"github.com/podcullis/podcullis/guardrail"
)

// Case is a test that is not written in Rego: one of a suite. It is chosen, timed and told
// as the others are, and what it has the engine evaluate counts for coverage.
type Case struct {
	File    string
	Line    int
	Package string // of a suite its name
	Name    string
	// Skip says why it is not run; empty is that it is.
	Skip string
	// Run says what is not as it should be; nothing is a test that passes. An error is a case
	// that could not be evaluated. What is evaluated with ctx is seen: its lines count, and
	// what it prints, or say says, is told.
	Run func(ctx context.Context, say func(format string, args ...any)) ([]Mismatch, error)
}

// Mismatch is what a case wants and does not get.
type Mismatch struct {
	Line int
	// Text is in a line: "verdict: got denied, want allowed".
	Text string
	// More are lines that say more about it, such as what was reported instead.
	More []string
}

// chosen are the cases that a regular expression chooses.
func chosen(cases []Case, run *regexp.Regexp) []Case {
	var out []Case
	for _, c := range cases {
		if t := (Test{Package: c.Package, Name: c.Name}); run == nil || run.MatchString(t.FullName()) {
			out = append(out, c)
		}
	}
	return out
}

// output is what print writes and what a case says, a line each.
type output struct{ bytes.Buffer }

// Print implements print.Hook.
func (o *output) Print(_ print.Context, text string) error {
	_, err := fmt.Fprintln(o, text)
	return err
}

func (o *output) say(format string, args ...any) { fmt.Fprintf(o, format+"\n", args...) }

// run runs a case under the watch.
func (w *watch) run(ctx context.Context, c *Case) Test {
	t := Test{File: c.File, Line: c.Line, Package: c.Package, Name: c.Name, Outcome: Passed, Why: c.Skip}
	if c.Skip != "" {
		t.Outcome = Skipped
		return t
	}
	trail, out := NewTrail(), &output{}
	silent := true
	lens := &guardrail.Lens{Tracer: tracers{trail}, Print: out, Reported: func(_ string, v ast.Value) { silent = silent && reportsNothing(v) }}
	if w.lines != nil {
		lens.Tracer = tracers{w.lines, trail}
	}
	ctx, cancel := context.WithTimeout(ctx, w.timeout)
	defer cancel()
	began := time.Now()
	mismatches, err := c.Run(guardrail.Through(ctx, lens), out.say)
	t.Duration, t.Output, t.Mismatches = time.Since(began), out.String(), mismatches
	switch {
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		t.Outcome, t.Err = Unable, fmt.Errorf("%s:%d: did not end within %s", t.File, t.Line, w.timeout)
	case err != nil:
		t.Outcome, t.Err = Unable, guardrail.Readable(err)
	case len(mismatches) > 0:
		t.Outcome = Failed
		if silent { // what is undefined beside what is reported is seldom why
			t.Undefined = told(trail)
		}
	}
	return t
}

// reportsNothing tells whether what a rule is has no element.
func reportsNothing(v ast.Value) bool {
	list, ok := plain(v).([]any)
	return ok && len(list) == 0
}
