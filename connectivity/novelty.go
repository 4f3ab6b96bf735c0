package connectivity

import (
	"net/netip"
	"slices"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/cluster/selector"
)

// Two sorts of paths are not judged by the ports alone, but by the reasons for
// which they are there. One that was unknown and now is open is new only if a new
// rule opens it: the kubelet that writes a pod's address opens nothing. And where an
// object of another policy API may have kept shut what netpols left open, one that
// was open before is new if a new rule lets it through.
//
// A rule is new if no rule of that content was in force on its side before, for this
// pair and these ports: neither its name nor its place counts. One that says less
// than an old one is not new.

// novelty compares the two sides of one path, or the one that has a say, with what
// they were. Its fields are indexed by direction.
type novelty struct {
	// now and was list the rules in force, when somebody asks.
	now, was func(cluster.Direction) []ground
	// known are the reasons before.
	known map[Reason]PortSet
	// doubted are the ports that were there, surely or not, for ends on the same network
	// as now: a pod that leaves the host's network is no doubt resolved. nil for all.
	doubted func() PortSet
	// restricted tells whether another policy API may have restricted a side before.
	restricted func(cluster.Direction) bool
	// covers tells whether an old element of from or to says all that a new one does.
	covers func(old, now element) bool
}

// ground is a rule in force on one side of a path.
type ground struct {
	netpol *cluster.Netpol
	rule   int
	// elements are all of its peers, matched those that match the other end.
	elements, matched []element
	ports             PortSet
}

// element is a peer of a rule; without one the rule is for everybody.
type element struct {
	namespace string
	*cluster.NetpolPeer
}

// opened is what a path has that it had not before.
func (n novelty) opened(now, was pair) pair {
	out := now.beyond(was, n.known)
	resolved := was.possible.Subtract(was.open).Intersect(now.open)
	if n.doubted != nil && !resolved.Empty() {
		resolved = resolved.Intersect(n.doubted())
	}
	if !resolved.Empty() {
		old := n.old(now, cluster.Egress).Intersect(n.old(now, cluster.Ingress)).Intersect(resolved)
		out = out.only(out.possible.Subtract(old))
	}
	for _, d := range []cluster.Direction{cluster.Egress, cluster.Ingress} {
		if !n.restricted(d) {
			continue
		}
		there := now.possible.Intersect(was.possible).Subtract(out.possible)
		if fresh := n.fresh(d).Intersect(there); !fresh.Empty() {
			out = out.doubting(now, n.known, d, fresh)
		}
	}
	return out
}

// only is what a pair has on some ports.
func (p pair) only(ports PortSet) pair {
	return pair{open: p.open.Intersect(ports), possible: p.possible.Intersect(ports), because: within(p.because, ports)}
}

// doubting adds ports that perhaps were not open before.
func (p pair) doubting(now pair, known map[Reason]PortSet, d cluster.Direction, ports PortSet) pair {
	p.possible = p.possible.Union(ports)
	p.because = slices.Clone(p.because)
	for _, b := range within(now.because, ports) {
		b.New = !b.Ports.Subtract(known[b.Reason]).Empty()
		p.because = mergeBecause(p.because, b)
	}
	p.because = append(p.because, Because{Reason: Reason{Direction: d, Unknown: UnmodelledKind, Restricted: true}, Ports: ports, New: true})
	return p
}

// fresh are the ports that a new rule lets through on one side.
func (n novelty) fresh(d cluster.Direction) PortSet {
	var out PortSet
	was := n.was(d)
	for _, g := range n.now(d) {
		if len(g.matched) > 0 {
			out = out.Union(n.freshOf(g, was))
		}
	}
	return out
}

// freshOf are the ports on which a rule is new. One that was in force and has come to
// match because an end of the path changed is new where no rule let the path through;
// one that matches an address is not new by the address.
func (n novelty) freshOf(g ground, was []ground) PortSet {
	let, fresh := PortSet{}, g.ports
	for _, o := range was {
		if len(o.matched) > 0 {
			let = let.Union(o.ports)
		}
	}
	for _, o := range was {
		by, covered := n.covered(g, o)
		switch {
		case !covered:
		case len(o.matched) > 0 || (by.NetpolPeer != nil && by.Block != nil):
			fresh = fresh.Subtract(o.ports)
		default:
			fresh = fresh.Subtract(o.ports.Intersect(let))
		}
	}
	return fresh
}

// covered finds the element of a new rule of which an old rule says as much.
func (n novelty) covered(g, o ground) (element, bool) {
	for _, now := range g.matched {
		for _, old := range o.elements {
			if n.covers(old, now) {
				return now, true
			}
		}
	}
	return element{}, false
}

