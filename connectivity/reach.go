package connectivity

import (
	"unique"

	"github.com/bits-and-blooms/bitset"

	"github.com/podcullis/podcullis/cluster"
)

// reach is whom the netpols of one guard let through on some port, in one
// direction: every such peer, and perhaps some that they do not. Who is not in
// it is blocked on every port, so only the peers in it are judged port by port.
type reach struct {
	everyone bool
	// in are the variants that selectors match, by namespace.
	in map[string]*bitset.BitSet
	// blocks are the address blocks that match; pods are held against them one by one.
	blocks []*cluster.IPBlock
	// nodes is set when pods of the host's network are let through whatever the
	// netpols say.
	nodes bool
}

type reachKey struct {
	guard     *cluster.Guard
	direction cluster.Direction
}

type selectorPair struct{ namespaces, pods unique.Handle[string] }

// endpoint is a chosen workload as one end of many pairs.
type endpoint struct {
	chosen
	positions []uint   // of its variants
	reach     []*reach // of its variants, without repetition
}

// endpoints prepares the workloads of a list to be the subjects in one direction, and
// the peers in the other.
func (e *evaluator) endpoints(d cluster.Direction, list []chosen) []endpoint {
	out := make([]endpoint, 0, len(list))
	for _, c := range list {
		out = append(out, e.endpoint(d, c))
	}
	return out
}

func (e *evaluator) endpoint(d cluster.Direction, c chosen) endpoint {
	x := endpoint{chosen: c}
	for _, v := range c.variants {
		if at, ok := e.snapshot.Position(v); ok {
			x.positions = append(x.positions, at)
		}
		r := e.reachOf(d, v)
		if len(x.reach) == 0 || x.reach[len(x.reach)-1] != r {
			x.reach = append(x.reach, r)
		}
	}
	return x
}

// mayReach reports whether a connection between two ends is worth judging.
func (e *evaluator) mayReach(from, to *endpoint) bool {
	return e.lets(to, from) && e.lets(from, to)
}

// lets reports whether the subject's own netpols may let the peer through.
func (e *evaluator) lets(subject, peer *endpoint) bool {
	for _, r := range subject.reach {
		if r.everyone {
			return true
		}
		if bits := r.in[peer.workload.Namespace]; bits != nil {
			for _, at := range peer.positions {
				if bits.Test(at) {
					return true
				}
			}
		}
		if len(r.blocks) == 0 && !r.nodes {
			continue
		}
		for _, v := range peer.variants {
			if r.nodes && v.HostNetwork {
				return true
			}
			for _, b := range r.blocks {
				if e.matchAddresses(b, v).match != cluster.No {
					return true
				}
			}
		}
	}
	return false
}

var reachEveryone = &reach{everyone: true}

func (e *evaluator) reachOf(d cluster.Direction, v *cluster.Variant) *reach {
	if v.HostNetwork {
		return reachEveryone
	}
	g := e.guard(v)
	key := reachKey{g, d}
	r, ok := e.reached[key]
	if !ok {
		r = e.newReach(d, g)
		e.reached[key] = r
	}
	return r
}

func (e *evaluator) newReach(d cluster.Direction, g *cluster.Guard) *reach {
	isolated := cluster.No
	for _, n := range g.By[d] {
		isolated = isolated.Or(n.Match)
	}
	if isolated != cluster.Yes || e.opening.in(g.Namespace) {
		return reachEveryone
	}
	r := &reach{in: map[string]*bitset.BitSet{}, nodes: d == cluster.Ingress}
	for _, n := range g.By[d] {
		for i := range n.Rules[d] {
			if rule := &n.Rules[d][i]; rule.AnyPeer || !e.addPeers(r, n.Netpol, rule) {
				return reachEveryone
			}
		}
	}
	return r
}

// addPeers adds the peers of a rule; false when that is everybody.
func (e *evaluator) addPeers(r *reach, n *cluster.Netpol, rule *cluster.NetpolRule) bool {
	for i := range rule.Peers {
		switch p := &rule.Peers[i]; {
		case p.Block != nil:
			r.blocks = append(r.blocks, p.Block)
		case p.Broken:
			return false
		case p.OwnNamespace:
			r.add(n.Namespace, e.snapshot.SelectVariants(n.Namespace, p.Pods))
		default:
			for namespace, bits := range e.podsOf(p) {
				r.add(namespace, bits)
			}
		}
	}
	return true
}

// podsOf are the variants that the selectors of a peer match, by namespace.
func (e *evaluator) podsOf(p *cluster.NetpolPeer) map[string]*bitset.BitSet {
	key := selectorPair{p.Namespaces.Key(), p.Pods.Key()}
	out, ok := e.pods[key]
	if !ok {
		out = map[string]*bitset.BitSet{}
		for ns := range e.snapshot.SelectNamespaces(p.Namespaces) {
			if bits := e.snapshot.SelectVariants(ns.Name, p.Pods); bits.Any() {
				out[ns.Name] = bits
			}
		}
		e.pods[key] = out
	}
	return out
}

func (r *reach) add(namespace string, bits *bitset.BitSet) {
	if have, ok := r.in[namespace]; ok {
		bits = have.Union(bits)
	}
	r.in[namespace] = bits
}
