package selector

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"pgregory.net/rapid"
)

// universe are all label sets over two keys: lacking, each value that a drawn
// selector can mention, and one that none mentions.
func universe() []labels.Set {
	values := []string{"lacking", "a", "b", "other"}
	var out []labels.Set
	for _, app := range values {
		for _, tier := range values {
			l := labels.Set{}
			if app != "lacking" {
				l["app"] = app
			}
			if tier != "lacking" {
				l["tier"] = tier
			}
			out = append(out, l)
		}
	}
	return out
}

func drawSelector(t *rapid.T, name string) Selector {
	var s metav1.LabelSelector
	for range rapid.IntRange(0, 3).Draw(t, name+" expressions") {
		e := metav1.LabelSelectorRequirement{
			Key:      rapid.SampledFrom([]string{"app", "tier"}).Draw(t, name+" key"),
			Operator: rapid.SampledFrom([]metav1.LabelSelectorOperator{"In", "NotIn", "Exists", "DoesNotExist"}).Draw(t, name+" operator"),
		}
		if e.Operator == "In" || e.Operator == "NotIn" {
			e.Values = rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"a", "b"}), 1, 2, rapid.ID).Draw(t, name+" values")
		}
		s.MatchExpressions = append(s.MatchExpressions, e)
	}
	compiled, err := New(s)
	if err != nil {
		t.Fatal(err)
	}
	return compiled
}

func TestLawRequirementsAreTheSelector(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := drawSelector(t, "selector")
		requirements, m := s.Requirements()
		if m != Yes {
			t.Fatalf("%s parses, got %v", s, m)
		}
		for _, l := range universe() {
			meets := !slices.ContainsFunc(requirements, func(r Requirement) bool { return !r.Matches(l) })
			if want := s.Matches(l) == Yes; meets != want {
				t.Fatalf("%s and %v: the requirements say %v, the selector %v", s, l, meets, want)
			}
			for _, r := range requirements {
				if r.Matches(l) == r.Not().Matches(l) {
					t.Fatalf("%s and its negation agree about %v", r, l)
				}
			}
		}
	})
}

func TestLawExpressionsSayWhatIsRequired(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, _ := drawSelector(t, "selector").Requirements()
		for _, r := range a {
			if r.Values.Empty() {
				continue
			}
			var s metav1.LabelSelector
			for _, e := range r.Expression() {
				s.MatchExpressions = append(s.MatchExpressions, metav1.LabelSelectorRequirement{Key: e.Key, Operator: metav1.LabelSelectorOperator(e.Operator), Values: e.Values})
			}
			said, err := New(s)
			if err != nil {
				t.Fatal(err)
			}
			for _, l := range universe() {
				if got, want := said.Matches(l) == Yes, r.Matches(l); got != want {
					t.Fatalf("%s and %v: the expressions say %v, the requirement %v", r, l, got, want)
				}
			}
		}
	})
}

// One object must match some selectors and none of others; two are tied together
// by choices about both.
func TestLawSatisfyAgreesWithTryingEverything(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var choices []Choice
		var holds []func(a, b labels.Set) bool
		draw := func(name string) (Selector, []Requirement) {
			s := drawSelector(t, name)
			r, _ := s.Requirements()
			return s, r
		}
		for range rapid.IntRange(0, 2).Draw(t, "required") {
			s, r := draw("required")
			choices = append(choices, All(Of(0, r)...))
			holds = append(holds, func(a, _ labels.Set) bool { return s.Matches(a) == Yes })
		}
		for range rapid.IntRange(0, 3).Draw(t, "excluded") {
			s, r := draw("excluded")
			choices = append(choices, None(Of(0, r)...))
			holds = append(holds, func(a, _ labels.Set) bool { return s.Matches(a) == No })
		}
		for range rapid.IntRange(0, 3).Draw(t, "not both") {
			s, r := draw("not both, first")
			u, v := draw("not both, second")
			choices = append(choices, None(slices.Concat(Of(0, r), Of(1, v))...))
			holds = append(holds, func(a, b labels.Set) bool { return s.Matches(a) == No || u.Matches(b) == No })
		}
		for range rapid.IntRange(0, 2).Draw(t, "one of two") {
			s, r := draw("one")
			u, v := draw("other")
			choices = append(choices, Choice{Of(1, r), Of(1, v)})
			holds = append(holds, func(_, b labels.Set) bool { return s.Matches(b) == Yes || u.Matches(b) == Yes })
		}
		all := func(a, b labels.Set) bool {
			return !slices.ContainsFunc(holds, func(h func(a, b labels.Set) bool) bool { return !h(a, b) })
		}
		possible := slices.ContainsFunc(universe(), func(a labels.Set) bool {
			return slices.ContainsFunc(universe(), func(b labels.Set) bool { return all(a, b) })
		})
		found, m := Search{}.Satisfy(2, choices...)
		if (m == Yes) != possible || m == Maybe {
			t.Fatalf("got %v, and trying everything says %v", m, possible)
		}
		if m == Yes && !all(found[0], found[1]) {
			t.Fatalf("%v and %v do not hold", found[0], found[1])
		}
	})
}

