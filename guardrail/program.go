package guardrail

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/metrics"
	"github.com/open-policy-agent/opa/v1/rego"

	"github.com/podcullis/podcullis/guardrail/sandbox"
)

// program is the prepared query of one guardrail with its parameters.
type program struct {
	query      rego.PreparedEvalQuery
	parameters *ast.Term
	// gates are the questions without an answer to which it reports nothing; gated is
	// whether there are such.
	gates []gate
	gated bool
}

// What a guardrail may report at most for one change; beyond that it is cut, so
// that a careless one cannot exhaust the server.
const (
	maxReported     = 1000
	maxMessageBytes = 4096
	// maxReportedValues counts everything in the details; that many take about 100 MB.
	maxReportedValues = 1_000_000
	maxReportedText   = 16 << 20 // bytes, before messages are cut
)

func newProgram(l *Library, g *Guardrail, parameters map[string]any) (*program, error) {
	v, err := ast.InterfaceToValue(parameters)
	if err != nil {
		return nil, err
	}
	var refs []string
	for _, name := range g.rules {
		refs = append(refs, g.ref(name))
	}
	options := append(builtinOptions(),
		rego.Query("["+strings.Join(refs, ", ")+"]"),
		rego.Compiler(l.compiler),
		rego.StrictBuiltinErrors(true),
		rego.GenerateJSON(func(t *ast.Term, _ *rego.EvalContext) (any, error) { return t.Value, nil }), // see reported
	)
	query, err := rego.New(options...).PrepareForEval(context.Background())
	if err != nil {
		return nil, err
	}
	p := &program{query: query, parameters: ast.NewTerm(v)}
	p.gates, p.gated = gatesOf(context.Background(), l.compiler, g, p.parameters)
	return p, nil
}

// ref is the reference to one of its rules.
func (g *Guardrail) ref(rule string) string {
	return fmt.Sprintf("data.guardrails.%s.%s", strings.ReplaceAll(g.ID, "-", "_"), rule)
}

// run asks one guardrail. An answer that is not a set of violations is an error.
func (i *instance) run(ctx context.Context, e *evaluation, in *input) (found []Violation, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	if err := e.turn.begin(i); err != nil {
		return nil, err
	}
	defer e.turn.done(i)
	lens := lensOf(ctx)
	if lens == nil && i.gated && e.shut(ctx, i.gates) {
		return nil, e.turn.err()
	}
	value, err := in.value(i.readsObject || lens != nil, i.parameters)
	if err != nil {
		return nil, err
	}
	lens.asking(i.Name, value)
	options := append([]rego.EvalOption{rego.EvalParsedInput(value), rego.EvalExternalCancel(e.turn), rego.EvalMetrics(metrics.NoOp())}, lens.options()...)
	results, err := i.query.Eval(context.WithValue(ctx, evaluationKey{}, e), options...)
	if err := e.turn.err(); err != nil {
		return nil, err
	}
	if err != nil {
		return nil, Readable(err)
	}
	if len(results) != 1 || len(results[0].Expressions) != 1 {
		return nil, errors.New("a rule that should be a set of violations is undefined")
	}
	sets, ok := results[0].Expressions[0].Value.(*ast.Array)
	if !ok || sets.Len() != len(i.rules) {
		return nil, errors.New("a rule that should be a set of violations is undefined")
	}
	lens.reported(i.rules, sets)
	return i.reported(sets)
}

// reported reads what the rules reported. It does so itself, and does not let OPA make Go
// values of it, as it knows a bound: values that share their parts are small
// until somebody writes them out.
func (i *instance) reported(sets *ast.Array) (found []Violation, err error) {
	left := sandbox.Size{Values: maxReportedValues, Text: maxReportedText}
	for n, rule := range i.rules {
		set, ok := sets.Elem(n).Value.(ast.Set)
		if !ok {
			return nil, fmt.Errorf("rule %s is not a set of violations", rule)
		}
		for _, entry := range set.Slice()[:min(set.Len(), maxReported)] {
			n := sandbox.SizeOf(left, entry)
			left = sandbox.Size{Values: left.Values - n.Values, Text: left.Text - n.Text}
			if left.Values < 0 || left.Text < 0 {
				return nil, fmt.Errorf("rule %s reports more than %d values or %d bytes of text", rule, maxReportedValues, maxReportedText)
			}
			value, err := ast.JSON(entry.Value)
			if err != nil {
				return nil, err
			}
			v, err := i.violation(rule, value)
			if err != nil {
				return nil, err
			}
			found = append(found, v)
		}
	}
	return found, nil
}

// violation reads one element of a set: a string, or an object with msg and
// perhaps details.
func (i *instance) violation(rule string, entry any) (Violation, error) {
	v := Violation{Guardrail: i.Name, Rule: i.ID, Action: i.Action, Severity: i.Severity, About: i.About()}
	if strings.HasPrefix(rule, "warn") && v.Action == Deny {
		v.Action = Warn
	}
	v.Notice = strings.HasPrefix(rule, "warn")
	switch entry := entry.(type) {
	case string:
		v.Message = entry
	case map[string]any:
		v.Message, _ = entry["msg"].(string)
		v.Details = entry["details"]
	}
	if v.Message == "" {
		return v, fmt.Errorf("rule %s reported what has no msg: want a string or an object with msg, got %s", rule, shortJSON(entry))
	}
	v.Message = Cut(v.Message, maxMessageBytes)
	return v, nil
}

// shortJSON is a value as JSON, of which not too much.
func shortJSON(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		return "what is no JSON"
	}
	return Cut(string(text), 200)
}

// valueText is a value as JSON; that there is none is said.
func valueText(v any) string {
	if v == nil {
		return "nothing"
	}
	return shortJSON(v)
}

// Cut shortens a text to at most n bytes, at a rune's edge, with an ellipsis for what is left
// out.
func Cut(text string, n int) string {
	if len(text) <= n {
		return text
	}
	n -= len("…")
	for n > 0 && !utf8.RuneStart(text[n]) {
		n--
	}
	return text[:n] + "…"
}
