package guardrail

import (
	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/podcullis/podcullis/connectivity"
)

// PathQuestion is what a guardrail asks about paths: which connections from some
// peers to others it is about.
type PathQuestion struct {
	// Guardrail is the name in the configuration, Action what it does about a violation.
	Guardrail string
	Action    Action
	// Required is set when the paths must be there; else they must not.
	Required bool
	connectivity.Query
}

// PathQuestions lists what the configured guardrails ask whose parameters are a
// question about paths (format: path-question), such as forbidden-paths. One with lists or
// exceptions is several.
func (e *Engine) PathQuestions() ([]PathQuestion, error) {
	var out []PathQuestion
	err := e.eachPathQuestion(func(in *instance, q pathQuestion) {
		for _, query := range q.Queries {
			out = append(out, PathQuestion{in.Name, in.Action, in.asksClosed, query})
		}
	})
	return out, err
}

func (e *Engine) eachPathQuestion(yield func(*instance, pathQuestion)) error {
	for _, in := range e.current.Load().instances {
		if !in.schema.asksPaths {
			continue
		}
		parameters, err := ast.JSON(in.parameters.Value)
		if err != nil {
			return err
		}
		given, _ := parameters.(map[string]any)
		q, err := pathQuestionOf(given)
		if err != nil {
			return err
		}
		yield(in, q)
	}
	return nil
}

// EntranceQuestions lists what the configured guardrails ask whose parameters are a question
// about what can be reached from outside (format: entrance-question), such as
// exposed-to-outside, as far as it is about NetworkPolicies alone: paths from these addresses
// to the workloads. What Services, Ingresses and routes lead to is not among them.
func (e *Engine) EntranceQuestions() ([]PathQuestion, error) {
	var out []PathQuestion
	for _, in := range e.current.Load().instances {
		if !in.schema.asksEntrances {
			continue
		}
		parameters, err := ast.JSON(in.parameters.Value)
		if err != nil {
			return nil, err
		}
		given, _ := parameters.(map[string]any)
		question, err := entranceQuestionOf(given)
		if err != nil {
			return nil, err
		}
		for _, q := range question {
			for _, query := range q.Paths() {
				out = append(out, PathQuestion{in.Name, in.Action, false, query})
			}
		}
	}
	return out, nil
}

// pathQuestionOf reads parameters as netpol.opened would.
func pathQuestionOf(parameters map[string]any) (pathQuestion, error) {
	question := map[string]any{}
	for _, key := range []string{"from", "to", "ports", "scope"} {
		if value, ok := parameters[key]; ok {
			question[key] = value
		}
	}
	term, err := ast.InterfaceToValue(question)
	if err != nil {
		return pathQuestion{}, err
	}
	return parsePathQuestion(ast.NewTerm(term))
}

// Connectivity is how the configuration has connections computed.
func (e *Engine) Connectivity() connectivity.Options { return e.current.Load().options }

// asksClosed reports whether a module calls netpol.closed or netpol.blocked.
func asksClosed(m *ast.Module) bool {
	asks := false
	ast.WalkRefs(m, func(r ast.Ref) bool {
		asks = asks || r.String() == "netpol.closed" || r.String() == "netpol.blocked"
		return asks
	})
	return asks
}
