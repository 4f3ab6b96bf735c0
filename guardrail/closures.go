package guardrail

import (
	"fmt"
	"slices"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/connectivity"
)

// This file answers about paths that must be there.

// closed is netpol.closed({from, to, ports?, otherAPIs?}).
func (e *evaluation) closed(args []*ast.Term) (ast.Value, error) { return e.closures(args[0], false) }

// blocked is netpol.blocked({from, to, ports?, otherAPIs?}).
func (e *evaluation) blocked(args []*ast.Term) (ast.Value, error) { return e.closures(args[0], true) }

func (e *evaluation) closures(question *ast.Term, standing bool) (ast.Value, error) {
	queries, trusted, err := parseDemand(question)
	if err != nil {
		return nil, err
	}
	key := fmt.Sprint(standing, question)
	all := remember(e.world.closedBy, key, func() []connectivity.ClosedPath {
		o := e.world.options
		o.NothingRestricts = trusted
		var all []connectivity.ClosedPath
		for _, q := range queries {
			if standing {
				all = append(all, connectivity.Blocked(e.After, q, o)...)
			} else {
				all = append(all, connectivity.Closed(e.Before, e.After, q, o)...)
			}
		}
		return all
	})
	if all, err = bounded(e.world, all); err != nil {
		return nil, err
	}
	var out []*ast.Term
	if !standing {
		all = own(e, e.homes.closed, key, all, func(c connectivity.ClosedPath) cluster.Ref { return e.homeOfClosure(c, e.concerns) })
	}
	for _, c := range all {
		out = append(out, closureTerm(c))
	}
	return eachOnce(out), nil
}

// eachOnce leaves out what two queries of one question both say.
func eachOnce(list []*ast.Term) *ast.Array {
	var out []*ast.Term
	seen := map[int][]*ast.Term{}
	for _, t := range list {
		hash := t.Hash()
		if !slices.ContainsFunc(seen[hash], t.Equal) {
			seen[hash] = append(seen[hash], t)
			out = append(out, t)
		}
	}
	return ast.NewArray(out...)
}

// parseDemand reads a question about paths that must be there: that of
// netpol.open, and how other policy APIs count that may restrict them.
func parseDemand(t *ast.Term) (queries []connectivity.Query, trusted bool, err error) {
	o, ok := t.Value.(ast.Object)
	if !ok {
		return nil, false, fmt.Errorf("want an object with from and to, got %s", t)
	}
	const key = "otherAPIs"
	if v := o.Get(str(key)); v != nil {
		switch text, err := stringOf(v); {
		case err != nil || text != "unknown" && text != "ignored":
			return nil, false, fmt.Errorf("%s: %s is not supported; use unknown or ignored", key, v)
		default:
			trusted = text == "ignored"
		}
		plain := ast.NewObject()
		o.Foreach(func(k, v *ast.Term) {
			if !k.Equal(str(key)) {
				plain.Insert(k, v)
			}
		})
		t = ast.NewTerm(plain)
	}
	q, err := parsePathQuestion(t)
	if err == nil && q.Queries[0].Scope != connectivity.Existing {
		err = fmt.Errorf("scope: a path must be there between workloads that exist; leave it out")
	}
	return q.Queries, trusted, err
}

// homeOfClosure is the object with which audit and CLI report a path that is
// shut: the netpol that isolates its destination, else its source, else the
// workload that does not get through.
func (w *world) homeOfClosure(c connectivity.ClosedPath, concerns func(cluster.Ref) bool) cluster.Ref {
	var netpols []cluster.Ref
	for _, o := range c.Because {
		netpols = append(netpols, o.Netpol)
	}
	return w.home(netpols, []connectivity.Peer{c.From, c.To}, concerns)
}

// closureTerm is {from, to, ports, unknown?, new?, because: [{direction, netpol?,
// unknown?, new?}], lost: [{direction, netpol, rule} or {direction, notIsolated}]}.
func closureTerm(c connectivity.ClosedPath) *ast.Term {
	because := make([]*ast.Term, 0, len(c.Because))
	for _, o := range c.Because {
		because = append(because, obstacleTerm(o))
	}
	lost := make([]*ast.Term, 0, len(c.Lost))
	for _, r := range c.Lost {
		lost = append(lost, becauseTerm(connectivity.Because{Reason: r}))
	}
	return objectTerm("from", peerTerm(c.From), "to", peerTerm(c.To), "ports", portsTerm(c.Ports), "unknown", unknownTerm(c.Unknown), "new", flagTerm(c.New),
		"because", ast.ArrayTerm(because...), "lost", ast.ArrayTerm(lost...))
}

func obstacleTerm(o connectivity.Obstacle) *ast.Term {
	var netpol *ast.Term
	if o.Netpol != (cluster.Ref{}) {
		netpol = netpolTerm(o.Netpol)
	}
	return objectTerm("direction", str(o.Direction.String()), "netpol", netpol, "unknown", unknownTerm(o.Unknown), "new", flagTerm(o.New))
}

// unknownTerm and flagTerm are nil, and so left out, where there is nothing to say.
func unknownTerm(u connectivity.Uncertainty) *ast.Term {
	if u == "" {
		return nil
	}
	return str(string(u))
}

func flagTerm(set bool) *ast.Term {
	if !set {
		return nil
	}
	return ast.BooleanTerm(true)
}
