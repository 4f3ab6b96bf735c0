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
	entrance  bool // it leads through a Service, an Ingress or a route
	unknown   connectivity.Uncertainty
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

// facts are the reasons for which a path is not proved shut that no edit settles as well
// as a fact does: the labels of a namespace, what another policy API does. Every other
// doubt is taken for open: an edit counts when with it nothing may get through.
var facts = []connectivity.Uncertainty{
	connectivity.NamespaceUnknown, connectivity.UnparsableSelector, connectivity.GeneratedLabel,
	connectivity.UnmodelledKind, connectivity.ControllerUnknown, connectivity.NotDecided,
}

// pathsOf reads the details of what denies; those of another form say nothing. It is
// not editable when one of the paths is in doubt for want of a fact.
func pathsOf(d guardrail.Decision) (out []path, editable bool) {
	editable = true
	for _, v := range d.With(guardrail.Deny) {
		for _, details := range v.Each() {
			p, ok := pathOf(details)
			if !ok {
				continue
			}
			editable = editable && !slices.Contains(facts, p.unknown)
			if len(out) < maxPaths {
				p.guardrail = v.Guardrail
				out = append(out, p)
			}
		}
	}
	return out, editable
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
func pathOf(details any) (p path, ok bool) {
	raw, err := json.Marshal(details)
	if err != nil {
		return p, false
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
		return p, false
	}
	p = path{from: in.From, to: in.To, because: in.Because, entrance: len(in.Way) > 0, unknown: in.Unknown}
	for _, x := range in.Ports {
		protocol, ok := cluster.ParseProtocol(x.Protocol)
		if !ok {
			continue
		}
		p.ports = p.ports.Union(connectivity.Ports(connectivity.PortRange{Protocol: protocol, First: x.Port, Last: max(x.Port, x.EndPort)}))
	}
	return p, true
}
