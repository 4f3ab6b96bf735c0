package regotest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/cover"
	"github.com/open-policy-agent/opa/v1/tester"
	"github.com/open-policy-agent/opa/v1/topdown"

	"github.com/podcullis/podcullis/guardrail"
)

// watch sees the tests run, one after the other: where each fails, and which lines of the
// guardrails are reached.
type watch struct {
	lines  *cover.Cover // nil unless lines are counted
	asked  map[uint64]string
	failed map[string]*ast.Expr // by where the test is
	trails map[string]*Trail    // what was undefined in guardrails, the same way
	trail  *Trail               // of the test that runs

	timeout time.Duration
}

func (w *watch) countLines() { w.lines = cover.New() }

// Enabled implements topdown.QueryTracer.
func (w *watch) Enabled() bool { return true }

// Config implements topdown.QueryTracer.
func (w *watch) Config() topdown.TraceConfig { return NewTrail().Config() }

// TraceEvent implements topdown.QueryTracer. What fails last in the body of a test is why
// it fails.
func (w *watch) TraceEvent(e topdown.Event) {
	if w.lines != nil {
		w.lines.TraceEvent(e)
	}
	if w.trail != nil {
		w.trail.TraceEvent(e)
	}
	switch node := e.Node.(type) {
	case *ast.Rule:
		if e.Op == topdown.EnterOp && node.Location != nil && isTest(node.Location.File) && strings.HasPrefix(node.Head.Ref()[0].String(), tester.TestPrefix) {
			w.begin(node.Location.String(), e.QueryID)
		}
	case *ast.Expr:
		if at, ok := w.asked[e.QueryID]; ok && e.Op == topdown.FailOp && node.Location != nil {
			if w.failed == nil {
				w.failed = map[string]*ast.Expr{}
			}
			w.failed[at] = node
		}
	}
}

// begin is the next test.
func (w *watch) begin(at string, query uint64) {
	if w.trails == nil {
		w.trails = map[string]*Trail{}
	}
	w.trail = NewTrail()
	w.trails[at] = w.trail
	w.asked = map[uint64]string{query: at}
}

// maxUndefined is how much of what is undefined is told of a test.
const maxUndefined = 3

// undefined is what had no value in guardrails during a test.
func (w *watch) undefined(at string) []Spot {
	if trail := w.trails[at]; trail != nil {
		return told(trail)
	}
	return nil
}

// told is as much of what had no value in guardrails as is told of a test.
func told(trail *Trail) []Spot {
	var out []Spot
	for _, s := range trail.Undefined() {
		if !isTest(s.File) && len(out) < maxUndefined {
			out = append(out, s)
		}
	}
	return out
}

// tests are the cases of a test, or the test itself where it has none.
func (w *watch) tests(r *tester.Result) []Test {
	t := Test{
		File: r.Location.File, Line: r.Location.Row, Package: r.Package, Name: r.Name,
		Output: string(r.Output), Duration: r.Duration, Outcome: Passed,
	}
	switch {
	case r.Skip:
		t.Outcome = Skipped
	case r.Error != nil && (topdown.IsCancel(r.Error) || errors.Is(r.Error, context.DeadlineExceeded) || r.Duration >= w.timeout):
		t.Outcome, t.Err = Unable, fmt.Errorf("%s:%d: did not end within %s", t.File, t.Line, w.timeout)
	case r.Error != nil:
		t.Outcome, t.Err = Unable, guardrail.Readable(r.Error)
	case r.Fail:
		t.Outcome, t.Undefined = Failed, w.undefined(r.Location.String())
		if expr := w.failed[r.Location.String()]; expr != nil {
			t.FailedLine, t.FailedAt = expr.Location.Row, source(expr.Location)
		}
	}
	if t.Outcome == Unable || len(r.SubResults) == 0 {
		return []Test{t}
	}
	var out []Test
	for names, sub := range r.SubResults.Iter {
		if len(sub.SubResults) > 0 {
			continue
		}
		c := t
		c.Name = r.Name + "/" + strings.Join(names, "/")
		c.Outcome, c.FailedAt, c.FailedLine, c.Undefined = Passed, "", 0, nil
		if sub.Fail {
			c.Outcome = Failed
		}
		out = append(out, c)
	}
	return out
}

// maxSource is how much of an expression is shown.
const maxSource = 100

// source is the text at a place, in one line.
func source(at *ast.Location) string {
	text := strings.Join(strings.Fields(string(at.Text)), " ")
	if runes := []rune(text); len(runes) > maxSource {
		return string(runes[:maxSource-1]) + "…"
	}
	return text
}

// Coverage is which lines of the guardrails the tests reach.
type Coverage struct {
	Percent float64
	Files   []FileCoverage
}

// FileCoverage is that of one file.
type FileCoverage struct {
	File    string
	Percent float64
	// Missed are the lines that no test reaches.
	Missed []Lines
}

// Lines are those from one to another.
type Lines struct{ From, To int }

// coverage is that of some modules.
func (w *watch) coverage(judged map[string]*ast.Module) *Coverage {
	report := w.lines.Report(judged)
	out := &Coverage{Percent: 100}
	reached, all := 0, 0
	for _, file := range slices.Sorted(maps.Keys(judged)) {
		f := report.Files[file]
		c := FileCoverage{File: file, Percent: 100}
		if n := f.CoveredLines + f.NotCoveredLines; n > 0 {
			c.Percent = 100 * float64(f.CoveredLines) / float64(n)
		}
		c.Missed = joined(f.NotCovered)
		reached, all = reached+f.CoveredLines, all+f.CoveredLines+f.NotCoveredLines
		out.Files = append(out.Files, c)
	}
	if all > 0 {
		out.Percent = 100 * float64(reached) / float64(all)
	}
	return out
}

// joined are ranges in order, those that touch as one.
func joined(ranges []cover.Range) []Lines {
	var all []Lines
	for _, r := range ranges {
		all = append(all, Lines{r.Start.Row, r.End.Row})
	}
	slices.SortFunc(all, func(a, b Lines) int { return cmp.Compare(a.From, b.From) })
	var out []Lines
	for _, l := range all {
		if n := len(out); n > 0 && l.From <= out[n-1].To+1 {
			out[n-1].To = max(out[n-1].To, l.To)
			continue
		}
		out = append(out, l)
	}
	return out
}
