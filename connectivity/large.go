package connectivity

import (
	"github.com/bits-and-blooms/bitset"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/cluster/selector"
)

// largePeers is from how many peers a guard is large.
const largePeers = 64

// isLarge reports whether the netpols of a guard have very many peers together.
func isLarge(by []cluster.Isolator, d cluster.Direction) bool {
	peers := 0
	for _, n := range by {
		for i := range n.Rules[d] {
			if peers += len(n.Rules[d][i].Peers); peers > largePeers {
				return true
			}
		}
	}
	return false
}

// largeReach is the reach of a guard with very many peers. Whoever comes across it asks
// about one or two namespaces, and pays for no others.
type largeReach struct {
	e     *evaluator
	d     cluster.Direction
	guard *cluster.Isolation
	known map[string]*bitset.BitSet
}

// newLargeReach adds a large guard to what a reach has; everyone where that may be.
func (e *evaluator) newLargeReach(r *reach, d cluster.Direction, g *cluster.Isolation) *reach {
	for _, n := range g.By[d] {
		for i := range n.Rules[d] {
			rule := &n.Rules[d][i]
			if rule.AnyPeer {
				return everyone
			}
			for j := range rule.Peers {
				if p := &rule.Peers[j]; p.Broken && p.Block == nil {
					return everyone
				}
			}
		}
	}
	r.large = append(r.large, &largeReach{e, d, g, map[string]*bitset.BitSet{}})
	return r
}

func (l *largeReach) in(namespace string) *bitset.BitSet {
	bits, ok := l.known[namespace]
	if !ok {
		if bits = l.find(namespace); bits.None() {
			bits = nil
		}
		l.known[namespace] = bits
	}
	return bits
}

// find looks for the variants of a namespace that a peer lets through, until it has all.
func (l *largeReach) find(namespace string) *bitset.BitSet {
	members := l.e.members(namespace)
	all := uint(len(members.Variants()))
	out := bitset.New(all)
	for _, n := range l.guard.By[l.d] {
		for i := range n.Rules[l.d] {
			l.add(out, n.Netpol, &n.Rules[l.d][i], namespace, members)
			if out.Count() == all {
				return out
			}
		}
	}
	return out
}

func (l *largeReach) add(out *bitset.BitSet, n *cluster.Netpol, r *cluster.NetpolRule, namespace string, members cluster.Members) {
	if !r.Many() {
		for i := range r.Peers {
			l.addPeer(out, n, &r.Peers[i], namespace, members)
		}
		return
	}
	variants := members.Variants()
	for at, v := range variants {
		if !out.Test(uint(at)) {
			r.MayMatchByLabels(v, func(p *cluster.NetpolPeer) bool {
				found := l.e.matchPod(n, p, v).match != selector.No
				out.SetTo(uint(at), found)
				return !found
			})
		}
	}
	for _, list := range [][]*cluster.NetpolPeer{r.Blocks(), r.Others()} {
		for _, p := range list {
			if l.addPeer(out, n, p, namespace, members); out.Count() == uint(len(variants)) {
				return
			}
		}
	}
	for at, v := range variants { // what may have any label is found by none
		if !out.Test(uint(at)) && v.Unread() != 0 {
			out.SetTo(uint(at), l.e.matchPods(n, r, v).match != selector.No)
		}
	}
}

func (l *largeReach) addPeer(out *bitset.BitSet, n *cluster.Netpol, p *cluster.NetpolPeer, namespace string, members cluster.Members) {
	switch {
	case p.Block != nil:
		out.InPlaceUnion(l.e.inBlockOf(p.Block, members))
		return
	case p.OwnNamespace:
		if n.Namespace != namespace {
			return
		}
	default:
		if m, _ := l.e.matchNamespace(p, namespace); m == selector.No {
			return
		}
	}
	out.InPlaceUnion(members.Select(p.Pods))
}
