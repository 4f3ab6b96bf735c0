package cluster

import (
	"sync"

	"github.com/bits-and-blooms/bitset"
)

// Guard is the netpols that isolate a variant, by direction and then by name.
// Variants of one namespace with the same netpols share one.
type Guard struct {
	Namespace string
	By        [2][]Guarding
}

// Guarding is a netpol that isolates, or one that may: its selector does not parse.
type Guarding struct {
	*Netpol
	Match Match
}

// guarding is the guards of a shard, found when first asked for and shared by
// all shards with the same pods, templates and netpols.
type guarding struct {
	once   sync.Once
	guards []*Guard // by the position of the variant
}

// guard gives every variant its netpols, once.
func (s *shard) guard() []*Guard {
	s.guarding.once.Do(func() {
		folded, netpols := s.fold(), s.order()
		selected := make([]*bitset.BitSet, len(netpols))
		for i, n := range netpols {
			selected[i] = folded.labels.selects(n.Selector)
		}
		known := map[string]*Guard{}
		s.guarding.guards = make([]*Guard, len(folded.variants))
		by := make([]byte, len(netpols))
		for at := range folded.variants {
			for i := range netpols {
				by[i] = 0
				if selected[i].Test(uint(at)) {
					by[i] = 1
				}
			}
			g, ok := known[string(by)]
			if !ok {
				g = newGuard(s.namespace.Name, netpols, by)
				known[string(by)] = g
			}
			s.guarding.guards[at] = g
		}
	})
	return s.guarding.guards
}

func newGuard(namespace string, netpols []*Netpol, by []byte) *Guard {
	g := &Guard{Namespace: namespace}
	for i, n := range netpols {
		if by[i] == 0 {
			continue
		}
		match := Yes
		if n.Selector.broken {
			match = Maybe
		}
		for d, isolates := range n.Isolates {
			if isolates {
				g.By[d] = append(g.By[d], Guarding{n, match})
			}
		}
	}
	return g
}

// GuardOf is the netpols of a variant, also of one that is not this snapshot's own.
func (s *Snapshot) GuardOf(v *Variant) *Guard {
	sh := s.shard(v.Workload.Namespace)
	if sh == nil {
		return &Guard{Namespace: v.Workload.Namespace}
	}
	if at, ok := sh.fold().at[v.self()]; ok {
		return sh.guard()[at]
	}
	by := make([]byte, len(sh.order()))
	for i, n := range sh.order() {
		if n.Selector.Matches(v.Labels) != No {
			by[i] = 1
		}
	}
	return newGuard(sh.namespace.Name, sh.order(), by)
}
