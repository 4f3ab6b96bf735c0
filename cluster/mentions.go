package cluster

import (
	"maps"
	"slices"

	"github.com/podcullis/podcullis/cluster/selector"
)

// mentions is what the selectors of some netpols mention: the netpols of a namespace as
// far as they look at its own pods, or all netpols as far as they look into others. nil
// mentions nothing. It does not change.
type mentions struct {
	// keys counts, for each pod label key, the netpols with a selector that mentions it.
	keys *shared[string, int]
	// ordinals counts, likewise, the ordinals of pods that they mention, by the label
	// and the name before them in its value.
	ordinals *shared[selector.Ordinal, map[int32]int]
	// generated counts the keys of labels that controllers give.
	generated int
}

// mentioned is what one netpol mentions: its podSelector and the peers of its own
// namespace, or its other peers.
type mentioned struct {
	keys     []string           // sorted, without repetition
	ordinals []selector.Ordinal // likewise
}

// mentionedBy collects what some selectors mention.
func mentionedBy(selectors ...selector.Selector) mentioned {
	keys, all := map[string]bool{}, ordinals{}
	for _, s := range selectors {
		s.AddKeys(keys)
		for _, o := range s.Ordinals() {
			all[o] = true
		}
	}
	return mentioned{slices.Sorted(maps.Keys(keys)), all.sorted()}
}

func (m mentioned) equal(o mentioned) bool {
	return slices.Equal(m.keys, o.keys) && slices.Equal(m.ordinals, o.ordinals)
}

// replace counts one netpol instead of another.
func (m *mentions) replace(was, now mentioned) *mentions {
	if was.equal(now) {
		return m
	}
	if m == nil {
		m = &mentions{}
	}
	next := *m
	next.recountKeys(was.keys, now.keys)
	next.recountOrdinals(was.ordinals, now.ordinals)
	if next.keys == nil && next.ordinals == nil {
		return nil
	}
	return &next
}

func (m *mentions) recountKeys(was, now []string) {
	set := map[string]int{}
	for k, by := range difference(was, now) {
		n, had := m.keys.get(k)
		set[k] = n + by
		if selector.IsGenerated(k) && !had {
			m.generated++
		} else if selector.IsGenerated(k) && set[k] == 0 {
			m.generated--
		}
	}
	m.keys = m.keys.with(set, func(n int) bool { return n > 0 })
}

func (m *mentions) recountOrdinals(was, now []selector.Ordinal) {
	set := map[selector.Ordinal]map[int32]int{}
	for o, by := range difference(was, now) {
		at := selector.Ordinal{Key: o.Key, Of: o.Of}
		if set[at] == nil {
			counts, _ := m.ordinals.get(at)
			if set[at] = maps.Clone(counts); counts == nil {
				set[at] = map[int32]int{}
			}
		}
		if set[at][o.N] += by; set[at][o.N] == 0 {
			delete(set[at], o.N)
		}
	}
	m.ordinals = m.ordinals.with(set, func(counts map[int32]int) bool { return len(counts) > 0 })
}

// difference is 1 for what is in now alone, and -1 for what is in was alone.
func difference[K comparable](was, now []K) map[K]int {
	out := make(map[K]int, len(was)+len(now))
	for _, k := range now {
		out[k]++
	}
	for _, k := range was {
		if out[k]--; out[k] == 0 {
			delete(out, k)
		}
	}
	return out
}

// Keys are the pod label keys that selectors mention, as far as they can see one
// namespace. Pods of it that agree on them are alike to every netpol. What it
// mentions is what one of its parts does; asking costs the same whether they are few or many.
type Keys struct{ parts []*mentions }

// KeysIn are the keys that a selector of some netpol mentions that can see the pods of
// a namespace: those of its own netpols, and those of peers in other namespaces.
func (s *Snapshot) KeysIn(namespace string) *Keys {
	out := &Keys{}
	if sh := s.shard(namespace); sh != nil {
		out.add(sh.mentions)
	}
	out.add(s.mentions)
	return out
}

func (k *Keys) add(m *mentions) {
	if m != nil && !slices.Contains(k.parts, m) {
		k.parts = append(k.parts, m)
	}
}

// Has reports whether a selector mentions a key.
func (k *Keys) Has(key string) bool {
	for _, m := range k.parts {
		if _, ok := m.keys.get(key); ok {
			return true
		}
	}
	return false
}

// Generated reports whether a selector mentions a label that controllers give.
func (k *Keys) Generated() bool {
	return slices.ContainsFunc(k.parts, func(m *mentions) bool { return m.generated > 0 })
}

// Names are all the keys, sorted.
func (k *Keys) Names() []string {
	names := map[string]bool{}
	for _, m := range k.parts {
		for key := range m.keys.all() {
			names[key] = true
		}
	}
	return slices.Sorted(maps.Keys(names))
}

// With adds what some more selectors mention. It is k itself where that cannot
// matter: where they mention no label that controllers give.
func (k *Keys) With(selectors ...selector.Selector) *Keys {
	if !slices.ContainsFunc(selectors, selector.Selector.AsksForGenerated) {
		return k
	}
	out := &Keys{parts: slices.Clone(k.parts)}
	out.add((*mentions)(nil).replace(mentioned{}, mentionedBy(selectors...)))
	return out
}

// Union mentions what either mentions.
func (k *Keys) Union(o *Keys) *Keys {
	out := &Keys{parts: slices.Clone(k.parts)}
	for _, m := range o.parts {
		out.add(m)
	}
	return out
}

// mentions are what a netpol mentions of its own namespace, and of others; nil mentions nothing.
func (n *Netpol) mentions() (own, wide mentioned) {
	if n == nil {
		return mentioned{}, mentioned{}
	}
	return n.own, n.wide
}
