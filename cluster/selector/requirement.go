package selector

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/selection"
)

// Values is a set of the values that a label can have, where lacking the label
// counts as one more. It is finite, or holds all but finitely many. The zero
// value is the empty set. It is a value: no operation changes its operands.
type Values struct {
	missing  bool     // lacking the label is in the set
	unlisted bool     // every value is in the set but those of the list; else those of the list alone
	list     []string // sorted, distinct
}

// AnyValue holds every value, and lacking the label.
func AnyValue() Values { return Values{missing: true, unlisted: true} }

// Present holds every value: the label is there.
func Present() Values { return Values{unlisted: true} }

// Absent holds only lacking the label.
func Absent() Values { return Values{missing: true} }

// OneOf holds the given values.
func OneOf(values ...string) Values {
	list := slices.Clone(values)
	slices.Sort(list)
	return Values{list: slices.Compact(list)}
}

// Not holds what v does not.
func (v Values) Not() Values { return Values{missing: !v.missing, unlisted: !v.unlisted, list: v.list} }

// And holds what both v and o hold.
func (v Values) And(o Values) Values {
	out := Values{missing: v.missing && o.missing, unlisted: v.unlisted && o.unlisted}
	in := func(s []string, x string) bool { _, ok := slices.BinarySearch(s, x); return ok }
	switch {
	case v.unlisted && o.unlisted:
		out.list = OneOf(slices.Concat(v.list, o.list)...).list
	case v.unlisted:
		out.list = slices.DeleteFunc(slices.Clone(o.list), func(x string) bool { return in(v.list, x) })
	case o.unlisted:
		out.list = slices.DeleteFunc(slices.Clone(v.list), func(x string) bool { return in(o.list, x) })
	default:
		out.list = slices.DeleteFunc(slices.Clone(v.list), func(x string) bool { return !in(o.list, x) })
	}
	return out
}

// Equal reports whether both hold the same.
func (v Values) Equal(o Values) bool {
	return v.missing == o.missing && v.unlisted == o.unlisted && slices.Equal(v.list, o.list)
}

// Empty reports whether nothing is in the set.
func (v Values) Empty() bool { return !v.missing && !v.unlisted && len(v.list) == 0 }

// Within reports whether o holds everything that v holds.
func (v Values) Within(o Values) bool { return v.And(o.Not()).Empty() }

// Lacking reports whether lacking the label is in the set.
func (v Values) Lacking() bool { return v.missing }

// Others reports whether every value is in the set but those that are listed.
func (v Values) Others() bool { return v.unlisted }

// Listed are the values by which the set is told, sorted: those that are in it, or that
// are not in it. The caller must not change them.
func (v Values) Listed() []string { return v.list }

// Example is one value of the set; present is false when it is lacking the
// label, which is preferred. Of the values that nobody mentions it is "x", or
// "x1" and so on where that is mentioned. The set must not be empty.
func (v Values) Example() (value string, present bool) {
	switch {
	case v.missing:
		return "", false
	case !v.unlisted:
		return v.list[0], true
	}
	value = "x"
	for i := 1; slices.Contains(v.list, value); i++ {
		value = fmt.Sprintf("x%d", i)
	}
	return value, true
}

// Requirement is what the label of one key has to be.
type Requirement struct {
	Key    string
	Values Values
}

// Not is the requirement that holds exactly where r does not.
func (r Requirement) Not() Requirement { return Requirement{r.Key, r.Values.Not()} }

// Matches reports whether a label set meets the requirement.
func (r Requirement) Matches(l labels.Set) bool {
	value, ok := l[r.Key]
	if !ok {
		return r.Values.missing
	}
	return !OneOf(value).And(r.Values).Empty()
}

// Expression is the requirement as one or two elements of matchExpressions
// would say it. Only what requirements of selectors and their negations add up to
// can be said: of "x, or lacking the label" no more than the latter is.
func (r Requirement) Expression() []Expression {
	v := r.Values
	switch {
	case v.missing && v.unlisted && len(v.list) == 0:
		return nil
	case v.missing && v.unlisted:
		return []Expression{{r.Key, "NotIn", v.list}}
	case v.missing:
		return []Expression{{r.Key, "DoesNotExist", nil}}
	case v.unlisted && len(v.list) == 0:
		return []Expression{{r.Key, "Exists", nil}}
	case v.unlisted:
		return []Expression{{r.Key, "Exists", nil}, {r.Key, "NotIn", v.list}}
	}
	return []Expression{{r.Key, "In", v.list}}
}

// Expression is an element of matchExpressions (metav1.LabelSelectorRequirement).
type Expression struct {
	Key      string
	Operator string
	Values   []string
}

// String is the requirement in the notation of Selector.String.
func (r Requirement) String() string {
	var parts []string
	for _, e := range r.Expression() {
		switch {
		case e.Operator == "Exists":
			parts = append(parts, e.Key)
		case e.Operator == "DoesNotExist":
			parts = append(parts, "!"+e.Key)
		case e.Operator == "In" && len(e.Values) == 1:
			parts = append(parts, e.Key+"="+e.Values[0])
		case e.Operator == "NotIn" && len(e.Values) == 1:
			parts = append(parts, e.Key+"!="+e.Values[0])
		default:
			parts = append(parts, fmt.Sprintf("%s %s (%s)", e.Key, strings.ToLower(e.Operator), strings.Join(e.Values, ",")))
		}
	}
	return strings.Join(parts, ",")
}

// Requirements are what a label set has to meet, all of it, for the selector to
// select it: one for each key, by key. The answer of the selector is then Yes, or
// Maybe where it does not parse in full. No means that it selects nothing.
func (s Selector) Requirements() ([]Requirement, Match) {
	switch {
	case s.compiled == nil && s.broken:
		return nil, Maybe
	case s.compiled == nil:
		return nil, No
	}
	byKey := map[string]Values{}
	list, _ := s.compiled.Requirements()
	for _, r := range list {
		values := valuesOf(r)
		if v, ok := byKey[r.Key()]; ok {
			values = values.And(v)
		}
		byKey[r.Key()] = values
	}
	var out []Requirement
	for _, key := range slices.Sorted(maps.Keys(byKey)) {
		out = append(out, Requirement{key, byKey[key]})
	}
	if s.broken {
		return out, Maybe
	}
	return out, Yes
}

// valuesOf reads one requirement of a compiled LabelSelector, which knows no
// other operators.
func valuesOf(r labels.Requirement) Values {
	switch r.Operator() {
	case selection.Exists:
		return Present()
	case selection.DoesNotExist:
		return Absent()
	case selection.NotIn, selection.NotEquals:
		return OneOf(r.ValuesUnsorted()...).Not()
	}
	return OneOf(r.ValuesUnsorted()...)
}
