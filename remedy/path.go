package remedy

import (
	"encoding/json"
	"net/netip"
	"slices"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/connectivity"
	"github.com/podcullis/podcullis/guardrail"
)

// path is what the details of a violation say about one path: a connection as
// netpol.opened gives it, or one that netpol.closed misses.
type path struct {
	guardrail string
	from, to  peer
	ports     connectivity.PortSet
	because   []because
	unknown   connectivity.Uncertainty // why it is not known to be open; "" where it is
	entrance  bool                     // it leads through a Service, an Ingress or a route
}

type peer struct {
	Namespace, Kind, Name string
	CIDR                  string
	Labels                map[string]string
	Witness               bool
}

// because is one reason: a rule, no isolation, or, with neither, a netpol in the way.
type because struct {
	Direction   string
	Netpol      string
	Rule        *int
	NotIsolated bool
	Unknown     connectivity.Uncertainty
}

// isObstacle tells whether a path is missing, not open.
func (p path) isObstacle() bool {
	for _, b := range p.because {
		if b.Rule != nil || b.NotIsolated {
			return false
		}
	}
	return len(p.because) > 0
}

// about tells whether a connection is between the ends of the path.
func (p path) about(c connectivity.Connection) bool { return p.from.is(c.From) && p.to.is(c.To) }

func (p peer) is(x connectivity.Peer) bool {
	if x.Workload != nil {
		return x.Workload.Ref == cluster.Ref{Namespace: p.Namespace, Kind: p.Kind, Name: p.Name}
	}
	block, err := netip.ParsePrefix(p.CIDR)
	return err == nil && x.CIDR.IsValid() && block.Overlaps(x.CIDR)
}

// maxPaths bounds how many paths of a denial are looked at for edits. What settles
// the first settles the others, or the search goes on.
const maxPaths = 1000

// pathsOf reads the details of what denies; those of another form say nothing. It is
// not editable when one of the paths is not.
func pathsOf(d guardrail.Decision) (out []path, editable bool) {
	for _, v := range d.With(guardrail.Deny) {
		for _, details := range v.Each() {
			p := pathOf(details)
			if !p.editable() {
				return nil, false
			}
			if len(p.because) > 0 && len(out) < maxPaths {
				p.guardrail = v.Guardrail
				out = append(out, p)
			}
		}
	}
	return out, true
}

// editable tells whether an edit may be what settles the path. One that is not proved
// shut is taken for open, as guardrails take it: an edit that settles it shuts whatever
// it may be. Where the doubt is about what nobody wrote here, such as another policy
// API or the labels of a namespace, to say that is the better answer, and the guardrail
// asks for it.
func (p path) editable() bool {
	return isEditable(p.unknown) && !slices.ContainsFunc(p.because, func(b because) bool { return !isEditable(b.Unknown) })
}

func isEditable(u connectivity.Uncertainty) bool {
	switch u {
	case "", connectivity.IPNotAssigned, connectivity.HostNetwork, connectivity.NodeException, connectivity.GeneratedLabel:
		return true
	}
	return false
}

// holesOf counts the ways by which what is denied is open: each rule is one, so that
// to close the one of two that let the same through is seen to be a step.
func holesOf(d guardrail.Decision) int {
	paths, _ := pathsOf(d)
	holes := d.Count(guardrail.Deny)
	for _, p := range paths {
		holes += len(p.because)
		if p.unknown == "" { // what is left open for certain is more than what only may be
			holes++
		}
	}
	return holes
}

// pathOf reads the details of one path; without a reason it is none.
func pathOf(details any) (p path) {
	raw, err := json.Marshal(details)
	if err != nil {
		return p
	}
	var in struct {
		From, To peer
		Ports    []struct {
			Protocol      string
			Port, EndPort uint16
		}
		Because []because
		Unknown connectivity.Uncertainty
		Way     []any
	}
	if json.Unmarshal(raw, &in) != nil || len(in.Because) == 0 {
		return p
	}
	p = path{from: in.From, to: in.To, because: in.Because, unknown: in.Unknown, entrance: len(in.Way) > 0}
	for _, x := range in.Ports {
		protocol, ok := cluster.ParseProtocol(x.Protocol)
		if !ok {
			continue
		}
		p.ports = p.ports.Union(connectivity.Ports(connectivity.PortRange{Protocol: protocol, First: x.Port, Last: max(x.Port, x.EndPort)}))
	}
	return p
}
