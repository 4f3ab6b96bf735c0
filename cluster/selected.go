package cluster

import (
	"iter"
	"net/netip"
	"slices"
	"sync"

	"github.com/bits-and-blooms/bitset"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/podcullis/podcullis/cluster/selector"
)

// namespaceIndex finds the namespaces that a selector selects.
type namespaceIndex struct {
	once  sync.Once
	index *selector.Index
	// implied are the positions of the namespaces whose labels are not known.
	implied []uint
}

// SelectNamespaces yields the namespaces that a selector selects, or may, by
// name, each with its members.
func (s *Snapshot) SelectNamespaces(which selector.Selector) iter.Seq2[*Namespace, Members] {
	return func(yield func(*Namespace, Members) bool) {
		if s.labels == nil {
			return
		}
		s.labels.once.Do(func() { s.labels.fill(s.shards) })
		for i := range s.labels.selects(s.shards, which).EachSet() {
			if !yield(s.shards[i].namespace, Members{s.shards[i]}) {
				return
			}
		}
	}
}

func (x *namespaceIndex) fill(shards []*shard) {
	x.index = selector.NewIndex(len(shards), func(i int) labels.Set { return shards[i].namespace.Labels })
	for i, sh := range shards {
		if !sh.namespace.labelled() {
			x.implied = append(x.implied, uint(i))
		}
	}
}

// selects are the positions of the namespaces to which a selector does not say no.
func (x *namespaceIndex) selects(shards []*shard, which selector.Selector) *bitset.BitSet {
	known := x.index.Selects(which)
	out := known
	for _, i := range x.implied {
		if known.Test(i) || shards[i].namespace.Matches(which) == selector.No {
			continue
		}
		if out == known {
			out = known.Clone()
		}
		out.Set(i)
	}
	return out
}

// Members are the variants of all workloads of one namespace, each at a
// position. Bits over positions say which of them are meant; they are shared, so
// do not change them. The zero Members has none.
type Members struct{ shard *shard }

// Members are those of a namespace.
func (s *Snapshot) Members(namespace string) Members { return Members{s.shard(namespace)} }

var nobody = bitset.New(0)

// Variants are in the order of the workloads. The slice is shared, too.
func (m Members) Variants() []*Variant {
	if m.shard == nil {
		return nil
	}
	return m.shard.fold().variants
}

// Position is where a variant, or the first one of a class, stands; false for
// one that is not among the members.
func (m Members) Position(v *Variant) (uint, bool) {
	if m.shard == nil {
		return 0, false
	}
	at, ok := m.shard.fold().position(v)
	return uint(at), ok
}

// Isolation is the netpols of the variant at a position. They do not count for a pod
// of the host's network, which nothing isolates.
func (m Members) Isolation(position uint) *Isolation { return m.shard.guard()[position] }

// Select tells which variants a selector selects, or may.
func (m Members) Select(which selector.Selector) *bitset.BitSet {
	if m.shard == nil {
		return nobody
	}
	return m.shard.fold().selects(which)
}

// Strays are the workloads that are a pod relabelled away from its controller:
// those with a Parent.
func (m Members) Strays() []*Workload {
	if m.shard == nil {
		return nil
	}
	return m.shard.fold().strays
}

// OnHosts are the variants of the host's network.
func (m Members) OnHosts() *bitset.BitSet {
	if m.shard == nil {
		return nobody
	}
	return m.shard.fold().place().hosts
}

// Unaddressed are the variants with a pod that has no address yet.
func (m Members) Unaddressed() *bitset.BitSet {
	if m.shard == nil {
		return nobody
	}
	return m.shard.fold().place().unaddressed
}

// Within are the variants with a pod whose address the block holds.
func (m Members) Within(b *IPBlock) *bitset.BitSet {
	if m.shard == nil {
		return nobody
	}
	return m.shard.fold().place().within(b)
}

// places is where the pods of a shard are.
type places struct {
	hosts, unaddressed *bitset.BitSet
	addresses          []place // sorted
}

type place struct {
	address netip.Addr
	at      uint
}

// place finds out where the pods are, when first asked.
func (f *folded) place() *places {
	f.placed.Do(func() {
		n := uint(len(f.variants))
		f.places = places{hosts: bitset.New(n), unaddressed: bitset.New(n)}
		for i, v := range f.variants {
			f.places.hosts.SetTo(uint(i), v.HostNetwork)
			f.places.unaddressed.SetTo(uint(i), v.Unaddressed)
			for _, a := range v.IPs {
				f.places.addresses = append(f.places.addresses, place{a, uint(i)})
			}
		}
		slices.SortFunc(f.places.addresses, func(a, b place) int { return a.address.Compare(b.address) })
	})
	return &f.places
}

func (p *places) within(b *IPBlock) *bitset.BitSet {
	first, _ := slices.BinarySearchFunc(p.addresses, b.Prefix.Addr(), func(p place, a netip.Addr) int { return p.address.Compare(a) })
	out := nobody
	for _, p := range p.addresses[first:] {
		if !b.Prefix.Contains(p.address) {
			break
		}
		if b.Contains(p.address) {
			if out == nobody {
				out = &bitset.BitSet{}
			}
			out.Set(p.at)
		}
	}
	return out
}
