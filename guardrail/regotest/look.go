package regotest

import (
	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/profiler"
	"github.com/open-policy-agent/opa/v1/topdown/print"

	"github.com/podcullis/podcullis/guardrail"
)

// Look is what is seen of one evaluation of one guardrail.
type Look struct {
	// Input is the input document.
	Input any
	// Rules are those that report, by name.
	Rules []Rule
	// Asked are the questions to our builtins, each once.
	Asked []Asked
	// Printed is what print(...) wrote.
	Printed []Printed
	trail   *Trail
	steps   *steps
	profile *profiler.Profiler
}

// Rule is a rule that reports, and what it reports.
type Rule struct {
	Name   string
	Values []any
}

// Asked is a question and its answer.
type Asked struct {
	Builtin   string
	Operands  []any
	Answer    any
	Undefined bool // there is none
}

// Printed is a line of print(...).
type Printed struct {
	File string
	Line int
	Text string
}

// NewLook makes one for one evaluation.
func NewLook() *Look { return &Look{trail: NewTrail()} }

// Lens is what Look looks through.
func (l *Look) Lens() *guardrail.Lens {
	tracer := tracers{l.trail}
	if l.steps != nil {
		tracer = append(tracer, l.steps)
	}
	if l.profile != nil {
		tracer = append(tracer, l.profile)
	}
	return &guardrail.Lens{
		Tracer: tracer, Print: l,
		Asking: func(_ string, input ast.Value) { l.Input = plain(input) },
		Answered: func(builtin string, args []*ast.Term, answer *ast.Term) {
			a := Asked{Builtin: builtin, Undefined: answer == nil}
			for _, arg := range args {
				a.Operands = append(a.Operands, plain(arg.Value))
			}
			if answer != nil {
				a.Answer = plain(answer.Value)
			}
			l.Asked = append(l.Asked, a)
		},
		Reported: func(rule string, value ast.Value) {
			values, _ := plain(value).([]any)
			l.Rules = append(l.Rules, Rule{rule, values})
		},
	}
}

// Print implements print.Hook.
func (l *Look) Print(c print.Context, text string) error {
	p := Printed{Text: text}
	if c.Location != nil {
		p.File, p.Line = c.Location.File, c.Location.Row
	}
	l.Printed = append(l.Printed, p)
	return nil
}

// Silent is set when every rule was asked and none reported anything.
func (l *Look) Silent() bool {
	for _, r := range l.Rules {
		if len(r.Values) > 0 {
			return false
		}
	}
	return len(l.Rules) > 0
}

// Ended are the expressions that ended the rules of a guardrail: those that had no value,
// or, where all had one, those that were not true.
func (l *Look) Ended() []Spot {
	if undefined := l.trail.Undefined(); len(undefined) > 0 {
		return undefined
	}
	return append(l.trail.Spots(), l.trail.Lost()...)
}

// plain is a value of Rego as JSON has it.
func plain(v ast.Value) any {
	out, err := ast.JSON(v)
	if err != nil {
		return v.String()
	}
	return out
}
