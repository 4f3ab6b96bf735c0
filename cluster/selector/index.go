package selector

import (
	"sync"
	"sync/atomic"

	"github.com/bits-and-blooms/bitset"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/selection"
)

// Index finds the label sets, of a fixed list, that a selector selects: as bits,
// one a position of the list. A key is looked up in every set when a selector
// first asks for it, and from then on a requirement costs a map lookup and one
// pass over a few words. It is safe for concurrent use.
type Index struct {
	n        int
	set      func(i int) labels.Set
	postings sync.Map // key -> *posting; only of keys that some set has, or that are generated
	// misses counts the keys that were asked for and that no set has. Once there are a few,
	// all keys that there are get listed.
	misses atomic.Int32
	listed sync.Once
	keys   map[string]bool
}

const fewMisses = 4

// posting is where one key occurs.
type posting struct {
	has    *bitset.BitSet
	values map[string]*bitset.BitSet
}

// NewIndex is that of n label sets.
func NewIndex(n int, set func(i int) labels.Set) *Index { return &Index{n: n, set: set} }

// Selects lists the sets to which the selector does not answer No. The caller
// may keep the answer and must not change it.
func (x *Index) Selects(s Selector) *bitset.BitSet {
	n := uint(x.n)
	if s.compiled == nil {
		out := bitset.New(n)
		if s.broken {
			out.FlipRange(0, n)
		}
		return out
	}
	requirements, selectable := s.compiled.Requirements()
	if !selectable {
		return bitset.New(n)
	}
	if len(requirements) == 1 && names(&requirements[0]) {
		return x.posting(requirements[0].Key()).any(&requirements[0], s.longAt(0), n)
	}
	out := bitset.New(n)
	out.FlipRange(0, n)
	for i := range requirements {
		x.restrict(out, &requirements[i], s.longAt(i))
	}
	return out
}

// names reports whether a requirement lists the values that a key may have.
func names(r *labels.Requirement) bool {
	return r.Operator() == selection.In || r.Operator() == selection.Equals || r.Operator() == selection.DoubleEquals
}

// restrict leaves in out the sets that meet one requirement.
func (x *Index) restrict(out *bitset.BitSet, r *labels.Requirement, long map[string]bool) {
	p := x.posting(r.Key())
	switch r.Operator() {
	case selection.Exists:
		out.InPlaceIntersection(p.has)
	case selection.DoesNotExist:
		out.InPlaceDifference(p.has)
	case selection.In, selection.Equals, selection.DoubleEquals:
		out.InPlaceIntersection(p.any(r, long, uint(x.n)))
	case selection.NotIn, selection.NotEquals:
		out.InPlaceDifference(p.any(r, long, uint(x.n)))
	default: // not to be had from a LabelSelector
		for i, ok := out.NextSet(0); ok; i, ok = out.NextSet(i + 1) {
			out.SetTo(i, r.Matches(x.set(int(i))))
		}
	}
}

// any are the sets in which the key has one of the values of a requirement. Where these
// are many, the values that there are get looked up.
func (p *posting) any(r *labels.Requirement, long map[string]bool, n uint) *bitset.BitSet {
	if long != nil {
		out := bitset.New(n)
		for v, b := range p.values {
			if long[v] {
				out.InPlaceUnion(b)
			}
		}
		return out
	}
	values := r.ValuesUnsorted()
	if len(values) == 1 && p.values[values[0]] != nil {
		return p.values[values[0]]
	}
	out := bitset.New(n)
	for _, v := range values {
		if b, ok := p.values[v]; ok {
			out.InPlaceUnion(b)
		}
	}
	return out
}

// posting is where the key occurs. What nobody has is not remembered, so that
// strange selectors do not fill the memory; generated labels are few.
func (x *Index) posting(key string) *posting {
	if p, ok := x.postings.Load(key); ok {
		return p.(*posting)
	}
	n := uint(x.n)
	if x.misses.Load() > fewMisses && !IsGenerated(key) && !x.has(key) {
		return &posting{has: bitset.New(n)}
	}
	p := &posting{has: bitset.New(n), values: map[string]*bitset.BitSet{}}
	for i := range x.n {
		value, ok := x.set(i)[key]
		if !ok {
			continue
		}
		p.has.Set(uint(i))
		if p.values[value] == nil {
			p.values[value] = bitset.New(n)
		}
		p.values[value].Set(uint(i))
	}
	if len(p.values) == 0 && !IsGenerated(key) {
		x.misses.Add(1)
		return p
	}
	known, _ := x.postings.LoadOrStore(key, p)
	return known.(*posting)
}

// has reports whether some set has a key.
func (x *Index) has(key string) bool {
	x.listed.Do(func() {
		x.keys = map[string]bool{}
		for i := range x.n {
			for k := range x.set(i) {
				x.keys[k] = true
			}
		}
	})
	return x.keys[key]
}