// old are the ports that one side lets through for certain, by something that is
// not new. A side outside the cluster has no say.
func (n novelty) old(now pair, d cluster.Direction) PortSet {
	var out PortSet
	asked := false
	was := n.was(d)
	rules := n.now(d)
	for _, b := range now.because {
		if b.Direction != d {
			continue
		}
		asked = true
		if b.Unknown != "" {
			continue
		}
		if b.NotIsolated {
			out = out.Union(b.Ports.Intersect(n.known[b.Reason]))
			continue
		}
		for _, g := range rules {
			if g.netpol.Ref() == b.Netpol && g.rule == b.Rule {
				out = out.Union(b.Ports.Subtract(n.freshOf(g, was)))
			}
		}
	}
	if !asked {
		return AllPorts()
	}
	return out
}

// grounds are the rules in force for one direction of some pods, with the elements
// that match the other end. destinations are the pods whose port names count.
func (e *evaluator) grounds(d cluster.Direction, subjects, destinations []*cluster.Variant, matches func(*cluster.Netpol, *cluster.NetpolPeer) bool) []ground {
	var out []ground
	for _, v := range e.classes(subjects) {
		if v.HostNetwork {
			continue
		}
		for _, n := range e.netpols(v, d) {
			for i := range n.Rules[d] {
				if slices.ContainsFunc(out, func(g ground) bool { return g.netpol == n.Netpol && g.rule == i }) {
					continue
				}
				out = append(out, groundOf(n.Netpol, d, i, destinations, matches))
			}
		}
	}
	return out
}

func groundOf(n *cluster.Netpol, d cluster.Direction, i int, destinations []*cluster.Variant, matches func(*cluster.Netpol, *cluster.NetpolPeer) bool) ground {
	rule := &n.Rules[d][i]
	g := ground{netpol: n, rule: i}
	if rule.AnyPeer {
		g.elements = []element{{namespace: n.Namespace}}
		g.matched = g.elements
	}
	for j := range rule.Peers {
		x := element{n.Namespace, &rule.Peers[j]}
		g.elements = append(g.elements, x)
		if matches(n, x.NetpolPeer) {
			g.matched = append(g.matched, x)
		}
	}
	for _, v := range destinations {
		ports, broken := portsOf(rule, v)
		g.ports = g.ports.Union(ports).Union(broken)
	}
	return g
}

// groundsBetween are those of one side of a path between pods.
func (e *evaluator) groundsBetween(d cluster.Direction, from, to []*cluster.Variant) []ground {
	subjects, peers := from, to
	if d == cluster.Ingress {
		subjects, peers = to, from
	}
	return e.grounds(d, subjects, to, func(n *cluster.Netpol, p *cluster.NetpolPeer) bool {
		return slices.ContainsFunc(e.classes(peers), func(v *cluster.Variant) bool { return e.matchPod(n, p, v).match != selector.No })
	})
}

// groundsOutside are those of pods towards an address.
func (e *evaluator) groundsOutside(d cluster.Direction, subjects []*cluster.Variant, a netip.Addr) []ground {
	destinations := []*cluster.Variant{nil}
	if d == cluster.Ingress {
		destinations = subjects
	}
	return e.grounds(d, subjects, destinations, func(_ *cluster.Netpol, p *cluster.NetpolPeer) bool {
		return (p.Block != nil && p.Block.Contains(a)) || (p.Block == nil && p.Broken)
	})
}

// says reports whether old says all that now does, for pods.
func (e *evaluator) says(old, now element) bool {
	switch {
	case old.NetpolPeer == nil:
		return true // for everybody
	case now.NetpolPeer == nil:
		return false // selectors say less, if they select all: of the host's network they may see nobody
	case old.Broken || now.Broken:
		return old.Broken && now.Broken
	case old.Block != nil || now.Block != nil:
		return old.Block != nil && now.Block != nil && blockSays(old.Block, now.Block)
	case !selectorSays(old.Pods, now.Pods):
		return false
	case old.OwnNamespace:
		return now.OwnNamespace && old.namespace == now.namespace
	case now.OwnNamespace:
		m, _ := e.matchNamespace(old.NetpolPeer, now.namespace)
		return m == selector.Yes
	}
	return selectorSays(old.Namespaces, now.Namespaces)
}

func blockSays(old, now *cluster.IPBlock) bool {
	all, some := setOfBlock(old), setOfBlock(now)
	return some == nil || (all != nil && difference(some, all) == nil)
}

// selectorSays reports whether old selects whatever now does.
func selectorSays(old, now selector.Selector) bool {
	if old.Key() == now.Key() {
		return true
	}
	wanted, m := old.Requirements()
	given, _ := now.Requirements()
	if m != selector.Yes {
		return false
	}
	return !slices.ContainsFunc(wanted, func(w selector.Requirement) bool {
		values := selector.AnyValue()
		for _, g := range given {
			if g.Key == w.Key {
				values = g.Values
			}
		}
		return !values.Within(w.Values)
	})
}
