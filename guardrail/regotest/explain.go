package regotest

import (
	"fmt"
	"strings"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/profiler"
	"github.com/open-policy-agent/opa/v1/topdown"
	"github.com/open-policy-agent/opa/v1/topdown/lineage"
)

// Explanations are how much is told of the steps of an evaluation: those that lead to what is
// printed, those that lead to what failed, or all.
func Explanations() []string { return []string{"notes", "fails", "full"} }

// Explaining keeps the steps of the evaluation; before Lens.
func (l *Look) Explaining() { l.steps = &steps{} }

// Profiling counts what each line costs; before Lens.
func (l *Look) Profiling() { l.profile = profiler.New() }

// Step is one of an evaluation.
type Step struct {
	File  string
	Line  int
	Depth int // of the query
	// Does is what is done: enter, eval, fail, exit, redo.
	Does string
	Text string
}

func (s Step) String() string {
	return fmt.Sprintf("%s:%d: %s%s %s", s.File, s.Line, strings.Repeat("| ", s.Depth), s.Does, s.Text)
}

// steps is a tracer that keeps them.
type steps struct {
	events []*topdown.Event
	more   int
}

// maxSteps bounds what is kept of an evaluation.
const maxSteps = 20_000

func (s *steps) Enabled() bool { return true }

func (s *steps) Config() topdown.TraceConfig { return topdown.TraceConfig{PlugLocalVars: true} }

func (s *steps) TraceEvent(e topdown.Event) {
	if len(s.events) >= maxSteps {
		s.more++
		return
	}
	s.events = append(s.events, &e)
}

// Steps are those of an evaluation that was Explaining; more is how many were not kept.
func (l *Look) Steps(explanation string) (out []Step, more int) {
	if l.steps == nil {
		return nil, 0
	}
	events := l.steps.events
	switch explanation {
	case "notes":
		events = lineage.Filter(events, func(e *topdown.Event) bool { return e.Op == topdown.EvalOp && prints(e) })
	case "fails":
		events = lineage.Fails(events)
	}
	depths := map[uint64]int{}
	for _, e := range l.steps.events {
		if e.Op == topdown.EnterOp {
			depths[e.QueryID] = depths[e.ParentID] + 1
		}
	}
	for _, e := range events {
		if s, ok := step(e); ok {
			s.Depth = max(0, depths[e.QueryID]-2)
			out = append(out, s)
		}
	}
	return out, l.steps.more
}

// step is an event of a file; what the compiler made beside it is left out.
func step(e *topdown.Event) (Step, bool) {
	at := e.Location
	if at == nil || at.File == "" {
		return Step{}, false
	}
	s := Step{File: at.File, Line: at.Row, Does: strings.ToLower(string(e.Op))}
	switch node := e.Node.(type) {
	case *ast.Expr:
		if node.Generated && e.Op != topdown.FailOp {
			return s, false
		}
		s.Text = source(at)
	case *ast.Rule:
		s.Text = node.Ref().String()
	case ast.Body:
		s.Text = source(at)
	default:
		return s, false
	}
	return s, e.Op != topdown.IndexOp && e.Op != topdown.UnifyOp && e.Op != topdown.SaveOp
}

func prints(e *topdown.Event) bool {
	expr, ok := e.Node.(*ast.Expr)
	return ok && expr.IsCall() && expr.Operator().String() == ast.InternalPrint.Name
}

// Cost is what the expressions of a line cost.
type Cost struct {
	File  string
	Line  int
	Time  time.Duration
	Evals int
	Redos int
	Text  string
}

// maxCosts is how many lines are told of, the most expensive ones.
const maxCosts = 20

// Costs are those of the lines of an evaluation that was Profiling, the most expensive first.
func (l *Look) Costs() []Cost {
	if l.profile == nil {
		return nil
	}
	var out []Cost
	for _, s := range l.profile.ReportTopNResults(-1, []string{"total_time_ns", "num_eval", "file", "line"}) {
		if s.Location == nil || s.Location.File == "" || len(out) == maxCosts {
			continue
		}
		out = append(out, Cost{s.Location.File, s.Location.Row, time.Duration(s.ExprTimeNs), s.NumEval, s.NumRedo, source(s.Location)})
	}
	return out
}
