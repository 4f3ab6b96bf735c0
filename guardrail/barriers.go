package guardrail

import (
	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/connectivity"
)

// barriers is netpol.barriers({from, to, ports?}). Audit and CLI know no before,
// so that for them there is nothing to tell.
func (e *evaluation) barriers(args []*ast.Term) (ast.Value, error) {
	q, err := e.pathQuestion(args[0])
	if err != nil {
		return nil, err
	}
	if nothing(e.Before) {
		return ast.NewArray(), nil
	}
	all := remember(e.world.weakenedBy, q.key, func() []connectivity.Weakening {
		var all []connectivity.Weakening
		for _, query := range q.parsed.Queries {
			all = append(all, connectivity.Weakened(e.Before, e.After, query, e.world.options)...)
		}
		return all
	})
	if all, err = bounded(e.world, all); err != nil {
		return nil, err
	}
	var out []*ast.Term
	for _, w := range all {
		out = append(out, weakeningTerm(w))
	}
	return eachOnce(out), nil
}

// nothing tells whether a snapshot is the empty cluster.
func nothing(s *cluster.Snapshot) bool {
	for range s.Objects() {
		return false
	}
	return true
}

// weakeningTerm is {from, to, ports, gone: {direction, by}, left: {direction, by}}.
func weakeningTerm(w connectivity.Weakening) *ast.Term {
	side := func(d cluster.Direction, by []cluster.Ref) *ast.Term {
		return objectTerm("direction", str(d.String()), "by", netpolTerms(by))
	}
	return objectTerm("from", peerTerm(w.From), "to", peerTerm(w.To), "ports", portsTerm(w.Ports),
		"gone", side(w.Gone, w.GoneBy), "left", side(1-w.Gone, w.LeftBy))
}
