package cluster

import "github.com/bits-and-blooms/bitset"

// selects lists the variants to which a selector does not answer No, as
// index.selects does; pods that are yet to get labels are asked one by one.
func (f *folded) selects(s Selector) (all *bitset.BitSet) {
	out := f.labels.selects(s)
	if f.unread != nil && s.aboutUnread() != No {
		defer func() { all = all.Union(f.unread) }()
	}
	if s.asks == nil || f.made.None() {
		return out
	}
	out = out.Clone()
	out.InPlaceDifference(f.made)
	for at := range f.candidates(s.asks).EachSet() {
		if f.variants[at].Matches(s) != No {
			out.Set(at)
		}
	}
	return out
}

// candidates are the variants, of those that are yet to get labels, that are worth
// asking: many netpols may each name one pod of its own StatefulSet, or one Job.
func (f *folded) candidates(a *asks) *bitset.BitSet {
	out := f.labels.selects(a.rest).Intersection(f.made)
	for _, r := range a.requirements {
		if r.Values.others || r.Values.lacking || !isNamed(r.Key) || out.None() {
			continue
		}
		named := f.named(r.Key)
		may := named.has.Clone()
		for _, value := range r.Values.list {
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
	return key == podNameLabel || key == jobNameLabel || key == oldJobNameLabel
}

// namesIn are what named keeps the variants under that may have a value.
func namesIn(key, value string) []string {
	if o, ok := ordinalIn(key, value); ok {
		return []string{"of " + o.of, value}
	}
	return []string{value}
}

// named is the posting of a label of which the controllers' names are known: by
// name, or by value where that is known. In has are the variants that may have any value.
func (f *folded) named(key string) *posting {
	if p, ok := f.byName.Load(key); ok {
		return p.(*posting)
	}
	n := uint(len(f.variants))
	p := &posting{has: bitset.New(n), values: map[string]*bitset.BitSet{}}
	for at := range f.made.EachSet() {
		v := f.variants[at]
		switch values := v.maker.values(key, v.Labels); {
		case v.maker.numbers(key):
			p.add("of "+v.maker.name, at, n)
		case values.others:
			p.has.Set(at)
		default:
			for _, value := range values.list {
				p.add(value, at, n)
			}
		}
	}
	known, _ := f.byName.LoadOrStore(key, p)
	return known.(*posting)
}

func (p *posting) add(value string, at, n uint) {
	if p.values[value] == nil {
		p.values[value] = bitset.New(n)
	}
	p.values[value].Set(at)
}
