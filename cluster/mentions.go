package cluster

import (
	"maps"
	"slices"
)

// mentions counts, for each pod label key, the netpols with a selector that
// mentions it. nil mentions nothing.
type mentions struct {
	netpols map[string]int
	// ordinals counts, likewise, the ordinals of pods that they mention.
	ordinals map[numbered]int
	// keys stay the same list for as long as they are the same keys.
	keys *Keys
}

// Keys is a list of pod label keys, sorted and without repetition. Pods of one
// namespace that agree on the keys that netpols mention are alike to every netpol.
type Keys struct {
	Names []string
	// generated is set when one of them is of a label that controllers give.
	generated bool
	// ordinals are those that selectors mention, by label and the name before them.
	ordinals map[numbered][]int32
}

func newKeys(names map[string]bool, mentioned ordinals) *Keys {
	k := &Keys{Names: slices.Sorted(maps.Keys(names)), ordinals: mentioned.byLabel()}
	k.generated = slices.ContainsFunc(k.Names, IsGenerated)
	return k
}

var noKeys = &Keys{}

// SelectorKeys are the pod label keys that a selector of some netpol mentions:
// the same pointer as in another snapshot only if they are the same.
func (s *Snapshot) SelectorKeys() *Keys {
	if s.mentions == nil {
		return noKeys
	}
	return s.mentions.keys
}

// replace counts one netpol instead of another; either may be nil.
func (m *mentions) replace(was, now *Netpol) *mentions {
	if slices.Equal(was.mentioned(), now.mentioned()) && slices.Equal(was.numbers(), now.numbers()) {
		return m
	}
	if m == nil {
		m = &mentions{keys: noKeys}
	}
	next := &mentions{netpols: maps.Clone(m.netpols), ordinals: maps.Clone(m.ordinals), keys: m.keys}
	recount(&next.netpols, was.mentioned(), now.mentioned())
	recount(&next.ordinals, was.numbers(), now.numbers())
	if !sameKeys(m.netpols, next.netpols) || !sameKeys(m.ordinals, next.ordinals) {
		next.keys = newKeys(setOf(next.netpols), setOf(next.ordinals))
	}
	return next
}

// recount counts one list instead of another.
func recount[K comparable](counts *map[K]int, was, now []K) {
	if *counts == nil && len(now) > 0 {
		*counts = map[K]int{}
	}
	for _, k := range now {
		(*counts)[k]++
	}
	for _, k := range was {
		if (*counts)[k]--; (*counts)[k] == 0 {
			delete(*counts, k)
		}
	}
}

func sameKeys[K comparable](a, b map[K]int) bool {
	if len(a) != len(b) {
		return false
	}
	for k := range a {
		if _, ok := b[k]; !ok {
			return false
		}
	}
	return true
}

func setOf[K comparable](counts map[K]int) map[K]bool {
	out := make(map[K]bool, len(counts))
	for k := range counts {
		out[k] = true
	}
	return out
}

// mentioned are the pod label keys that a selector of the netpol mentions, sorted.
func (n *Netpol) mentioned() []string {
	if n == nil {
		return nil
	}
	return n.keys
}

// numbers are the ordinals of pods that a selector of the netpol mentions, sorted.
func (n *Netpol) numbers() []numbered {
	if n == nil {
		return nil
	}
	return n.ordinals
}
