package guardrail

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/connectivity"
)

// parseUnboundedQuestion reads the question of netpol.unbounded.
func parseUnboundedQuestion(t *ast.Term) (q connectivity.UnboundedQuery, err error) {
	var in struct {
		selectorPair
		Except     []json.RawMessage      `json:"except"`
		Directions []string               `json:"directions"`
		By         []connectivity.Breadth `json:"by"`
		ManyPorts  int                    `json:"manyPorts"`
	}
	if err := decodeTerm(t, &in); err != nil {
		return q, err
	}
	if q.Which, err = in.selection(); err != nil {
		return q, err
	}
	if q.Except, err = selectionsOf("except", in.Except); err != nil {
		return q, err
	}
	if q.Directions, err = parseDirections(in.Directions); err != nil {
		return q, err
	}
	if q.ManyPorts = in.ManyPorts; q.ManyPorts < 0 || q.ManyPorts > 3*65535 {
		return q, fmt.Errorf("manyPorts: want at most %d, got %d", 3*65535, q.ManyPorts)
	}
	if q.By = in.By; len(q.By) == 0 {
		q.By = connectivity.Breadths()
	}
	for _, by := range q.By {
		if !slices.Contains(connectivity.Breadths(), by) {
			var known []string
			for _, b := range connectivity.Breadths() {
				known = append(known, string(b))
			}
			return q, fmt.Errorf("by: %q is not supported; use %s", by, strings.Join(known, ", "))
		}
	}
	return q, nil
}

// unbounded is netpol.unbounded(question).
func (e *evaluation) unbounded(args []*ast.Term) (ast.Value, error) {
	q, err := e.world.asking.breadths.read(args[0], parseUnboundedQuestion)
	if err != nil {
		return nil, err
	}
	all := remember(e.world.unboundedBy, q.key, func() []connectivity.Unbounded {
		return connectivity.BecomeUnbounded(e.Before, e.After, q.parsed, e.world.options)
	})
	if all, err = bounded(e.world, all); err != nil {
		return nil, err
	}
	var out []*ast.Term
	for _, x := range own(e, e.homes.unbounded, q.key, all, e.homeOfUnbounded) {
		out = append(out, unboundedTerm(x))
	}
	return ast.NewArray(out...), nil
}

// homeOfUnbounded is the netpol whose rule it is, else the workload.
func (e *evaluation) homeOfUnbounded(x connectivity.Unbounded) cluster.Ref {
	var netpols []cluster.Ref
	for _, r := range slices.Backward(x.Rules) { // the first is the home
		netpols = append(netpols, r.Netpol)
	}
	return e.home(netpols, []connectivity.Peer{{Workload: x.Workload}}, e.concerns)
}

// unboundedTerm is {workload, direction, by, new, rules: [{direction, netpol, rule}], ports, named}.
func unboundedTerm(x connectivity.Unbounded) *ast.Term {
	rules := make([]*ast.Term, 0, len(x.Rules))
	for _, r := range x.Rules {
		rules = append(rules, becauseTerm(connectivity.Because{Reason: r}))
	}
	named := make([]*ast.Term, 0, len(x.Named))
	for _, n := range x.Named {
		named = append(named, str(n))
	}
	return objectTerm("workload", peerTerm(connectivity.Peer{Workload: x.Workload}), "direction", str(x.Direction.String()), "by", str(string(x.By)),
		"new", ast.BooleanTerm(x.New), "rules", ast.ArrayTerm(rules...), "ports", portsTerm(x.Ports), "named", ast.ArrayTerm(named...))
}
