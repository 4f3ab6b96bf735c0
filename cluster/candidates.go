package cluster

import (
	"github.com/bits-and-blooms/bitset"

	"github.com/podcullis/podcullis/cluster/selector"
)

// selects lists the variants to which a selector does not answer No, as
// index.selects does; pods that are yet to get labels are asked one by one.
func (f *folded) selects(s selector.Selector) (all *bitset.BitSet) {
	out := f.labels.Selects(s)
	if f.unread != nil && s.Unread() != selector.No {
		defer func() { all = all.Union(f.unread) }()
	}
	if !s.AsksForGenerated() || f.made.None() {
		return out
	}
	out = out.Clone()
	out.InPlaceDifference(f.made)
	for at := range f.candidates(s.Asks()).EachSet() {
		if f.variants[at].Matches(s) != selector.No {
			out.Set(at)
		}
	}
	return out
}

// candidates are the variants, of those that are yet to get labels, that are worth
// asking: many netpols may each name one pod of its own StatefulSet, or one Job.
func (f *folded) candidates(a *selector.Asked) *bitset.BitSet {
	out := f.labels.Selects(a.Rest).Intersection(f.made)
	for _, r := range a.Requirements {
		if r.Values.Others() || r.Values.Lacking() || !isNamed(r.Key) || out.None() {
			continue
		}
		named := f.named(r.Key)
		may := named.has.Clone()
		for _, value := range r.Values.Listed() {
			for _, name := range namesIn(r.Key, value) {
				if bits, ok := named.values[name]; ok {
					may.InPlaceUnion(bits)
				}
			}
		}
		out.InPlaceIntersection(may)
	}
	return out
}

// isNamed reports whether the values of a label have the name of their controller.
func isNamed(key string) bool {
	return key == selector.PodName || key == selector.JobName || key == selector.OldJobName
}

// namesIn are what named keeps the variants under that may have a value.
func namesIn(key, value string) []string {
	if o, ok := selector.OrdinalIn(key, value); ok {
		return []string{"of " + o.Of, value}
	}
	return []string{value}
}

// namedPods are the variants by the value of a label, or by the name that is in it.
type namedPods struct {
	has    *bitset.BitSet
	values map[string]*bitset.BitSet
}

// named is where a label occurs of which the controllers' names are known: by
// name, or by value where that is known. In has are the variants that may have any value.
func (f *folded) named(key string) *namedPods {
	if p, ok := f.byName.Load(key); ok {
		return p.(*namedPods)
	}
	n := uint(len(f.variants))
	p := &namedPods{has: bitset.New(n), values: map[string]*bitset.BitSet{}}
	for at := range f.made.EachSet() {
		v := f.variants[at]
		switch values := v.maker.values(key, v.Labels); {
		case v.maker.numbers(key):
			p.add("of "+v.maker.name, at, n)
		case values.Others():
			p.has.Set(at)
		default:
			for _, value := range values.Listed() {
				p.add(value, at, n)
			}
		}
	}
	known, _ := f.byName.LoadOrStore(key, p)
	return known.(*namedPods)
}

func (p *namedPods) add(value string, at, n uint) {
	if p.values[value] == nil {
		p.values[value] = bitset.New(n)
	}
	p.values[value].Set(at)
}
