package guardrail

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"sync/atomic"
	"unicode/utf8"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/connectivity"
)

// To look for a fix is work for somebody who is refused anyway: it ends early. It is
// bounded by steps and not by a clock, so that a review gets the same text on a busy machine.
const (
	maxFixes      = 3     // a review
	maxFixSteps   = 5_000 // of all of them, some tens of microseconds each
	maxFixLetters = 200
)

// fixing is what one review has spent on fixes.
type fixing struct {
	sought int
	steps  atomic.Int64
}

// fix is netpol.fix(connection). Audit and CLI may have thousands of connections
// to tell; there `podcullis explain --fix` has the answer for one.
func (e *evaluation) fix(args []*ast.Term) (ast.Value, error) {
	path, ok, err := e.path(args[0])
	if err != nil || !ok || e.Origin != Admission || e.world.unfixed || e.fixing.sought >= maxFixes {
		return nil, err
	}
	e.fixing.sought++
	options := e.world.options
	options.Interrupted = func() bool { return e.fixing.steps.Add(1) > maxFixSteps || e.turn.over() }
	fixes := connectivity.Fixes(e.After, path.From, path.To, path.Ports, options)
	if options.Interrupted() {
		return nil, nil // what was not tried may have been better; an evaluation that is over is an error
	}
	best, ok := e.best(fixes)
	if !ok {
		return nil, nil
	}
	return objectTerm("text", str(best.String()), "cost", ast.IntNumberTerm(best.Cost)).Value, nil
}

// best is the first fix that can be told in a line; one that edits nothing but the
// netpol under review goes before the others, as that one is at hand.
func (e *evaluation) best(fixes []connectivity.Fix) (best connectivity.Fix, found bool) {
	for _, f := range fixes {
		if f.Kind == connectivity.FixIsolate || f.Cost > maxConnections || utf8.RuneCountInString(f.String()) > maxFixLetters {
			continue
		}
		if e.editsOnlyTheChange(f) {
			return f, true
		}
		if !found {
			best, found = f, true
		}
	}
	return best, found
}

func (e *evaluation) editsOnlyTheChange(f connectivity.Fix) bool {
	if e.Change.After == nil || f.Kind == connectivity.FixRemove {
		return false
	}
	for _, r := range f.Rules {
		if r.Netpol != e.Change.Ref() {
			return false
		}
	}
	return true
}

// path reads the peers and ports of a connection; not ok for one with a pod that
// could be created, or with a workload that is not there.
func (e *evaluation) path(t *ast.Term) (c connectivity.Connection, ok bool, err error) {
	var in struct {
		From, To struct {
			Namespace, Kind, Name, CIDR string
		}
		Ports []portQuestion
	}
	v, err := ast.JSON(t.Value)
	if err != nil {
		return c, false, err
	}
	raw, err := json.Marshal(v)
	if err != nil {
		return c, false, err
	}
	if err := json.Unmarshal(raw, &in); err != nil { // the rest of the connection does not matter
		return c, false, fmt.Errorf("want a connection: %w", err)
	}
	for i, p := range in.Ports {
		r, err := p.portRange()
		if err != nil {
			return c, false, fmt.Errorf("ports[%d].%w", i, err)
		}
		c.Ports = c.Ports.Union(connectivity.Ports(r))
	}
	peer := func(namespace, kind, name, cidr string) (p connectivity.Peer, ok bool, err error) {
		if cidr != "" {
			p.CIDR, err = netip.ParsePrefix(cidr)
			return p, err == nil, err
		}
		p.Workload, ok = e.After.Workload(cluster.Ref{Namespace: namespace, Kind: kind, Name: name})
		return p, ok, nil
	}
	if c.From, ok, err = peer(in.From.Namespace, in.From.Kind, in.From.Name, in.From.CIDR); err != nil || !ok {
		return c, false, err
	}
	c.To, ok, err = peer(in.To.Namespace, in.To.Kind, in.To.Name, in.To.CIDR)
	return c, ok, err
}
