package cluster

import (
	"cmp"
	"maps"
	"slices"

	"github.com/podcullis/podcullis/cluster/selector"
)

// maxParts bounds into how many parts a variant is taken by ordinals. Beyond that
// selectors answer Maybe for all of them together.
const maxParts = 16

// ordinals are those of StatefulSets and Indexed Jobs that selectors mention.
type ordinals map[selector.Ordinal]bool

func (o ordinals) sorted() []selector.Ordinal {
	return slices.SortedFunc(maps.Keys(o), func(a, b selector.Ordinal) int {
		return cmp.Or(cmp.Compare(a.Key, b.Key), cmp.Compare(a.Of, b.Of), cmp.Compare(a.N, b.N))
	})
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
	if !slices.ContainsFunc(k.parts, func(m *mentions) bool { return m.ordinals.len() > 0 }) {
		return false
	}
	return slices.ContainsFunc(variants, func(v *Variant) bool { return len(k.ordinalsOf(v)) > 0 })
}

// ordinalsOf are those of the variant's pods that a selector mentions; none when
// they are too many to be looked at one by one.
func (k *Keys) ordinalsOf(v *Variant) []int32 {
	m := v.maker
	if m == nil || m.one {
		return nil
	}
	var out []int32
	for _, key := range []string{selector.PodName, selector.PodIndex, selector.CompletionIndex} {
		if !m.numbers(key) {
			continue
		}
		at := selector.Ordinal{Key: key}
		if key == selector.PodName {
			at.Of = m.name
		}
		for _, part := range k.parts {
			counts, _ := part.ordinals.get(at)
			for n := range counts {
				if n >= m.first && !slices.Contains(out, n) {
					out = append(out, n)
				}
				if len(out) > maxParts {
					return nil
				}
			}
		}
	}
	slices.Sort(out)
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
	for _, key := range []string{selector.PodName, selector.CompletionIndex} {
		value, has := v.Labels[key]
		if !has || !m.numbers(key) {
			continue
		}
		if at, ok := selector.OrdinalIn(key, value); ok && (key != selector.PodName || at.Of == m.name) {
			return at.N, true
		}
	}
	return 0, false
}

// SameMaker reports whether their pods are yet to get the same labels.
func (v *Variant) SameMaker(o *Variant) bool { return v.maker.equal(o.maker) }
