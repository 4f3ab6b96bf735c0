package connectivity

import (
	"net/netip"

	"go4.org/netipx"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/cluster/selector"
)

// region is a set of addresses outside the cluster that are treated alike.
type region struct {
	addresses *netipx.IPSet
	pair
}

// regions are disjoint.
type regions []region

// outside partitions a block of addresses by what the pods of one workload can
// reach there (egress), or can be reached on from there (ingress). Outside the
// cluster nothing has a say, so this side alone decides.
func (e *evaluator) outside(d cluster.Direction, subjects []*cluster.Variant, block netip.Prefix) regions {
	out := regions{{addresses: setOf(block)}}
	inside, _ := subjectOf(d)
	for _, v := range e.meant(inside, subjects) {
		out = e.outsideOf(d, v, out)
	}
	return out
}

func (e *evaluator) outsideOf(d cluster.Direction, v *cluster.Variant, all regions) regions {
	// Cut the addresses along every block that a rule names, then ask about one
	// address of each piece.
	all = e.cutAlong(d, v, all)
	for i := range all {
		s := e.judgeAddress(d, v, all[i].first())
		all[i].add(s.open, s.possible(), s.because)
	}
	return all
}

// cutAlong splits regions so that the netpols of a pod treat all of each alike.
func (e *evaluator) cutAlong(d cluster.Direction, v *cluster.Variant, all regions) regions {
	if v.HostNetwork {
		return all
	}
	for _, n := range e.netpols(v, d) {
		for i := range n.Rules[d] {
			for b := range n.Rules[d][i].AddressPeers() {
				if b.Block != nil {
					all = all.cut(setOfBlock(b.Block))
				}
			}
		}
	}
	return all
}

// judgeAddress evaluates one side of a connection with an address outside.
func (e *evaluator) judgeAddress(d cluster.Direction, subject *cluster.Variant, a netip.Addr) side {
	var destination *cluster.Variant
	if d == cluster.Ingress {
		destination = subject
	}
	return e.judge(d, subject, func(_ *cluster.Netpol, r *cluster.NetpolRule) matched { return matchAddress(r, a) }, destination, false)
}

// first is an address of the region, for all of them.
func (r region) first() netip.Addr { return r.addresses.Ranges()[0].From() }

// matchAddress tells whether a rule lets an address outside the cluster through.
// Selectors see pods only.
func matchAddress(r *cluster.NetpolRule, a netip.Addr) matched {
	if r.AnyPeer {
		return matched{match: selector.Yes}
	}
	var best matched
	for p := range r.AddressPeers() {
		switch {
		case p.Block != nil && p.Block.Contains(a):
			best = best.better(matched{match: selector.Yes}.given(p.Broken))
		case p.Block == nil && p.Broken:
			best = best.better(matched{match: selector.Maybe, unknown: UnparsableSelector})
		}
	}
	return best
}

// cut splits every region into what lies inside the set and what lies outside.
func (all regions) cut(set *netipx.IPSet) regions {
	var out regions
	for _, r := range all {
		if inside := intersection(r.addresses, set); inside != nil {
			out = append(out, region{inside, r.pair.clone()})
		}
		if rest := difference(r.addresses, set); rest != nil {
			out = append(out, region{rest, r.pair.clone()})
		}
	}
	return out
}

// overlay adds a region that may overlap those that are there.
func (all regions) overlay(r region) regions {
	if r.possible.Empty() {
		return all
	}
	return overlay(all, r,
		func(x region) *netipx.IPSet { return x.addresses },
		func(x region, part *netipx.IPSet) region { return region{part, x.pair.clone()} },
		func(x, y region) region {
			x.add(y.open, y.possible, y.because)
			return x
		})
}

// overlay adds to a list, whose elements are about disjoint sets of addresses, one that
// may overlap them. A part of an element is a copy; what overlaps is joined.
func overlay[T any](all []T, s T, addresses func(T) *netipx.IPSet, part func(T, *netipx.IPSet) T, join func(T, T) T) []T {
	var out []T
	left := addresses(s)
	for _, x := range all {
		both := intersection(addresses(x), addresses(s))
		if both == nil {
			out = append(out, x)
			continue
		}
		if rest := difference(addresses(x), addresses(s)); rest != nil {
			out = append(out, part(x, rest))
		}
		out = append(out, join(part(x, both), s))
		if left != nil {
			left = difference(left, addresses(x))
		}
	}
	if left != nil {
		out = append(out, part(s, left))
	}
	return out
}

func (p pair) clone() pair {
	p.because = append([]Because(nil), p.because...)
	return p
}

// connections lists, for one workload, the fewest blocks of addresses that
// behave differently.
func (all regions) connections(d cluster.Direction, w *cluster.Workload, ports PortSet) []Connection {
	var out []Connection
	for _, r := range all.merged(ports) {
		if r.possible.Empty() {
			continue
		}
		for _, block := range r.addresses.Prefixes() {
			from, to := Peer{CIDR: block}, Peer{Workload: w}
			if d == cluster.Egress {
				from, to = to, from
			}
			out = append(out, r.connections(from, to, ports)...)
		}
	}
	return out
}

// merged joins the regions that are alike on the ports that are asked for.
func (all regions) merged(asked PortSet) regions {
	var out regions
next:
	for _, r := range all {
		r.open, r.possible = r.open.Intersect(asked), r.possible.Intersect(asked)
		for i := range out {
			if out[i].open.Equal(r.open) && out[i].possible.Equal(r.possible) {
				out[i].addresses = union(out[i].addresses, r.addresses)
				out[i].add(r.open, r.possible, r.because)
				continue next
			}
		}
		out = append(out, region{r.addresses, r.pair.clone()})
	}
	return out
}

// setOfBlock are the addresses of a block; nil for none.
func setOfBlock(b *cluster.IPBlock) *netipx.IPSet {
	s := b.Set()
	if s == nil || len(s.Ranges()) == 0 {
		return nil
	}
	return s
}

func setOf(block netip.Prefix, except ...netip.Prefix) *netipx.IPSet {
	var b netipx.IPSetBuilder
	b.AddPrefix(block)
	for _, e := range except {
		b.RemovePrefix(e)
	}
	return build(&b)
}

func intersection(a, b *netipx.IPSet) *netipx.IPSet {
	var x netipx.IPSetBuilder
	x.AddSet(a)
	x.Intersect(b)
	return build(&x)
}

func difference(a, b *netipx.IPSet) *netipx.IPSet {
	var x netipx.IPSetBuilder
	x.AddSet(a)
	x.RemoveSet(b)
	return build(&x)
}

func union(a, b *netipx.IPSet) *netipx.IPSet {
	var x netipx.IPSetBuilder
	x.AddSet(a)
	x.AddSet(b)
	return build(&x)
}

// build is nil for the empty set. The builder's error is about invalid input
// only, and every prefix here was parsed.
func build(b *netipx.IPSetBuilder) *netipx.IPSet {
	s, err := b.IPSet()
	if err != nil || len(s.Ranges()) == 0 {
		return nil
	}
	return s
}