func TestSatisfyGivesUpRatherThanGuess(t *testing.T) {
	// Each of many choices leaves two ways, and none works out in the end.
	var choices []Choice
	for _, key := range []string{"a", "b", "c", "d", "e", "f"} {
		choices = append(choices, Choice{{{0, Requirement{key, OneOf("1")}}}, {{0, Requirement{key, OneOf("2")}}}})
		for _, other := range []string{"a", "b", "c", "d", "e", "f"} {
			if other != key {
				for _, v := range []string{"1", "2"} {
					choices = append(choices, None(Literal{0, Requirement{key, OneOf(v)}}, Literal{0, Requirement{other, OneOf(v)}}))
				}
			}
		}
	}
	if _, m := (Search{}).Satisfy(1, choices...); m != No {
		t.Fatalf("with all the time there is: got %v, want No", m)
	}
	if _, m := (Search{Steps: 1}).Satisfy(1, choices...); m != Maybe {
		t.Errorf("after one step: got %v, want Maybe", m)
	}
	if _, m := (Search{Interrupted: func() bool { return true }}).Satisfy(1, choices...); m != Maybe {
		t.Errorf("interrupted: got %v, want Maybe", m)
	}
}

func TestSatisfyFindsTheFewestLabels(t *testing.T) {
	tests := map[string]struct {
		reason  string
		choices []Choice
		want    labels.Set
	}{
		"LackingIsPreferred": {
			"what may be anything or lacking is left out",
			[]Choice{None(Literal{0, Requirement{"app", OneOf("a")}})},
			labels.Set{},
		},
		"AValueThatNobodyMentions": {
			"a label that must be there, and be none of the mentioned values",
			[]Choice{All(Literal{0, Requirement{"app", Present()}}), None(Literal{0, Requirement{"app", OneOf("x", "a")}})},
			labels.Set{"app": "x1"},
		},
		"NoNewLabelWhereLackingWillDo": {
			"one of two alternatives needs no label",
			[]Choice{{{{0, Requirement{"app", OneOf("a")}}}, {{0, Requirement{"tier", Absent()}}}}},
			labels.Set{},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			found, m := Search{}.Satisfy(1, test.choices...)
			if m != Yes {
				t.Fatalf("%s: got %v, want Yes", test.reason, m)
			}
			if diff := cmp.Diff(test.want, labels.Set(found[0])); diff != "" {
				t.Errorf("%s (-want +got):\n%s", test.reason, diff)
			}
		})
	}
}

func TestRequirementInWords(t *testing.T) {
	tests := map[string]Values{
		"app=a":               OneOf("a"),
		"app in (a,b)":        OneOf("b", "a"),
		"app!=a":              OneOf("a").Not(),
		"app notin (a,b)":     OneOf("a", "b").Not(),
		"app":                 Present(),
		"!app":                Absent(),
		"app,app!=a":          Present().And(OneOf("a").Not()),
		"":                    AnyValue(),
		"app,app notin (a,b)": Present().And(OneOf("a", "b").Not()),
	}
	for want, values := range tests {
		if got := (Requirement{"app", values}).String(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
