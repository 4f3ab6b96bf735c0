package cluster

import (
	"hash/maphash"
	"iter"
	"maps"
)

// shared is a map that never changes: with returns another one, which shares with it
// all that did not change but for one part in sharedParts. So one object that mentions
// very much makes no change of another one dear. nil is the empty map.
type shared[K comparable, V any] struct {
	parts [sharedParts]map[K]V
	n     int
}

const sharedParts = 64

// seed is that of the hashes; what is found does not depend on it.
var seed = maphash.MakeSeed()

func partOf[K comparable](k K) int { return int(maphash.Comparable(seed, k) % sharedParts) }

func (s *shared[K, V]) len() int {
	if s == nil {
		return 0
	}
	return s.n
}

func (s *shared[K, V]) get(k K) (v V, ok bool) {
	if s == nil || s.n == 0 {
		return v, false
	}
	v, ok = s.parts[partOf(k)][k]
	return v, ok
}

// with is the map with some keys set, and without those that keep says no to. Its cost
// is that of the parts that they are in.
func (s *shared[K, V]) with(set map[K]V, keep func(V) bool) *shared[K, V] {
	if len(set) == 0 {
		return s
	}
	next := &shared[K, V]{}
	if s != nil {
		*next = *s
	}
	var own [sharedParts]bool
	for k, v := range set {
		i := partOf(k)
		if !own[i] {
			if own[i] = true; next.parts[i] == nil {
				next.parts[i] = map[K]V{}
			} else {
				next.parts[i] = maps.Clone(next.parts[i])
			}
		}
		_, had := next.parts[i][k]
		switch keeps := keep(v); {
		case keeps:
			next.parts[i][k] = v
			if !had {
				next.n++
			}
		case had:
			delete(next.parts[i], k)
			next.n--
		}
	}
	if next.n == 0 {
		return nil
	}
	return next
}

func (s *shared[K, V]) all() iter.Seq2[K, V] {
	return func(yield func(K, V) bool) {
		if s == nil {
			return
		}
		for _, part := range s.parts {
			for k, v := range part {
				if !yield(k, v) {
					return
				}
			}
		}
	}
}
