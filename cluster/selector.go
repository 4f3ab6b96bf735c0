package cluster

import (
	"maps"
	"slices"
	"unique"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
)

// Match is the answer of a selector. The zero value is No.
type Match uint8

// The answers. Maybe is that of a selector that does not parse, and so may select
// anything, and of one that asks for labels which pods are yet to get.
const (
	No Match = iota
	Maybe
	Yes
)

// And is the weaker of two answers.
func (m Match) And(o Match) Match { return min(m, o) }

// Or is the stronger of two answers.
func (m Match) Or(o Match) Match { return max(m, o) }

// Selector is a compiled metav1.LabelSelector. The zero Selector matches nothing.
type Selector struct {
	compiled labels.Selector // nil when it does not parse
	broken   bool
	source   *metav1.LabelSelector
	key      unique.Handle[string]
	asks     *asks // nil when it mentions no generated label, as most
}

// Key is equal for selectors that give equal answers because they say the same;
// the zero Key is that of the zero Selector. Selectors are many and their texts
// are few, so each text is held once.
func (s Selector) Key() unique.Handle[string] { return s.key }

func (s Selector) keyed() Selector {
	text := "!"
	if s.compiled != nil {
		text = s.compiled.String()
	}
	if s.broken {
		text += "?"
	}
	s.key = unique.Make(text)
	return s
}

// Everything matches every label set, as the empty LabelSelector does.
func Everything() Selector {
	return Selector{compiled: labels.Everything(), source: &metav1.LabelSelector{}}.keyed()
}

// NewSelector compiles s. An empty selector matches everything. When s does not
// parse, the error says why and the returned Selector answers Maybe, so that a
// stored object that cannot be read is never taken to select nothing.
func NewSelector(s metav1.LabelSelector) (Selector, error) {
	compiled, err := metav1.LabelSelectorAsSelector(&s)
	if err != nil {
		return Selector{broken: true, source: &s}.keyed(), err
	}
	out := Selector{compiled: compiled, source: &s}.keyed()
	out.asks = asksOf(out)
	return out, nil
}

// Matches tells whether the selector selects an object with labels l.
func (s Selector) Matches(l labels.Set) Match {
	switch {
	case s.compiled == nil && s.broken:
		return Maybe
	case s.compiled == nil || !s.compiled.Matches(l):
		return No
	case s.broken:
		return Maybe
	}
	return Yes
}

// doubted answers Maybe where s answers Yes: the object around it says something
// that cannot be read.
func (s Selector) doubted() Selector {
	s.broken = true
	return s.keyed()
}

// addKeys adds the label keys on which the answer can depend.
func (s Selector) addKeys(keys map[string]bool) {
	if s.compiled == nil {
		return
	}
	requirements, _ := s.compiled.Requirements()
	for _, r := range requirements {
		keys[r.Key()] = true
	}
}

// Mentions reports whether the answer can depend on the label of a key.
func (s Selector) Mentions(key string) bool {
	if s.compiled == nil {
		return false
	}
	requirements, _ := s.compiled.Requirements()
	return slices.ContainsFunc(requirements, func(r labels.Requirement) bool { return r.Key() == key })
}

// Keys are the label keys on which the answer can depend, sorted.
func (s Selector) Keys() []string {
	keys := map[string]bool{}
	s.addKeys(keys)
	return slices.Sorted(maps.Keys(keys))
}

// SelectsAll reports whether the selector is the empty one.
func (s Selector) SelectsAll() bool { return s.compiled != nil && s.compiled.Empty() }

// String is the selector in kubectl's notation ("app=db,tier in (a,b)"),
// "everything" for the empty one.
func (s Selector) String() string {
	switch {
	case s.compiled == nil && s.broken:
		return "a selector that does not parse"
	case s.compiled == nil:
		return "nothing"
	case s.compiled.Empty():
		return "everything"
	}
	return s.compiled.String()
}
