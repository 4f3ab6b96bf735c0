package guardrail

import (
	"encoding/json"
	"fmt"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/connectivity"
)

// manyPorts is what counts as many where a question does not say.
const manyPorts = 1000

// parseWideQuestion reads the question of netpol.wide.
func parseWideQuestion(t *ast.Term) (q connectivity.WideQuery, err error) {
	var in struct {
		Directions []string          `json:"directions"`
		ManyPorts  *int              `json:"manyPorts"`
		Except     []json.RawMessage `json:"except"`
		Public     []json.RawMessage `json:"public"`
	}
	if err := decodeTerm(t, &in); err != nil {
		return q, err
	}
	if q.Directions, err = parseDirections(in.Directions); err != nil {
		return q, err
	}
	if q.ManyPorts = manyPorts; in.ManyPorts != nil {
		q.ManyPorts = *in.ManyPorts
	}
	if q.ManyPorts < 1 || q.ManyPorts > 3*65535 {
		return q, fmt.Errorf("manyPorts: want 1 to %d, got %d", 3*65535, q.ManyPorts)
	}
	if q.Except, err = selectionsOf("except", in.Except); err != nil {
		return q, err
	}
	q.Public, err = selectionsOf("public", in.Public)
	return q, err
}

func selectionsOf(field string, list []json.RawMessage) ([]connectivity.Selection, error) {
	if len(list) > maxParts {
		return nil, fmt.Errorf("%s: at most %d selections, got %d", field, maxParts, len(list))
	}
	var out []connectivity.Selection
	for i, raw := range list {
		var pair selectorPair
		if err := decodeStrict(raw, &pair); err != nil {
			return nil, fmt.Errorf("%s[%d].%w", field, i, err)
		}
		s, err := pair.selection()
		if err != nil {
			return nil, fmt.Errorf("%s[%d].%w", field, i, err)
		}
		out = append(out, s)
	}
	return out, nil
}

// wide is netpol.wide(question): about the netpol that is created or changed.
func (e *evaluation) wide(args []*ast.Term) (ast.Value, error) {
	q, err := e.world.asking.widths.read(args[0], parseWideQuestion)
	if err != nil {
		return nil, err
	}
	is, ok := e.Change.After.(*cluster.Netpol)
	if !ok {
		return ast.NewArray(), nil
	}
	var was *cluster.Netpol
	if e.Origin == Admission {
		was, _ = e.Change.Before.(*cluster.Netpol)
	}
	var out []*ast.Term
	for _, r := range connectivity.Widened(e.Before, was, e.After, is, q.parsed, e.world.options) {
		out = append(out, wideTerm(is, r))
	}
	return ast.NewArray(out...), nil
}

func wideTerm(n *cluster.Netpol, r connectivity.WideRule) *ast.Term {
	workloads := func(list []*cluster.Workload) *ast.Term {
		out := make([]*ast.Term, 0, len(list))
		for _, w := range list {
			out = append(out, workloadTerm(w))
		}
		return ast.ArrayTerm(out...)
	}
	return objectTerm(
		"netpol", netpolTerm(n.Ref()), "direction", str(r.Direction.String()), "rule", ast.IntNumberTerm(r.Rule),
		"namespaces", ast.BooleanTerm(r.Namespaces), "addresses", ast.BooleanTerm(r.Addresses), "ports", ast.BooleanTerm(r.Ports),
		"through", portsTerm(r.Through), "shown", portsTerm(r.Shown), "workloads", workloads(r.Workloads),
		"known", ast.BooleanTerm(r.Known), "others", workloads(r.Others),
	)
}
