package cluster

import (
	"iter"
	"maps"
	"slices"
)

// ObjectsIn yields what the model holds of some namespaces, and these, in the order of Objects.
func (s *Snapshot) ObjectsIn(namespaces map[string]bool) iter.Seq[Object] {
	return func(yield func(Object) bool) {
		for _, name := range slices.Sorted(maps.Keys(namespaces)) {
			if sh := s.shard(name); sh != nil && !sh.each(yield) {
				return
			}
		}
	}
}
