package cluster

import (
	"cmp"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/bits-and-blooms/bitset"

	"github.com/podcullis/podcullis/cluster/selector"
)

// Isolation is the netpols that isolate a variant, by direction and then by name.
// Variants of one namespace with the same netpols share one.
type Isolation struct {
	Namespace string
	By        [2][]Isolator
}

// Only is the isolation by some of its netpols.
func (g *Isolation) Only(netpols []*Netpol) *Isolation {
	out := &Isolation{Namespace: g.Namespace}
	for d, by := range g.By {
		for _, n := range by {
			if slices.Contains(netpols, n.Netpol) {
				out.By[d] = append(out.By[d], n)
			}
		}
	}
	return out
}

// Isolator is a netpol that isolates, or one that may: its selector does not
// parse, or asks for labels that the pods are yet to get.
type Isolator struct {
	*Netpol
	Match selector.Match
}

// guarding is the guards of a shard, found when first asked for and shared by
// all shards with the same pods, templates and netpols.
type guarding struct {
	once   sync.Once
	result atomic.Pointer[guards]
	base   atomic.Pointer[guards] // of the same netpols, before some pods changed
	// origin is where the base is to be had that nobody has asked for yet. It is let go of
	// as soon as there is a base, or a later shard that has this one for its origin: so no
	// chain of shards is kept. (A weak pointer would do the same, but to look at one may
	// wait for the collector to end its work, and reviews are answered meanwhile.)
	origin atomic.Pointer[shard]
}

// guards are those of the variants of some workloads, by position.
type guards struct {
	of  *folded
	all []*Isolation
}

// touch is the guarding after a pod came, went or changed in a clone of a shard.
func (g *guarding) touch(from *shard) *guarding {
	next := &guarding{}
	if r := cmp.Or(g.result.Load(), g.base.Load()); r != nil {
		next.base.Store(r)
		return next
	}
	if from != nil && from.guarding == g {
		next.origin.Store(from)
		g.origin.Store(nil)
	} else {
		next.origin.Store(g.origin.Load())
	}
	return next
}

// guard gives every variant its netpols, once. What is asked about a change that nobody
// has made yet is asked again about the next one, so that it is worth finding out about
// the cluster before it, too.
func (s *shard) guard() []*Isolation {
	g := s.guarding
	g.once.Do(func() {
		base := g.base.Load()
		if origin := g.origin.Swap(nil); base == nil && origin != nil {
			origin.guard()
			base = origin.guarding.result.Load()
		}
		if base != nil {
			g.result.Store(s.guardAgain(base))
			g.base.Store(nil)
		} else {
			g.result.Store(s.guardAll())
		}
	})
	return g.result.Load().all
}

func (s *shard) guardAll() *guards {
	folded, netpols := s.fold(), s.order()
	selected := make([]*bitset.BitSet, len(netpols))
	for i, n := range netpols {
		selected[i] = folded.selects(n.Selector)
	}
	known := map[string]*Isolation{}
	out := &guards{of: folded, all: make([]*Isolation, len(folded.variants))}
	by := make([]byte, len(netpols))
	for at, v := range folded.variants {
		for i, n := range netpols {
			by[i] = byte(selector.No)
			if selected[i].Test(uint(at)) {
				by[i] = byte(v.selectedBy(n))
			}
		}
		g, ok := known[string(by)]
		if !ok {
			g = newGuard(s.namespace.Name, netpols, by)
			known[string(by)] = g
		}
		out.all[at] = g
	}
	return out
}

// guardAgain takes the guards of the workloads that are as they were.
func (s *shard) guardAgain(base *guards) *guards {
	folded := s.fold()
	out := &guards{of: folded, all: make([]*Isolation, 0, len(folded.variants))}
	was, first := base.of.sorted, base.of.first
	for _, w := range folded.sorted {
		for len(was) > 0 && was[0] != w && was[0].Ref.Compare(w.Ref) < 0 {
			was, first = was[1:], first[1:]
		}
		if len(was) > 0 && was[0] == w {
			out.all = append(out.all, base.all[first[0]:first[0]+len(w.Variants)]...)
			continue
		}
		for _, v := range w.Variants {
			out.all = append(out.all, s.guardOf(v, base))
		}
	}
	return out
}

// guardOf is the guard of one variant: one of those that are there, if it fits.
func (s *shard) guardOf(v *Variant, known *guards) *Isolation {
	by := make([]byte, len(s.order()))
	for i, n := range s.order() {
		by[i] = byte(v.Matches(n.Selector))
	}
	g := newGuard(s.namespace.Name, s.order(), by)
	for _, k := range known.all {
		if slices.Equal(k.By[Egress], g.By[Egress]) && slices.Equal(k.By[Ingress], g.By[Ingress]) {
			return k
		}
	}
	return g
}

// selectedBy is the answer of a netpol that does not say No.
func (v *Variant) selectedBy(n *Netpol) selector.Match {
	switch {
	case n.Selector.Broken():
		return selector.Maybe
	case v.Unread() != 0:
		return v.Matches(n.Selector)
	case !n.Selector.AsksForGenerated() || v.maker == nil:
		return selector.Yes
	}
	return v.Matches(n.Selector)
}

// newGuard is that of a variant to which the netpols give some answers.
func newGuard(namespace string, netpols []*Netpol, by []byte) *Isolation {
	g := &Isolation{Namespace: namespace}
	for i, n := range netpols {
		match := selector.Match(by[i])
		if match == selector.No {
			continue
		}
		for d, isolates := range n.Isolates {
			if isolates {
				g.By[d] = append(g.By[d], Isolator{n, match})
			}
		}
	}
	return g
}

// IsolationOf is the netpols of a variant, also of one that is not this snapshot's own.
func (s *Snapshot) IsolationOf(v *Variant) *Isolation {
	sh := s.shard(v.Workload.Namespace)
	if sh == nil {
		return &Isolation{Namespace: v.Workload.Namespace}
	}
	if at, ok := sh.fold().position(v); ok && !v.Part() {
		return sh.guard()[at]
	}
	return sh.guardOf(v, &guards{})
}
