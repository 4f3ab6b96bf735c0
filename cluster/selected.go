package cluster

import (
	"iter"
	"sync"

	"github.com/bits-and-blooms/bitset"
	"k8s.io/apimachinery/pkg/labels"
)

// namespaceIndex finds the namespaces that a selector selects.
type namespaceIndex struct {
	once  sync.Once
	index *index
}

// SelectNamespaces yields the namespaces that a selector selects, or may, by name.
func (s *Snapshot) SelectNamespaces(which Selector) iter.Seq[*Namespace] {
	return func(yield func(*Namespace) bool) {
		if s.labels == nil {
			return
		}
		s.labels.once.Do(func() {
			sets := make([]labels.Set, len(s.shards))
			for i, sh := range s.shards {
				sets[i] = sh.namespace.Labels
			}
			s.labels.index = newIndex(sets)
		})
		for i := range s.labels.index.selects(which).EachSet() {
			if !yield(s.shards[i].namespace) {
				return
			}
		}
	}
}

// SelectVariants tells which variants of a namespace a selector selects, or may:
// as bits over their positions. The bits are shared: do not change them.
func (s *Snapshot) SelectVariants(namespace string, which Selector) *bitset.BitSet {
	sh := s.shard(namespace)
	if sh == nil {
		return &bitset.BitSet{}
	}
	return sh.fold().labels.selects(which)
}

// Variants are those of all workloads of a namespace, in the order of the
// workloads. The slice is shared: do not change it.
func (s *Snapshot) Variants(namespace string) []*Variant {
	sh := s.shard(namespace)
	if sh == nil {
		return nil
	}
	return sh.fold().variants
}

// Position is where a variant stands among those of its namespace; false for one
// of another snapshot.
func (s *Snapshot) Position(v *Variant) (uint, bool) {
	sh := s.shard(v.Workload.Namespace)
	if sh == nil {
		return 0, false
	}
	at, ok := sh.fold().at[v.self()]
	return uint(at), ok
}

// Strays are the workloads of a namespace that are a pod relabelled away from
// its controller: those with a Parent.
func (s *Snapshot) Strays(namespace string) []*Workload {
	sh := s.shard(namespace)
	if sh == nil {
		return nil
	}
	return sh.fold().strays
}
