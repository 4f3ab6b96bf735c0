package guardrail

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/rego"
	"github.com/open-policy-agent/opa/v1/topdown"
)

// program is the prepared query of one guardrail with its parameters.
type program struct {
	query      rego.PreparedEvalQuery
	parameters *ast.Term
}

// What a guardrail may report at most for one change; beyond that it is cut, so
// that a careless one cannot exhaust the server.
const (
	maxReported     = 1000
	maxMessageBytes = 4096
)

func newProgram(l *Library, g *Guardrail, parameters map[string]any) (*program, error) {
	v, err := ast.InterfaceToValue(parameters)
	if err != nil {
		return nil, err
	}
	var refs []string
	for _, name := range g.rules {
		refs = append(refs, fmt.Sprintf("data.guardrails.%s.%s", strings.ReplaceAll(g.ID, "-", "_"), name))
	}
	options := append(builtinOptions(),
		rego.Query("["+strings.Join(refs, ", ")+"]"),
		rego.Compiler(l.compiler),
		rego.StrictBuiltinErrors(true),
	)
	query, err := rego.New(options...).PrepareForEval(context.Background())
	if err != nil {
		return nil, err
	}
	return &program{query: query, parameters: ast.NewTerm(v)}, nil
}

// run asks one guardrail. An answer that is not a set of violations is an error.
func (i *instance) run(ctx context.Context, e *evaluation, in *input) (found []Violation, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	value, err := in.value(i.readsObject, i.parameters)
	if err != nil {
		return nil, err
	}
	cancel := topdown.NewCancel()
	defer context.AfterFunc(ctx, cancel.Cancel)()
	results, err := i.query.Eval(context.WithValue(ctx, evaluationKey{}, e), rego.EvalParsedInput(value), rego.EvalExternalCancel(cancel))
	if ctxErr := context.Cause(ctx); ctxErr != nil {
		return nil, fmt.Errorf("out of time: %w", ctxErr)
	}
	if err != nil {
		return nil, err
	}
	if len(results) != 1 || len(results[0].Expressions) != 1 {
		return nil, errors.New("a rule that should be a set of violations is undefined")
	}
	sets, ok := results[0].Expressions[0].Value.([]any)
	if !ok || len(sets) != len(i.rules) {
		return nil, errors.New("a rule that should be a set of violations is undefined")
	}
	for n, set := range sets {
		list, ok := set.([]any)
		if !ok {
			return nil, fmt.Errorf("rule %s is not a set of violations", i.rules[n])
		}
		for _, entry := range list[:min(len(list), maxReported)] {
			v, err := i.violation(i.rules[n], entry)
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
	v := Violation{Guardrail: i.Name, Rule: i.ID, Action: i.Action, Severity: i.Severity}
	if strings.HasPrefix(rule, "warn") && v.Action == Deny {
		v.Action = Warn
	}
	switch entry := entry.(type) {
	case string:
		v.Message = entry
	case map[string]any:
		v.Message, _ = entry["msg"].(string)
		v.Details = entry["details"]
	}
	if v.Message == "" {
		return v, fmt.Errorf("rule %s reported %v, which has no msg: want a string or an object with msg", rule, entry)
	}
	v.Message = cut(v.Message, maxMessageBytes)
	return v, nil
}

// cut shortens text to at most n bytes, at a rune's edge.
func cut(text string, n int) string {
	if len(text) <= n {
		return text
	}
	n -= len("…")
	for n > 0 && !utf8.RuneStart(text[n]) {
		n--
	}
	return text[:n] + "…"
}
