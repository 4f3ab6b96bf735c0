package cluster

import (
	"maps"
	"slices"
)

// mentions counts, for each pod label key, the netpols with a selector that
// mentions it. nil mentions nothing.
type mentions struct {
	netpols map[string]int
	// keys stay the same list for as long as they are the same keys.
	keys *Keys
}

// Keys is a list of pod label keys, sorted and without repetition. Pods of one
// namespace that agree on the keys that netpols mention are alike to every netpol.
type Keys struct{ Names []string }

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
	if slices.Equal(was.mentioned(), now.mentioned()) {
		return m
	}
	if m == nil {
		m = &mentions{keys: noKeys}
	}
	next := &mentions{netpols: maps.Clone(m.netpols), keys: m.keys}
	if next.netpols == nil {
		next.netpols = map[string]int{}
	}
	for _, k := range now.mentioned() {
		next.netpols[k]++
	}
	for _, k := range was.mentioned() {
		if next.netpols[k]--; next.netpols[k] == 0 {
			delete(next.netpols, k)
		}
	}
	if len(next.netpols) != len(next.keys.Names) || slices.ContainsFunc(next.keys.Names, func(k string) bool { return next.netpols[k] == 0 }) {
		next.keys = &Keys{slices.Sorted(maps.Keys(next.netpols))}
	}
	return next
}

// mentioned are the pod label keys that a selector of the netpol mentions, sorted.
func (n *Netpol) mentioned() []string {
	if n == nil {
		return nil
	}
	return n.keys
}
