package selector

import (
	"maps"
	"slices"

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
	key      Key
	// generated is nil when it mentions no generated label, as most.
	generated *Asked
	// long are the values of each requirement, as a set where they are many; nil where
	// they are few of all.
	long []map[string]bool
}

// fewValues is up to how many values of a requirement are looked through one by one.
const fewValues = 16

// longOf is Selector.long.
func longOf(compiled labels.Selector) []map[string]bool {
	requirements, _ := compiled.Requirements()
	var out []map[string]bool
	for i := range requirements {
		values := requirements[i].ValuesUnsorted()
		if len(values) <= fewValues {
			continue
		}
		if out == nil {
			out = make([]map[string]bool, len(requirements))
		}
		out[i] = make(map[string]bool, len(values))
		for _, v := range values {
			out[i][v] = true
		}
	}
	return out
}

func (s Selector) longAt(i int) map[string]bool {
	if s.long == nil {
		return nil
	}
	return s.long[i]
}

// met reports whether labels meet every requirement.
func (s Selector) met(l labels.Set) bool {
	if s.long == nil {
		return s.compiled.Matches(l)
	}
	requirements, _ := s.compiled.Requirements()
	for i := range requirements {
		r, set := &requirements[i], s.long[i]
		if set == nil {
			if !r.Matches(l) {
				return false
			}
			continue
		}
		value, has := l[r.Key()]
		if in := has && set[value]; in != names(r) {
			return false
		}
	}
	return true
}

// Key is equal for selectors that give equal answers because they say the same;
// the zero Key is that of the zero Selector. It is no [unique.Handle]: to make one may
// wait for the collector to end its work, and reviews are answered meanwhile.
type Key string

// Key is the selector's.
func (s Selector) Key() Key { return s.key }

func (s Selector) keyed() Selector {
	text := "!"
	if s.compiled != nil {
		text = s.compiled.String()
	}
	if s.broken {
		text += "?"
	}
	s.key = Key("=" + text)
	return s
}

// Everything matches every label set, as the empty LabelSelector does.
func Everything() Selector {
	return Selector{compiled: labels.Everything(), source: &metav1.LabelSelector{}}.keyed()
}

// New compiles s. An empty selector matches everything. When s does not
// parse, the error says why and the returned Selector answers Maybe, so that a
// stored object that cannot be read is never taken to select nothing.
func New(s metav1.LabelSelector) (Selector, error) {
	compiled, err := metav1.LabelSelectorAsSelector(&s)
	if err != nil {
		return Selector{broken: true, source: &s}.keyed(), err
	}
	out := Selector{compiled: compiled, source: &s}.keyed()
	out.generated, out.long = asksOf(out), longOf(compiled)
	return out, nil
}

// Matches tells whether the selector selects an object with labels l.
func (s Selector) Matches(l labels.Set) Match {
	switch {
	case s.compiled == nil && s.broken:
		return Maybe
	case s.compiled == nil || !s.met(l):
		return No
	case s.broken:
		return Maybe
	}
	return Yes
}

// Doubted answers Maybe where s answers Yes: the object around it says something
// that cannot be read.
func (s Selector) Doubted() Selector {
	s.broken = true
	return s.keyed()
}

// AddKeys adds the label keys on which the answer can depend.
func (s Selector) AddKeys(keys map[string]bool) {
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
	s.AddKeys(keys)
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

// Written is the selector as an object holds it.
func (s Selector) Written() (metav1.LabelSelector, bool) {
	if s.broken || s.source == nil {
		return metav1.LabelSelector{}, false
	}
	return *s.source.DeepCopy(), true
}

// Requirement is the one requirement of which a selector consists, if it is one.
func (s Selector) Requirement() (metav1.LabelSelectorRequirement, bool) {
	w, ok := s.Written()
	if !ok || len(w.MatchLabels)+len(w.MatchExpressions) != 1 {
		return metav1.LabelSelectorRequirement{}, false
	}
	for k, v := range w.MatchLabels {
		return metav1.LabelSelectorRequirement{Key: k, Operator: metav1.LabelSelectorOpIn, Values: []string{v}}, true
	}
	return w.MatchExpressions[0], true
}

// Unknown is one of which nothing is known: it answers Maybe.
func Unknown() Selector { return Selector{broken: true}.keyed() }

// OneOfMany is a key and the values one of which the selector wants it to have; false where
// it does not say so of any key, or does not parse in full.
func (s Selector) OneOfMany() (key string, values []string, ok bool) {
	if s.compiled == nil || s.broken {
		return "", nil, false
	}
	requirements, _ := s.compiled.Requirements()
	for i := range requirements {
		if r := &requirements[i]; names(r) {
			return r.Key(), r.ValuesUnsorted(), true
		}
	}
	return "", nil, false
}
