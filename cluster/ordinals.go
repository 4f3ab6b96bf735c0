package cluster

import (
	"cmp"
	"maps"
	"slices"
)

// maxParts bounds into how many parts a variant is taken by ordinals. Beyond that
// selectors answer Maybe for all of them together.
const maxParts = 16

// ordinals are those of StatefulSets and Indexed Jobs that selectors mention.
type ordinals map[numbered]bool

func (o ordinals) sorted() []numbered {
	return slices.SortedFunc(maps.Keys(o), func(a, b numbered) int {
		return cmp.Or(cmp.Compare(a.key, b.key), cmp.Compare(a.of, b.of), cmp.Compare(a.ordinal, b.ordinal))
	})
}

// byLabel are the ordinals by the label, and the name before them in its value.
func (o ordinals) byLabel() map[numbered][]int32 {
	if len(o) == 0 {
		return nil
	}
	out := map[numbered][]int32{}
	for n := range o {
		at := numbered{key: n.key, of: n.of}
		out[at] = append(out[at], n.ordinal)
	}
	return out
}

// With adds what some more selectors mention. It is k itself where that cannot
// matter: where they mention no label that controllers give.
func (k *Keys) With(selectors ...Selector) *Keys {
	if !slices.ContainsFunc(selectors, Selector.AsksForGenerated) {
		return k
	}
	all := ordinals{}
	for at, list := range k.ordinals {
		for _, n := range list {
			all[numbered{at.key, at.of, n}] = true
		}
	}
	keys := map[string]bool{}
	for _, s := range selectors {
		s.addKeys(keys)
		for _, n := range s.ordinals() {
			all[n] = true
		}
	}
	out := newKeys(keys, all)
	out.Names = slices.Compact(slices.Sorted(slices.Values(slices.Concat(out.Names, k.Names))))
	return out
}

// Split takes the variants of StatefulSets and Indexed Jobs apart by the ordinals
// that selectors mention, so that each part gets one answer from each of them:
// pg-0 is somebody else than pg-1 to a netpol that names it. The list itself is
// the answer where there is nothing to split.
func Split(variants []*Variant, keys *Keys) []*Variant {
	if !keys.Split(variants) {
		return variants
	}
	out := make([]*Variant, 0, len(variants)+maxParts)
	for _, v := range variants {
		out = append(out, v.parts(keys)...)
	}
	return out
}

// Split reports whether Split would take one of the variants apart.
func (k *Keys) Split(variants []*Variant) bool {
	return len(k.ordinals) > 0 && slices.ContainsFunc(variants, func(v *Variant) bool { return len(k.ordinalsOf(v)) > 0 })
}

// ordinalsOf are those of the variant's pods that a selector mentions; none when
// they are too many to be looked at one by one.
func (k *Keys) ordinalsOf(v *Variant) []int32 {
	m := v.maker
	if m == nil || m.one {
		return nil
	}
	var out []int32
	for _, key := range []string{podNameLabel, podIndexLabel, completionIndexLabel} {
		if !m.numbers(key) {
			continue
		}
		at := numbered{key: key}
		if key == podNameLabel {
			at.of = m.name
		}
		for _, n := range k.ordinals[at] {
			if n >= m.first {
				out = append(out, n)
			}
			if len(out) > 2*maxParts {
				return nil
			}
		}
	}
	slices.Sort(out)
	if out = slices.Compact(out); len(out) > maxParts {
		return nil
	}
	return out
}

// parts are the variant's pods with each of the ordinals that are mentioned, and
// one that is not.
func (v *Variant) parts(keys *Keys) []*Variant {
	list := keys.ordinalsOf(v)
	if len(list) == 0 {
		return []*Variant{v}
	}
	other := v.maker.first
	for slices.Contains(list, other) {
		other++
	}
	var out []*Variant
	for _, n := range append(list, other) {
		m, part := *v.maker, *v
		m.ordinal, m.one = n, true
		part.maker, part.first = &m, v.self()
		out = append(out, &part)
	}
	return out
}

// Part reports whether the variant is one of those that Split makes, or a class of such.
func (v *Variant) Part() bool { return v.maker != nil && v.maker.one }

// Same reports whether o is the same variant, or the same part of it.
func (v *Variant) Same(o *Variant) bool {
	return v == o || (v.Part() && o.Part() && v.self() == o.self() && v.maker.ordinal == o.maker.ordinal)
}

// Whole is the variant that a part or a class is of: for a class the first one.
func (v *Variant) Whole() *Variant { return v.self() }

// Union mentions what either mentions.
func (k *Keys) Union(o *Keys) *Keys {
	if k == o || len(o.ordinals) == 0 {
		return k
	}
	all := ordinals{}
	keys := map[string]bool{}
	for _, x := range []*Keys{k, o} {
		for at, list := range x.ordinals {
			for _, n := range list {
				all[numbered{at.key, at.of, n}] = true
			}
		}
		for _, name := range x.Names {
			keys[name] = true
		}
	}
	return newKeys(keys, all)
}

// As is the part of a StatefulSet's or Indexed Job's pods with the ordinal of v, which is
// such a part or a pod that is there; v's counterpart, where there is one.
func (v *Variant) As(o *Variant) *Variant {
	m := v.maker
	if m == nil || m.one {
		return v
	}
	n, ok := o.ordinal(m)
	if !ok || n < m.first {
		return v
	}
	one, part := *m, *v
	one.ordinal, one.one = n, true
	part.maker, part.first = &one, v.self()
	return &part
}

// ordinal is that of the variant's pods, as a maker would give it.
func (v *Variant) ordinal(m *maker) (int32, bool) {
	if v.Part() && v.maker.kind == m.kind && v.maker.name == m.name {
		return v.maker.ordinal, true
	}
	for _, key := range []string{podNameLabel, completionIndexLabel} {
		value, has := v.Labels[key]
		if !has || !m.numbers(key) {
			continue
		}
		if at, ok := ordinalIn(key, value); ok && (key != podNameLabel || at.of == m.name) {
			return at.ordinal, true
		}
	}
	return 0, false
}

// SameMaker reports whether their pods are yet to get the same labels.
func (v *Variant) SameMaker(o *Variant) bool { return v.maker.equal(o.maker) }
