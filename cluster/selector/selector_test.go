package selector_test

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/podcullis/podcullis/cluster/selector"
)

func TestSelectorMatches(t *testing.T) {
	where := func(key string, operator metav1.LabelSelectorOperator, values ...string) metav1.LabelSelector {
		return metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{{Key: key, Operator: operator, Values: values}}}
	}
	db, web, none := labels.Set{"app": "db", "tier": "1"}, labels.Set{"app": "web"}, labels.Set(nil)
	const no, maybe, yes = selector.No, selector.Maybe, selector.Yes
	tests := map[string]struct {
		selector      metav1.LabelSelector
		db, web, none selector.Match
	}{
		"EmptyMatchesEverything":                {metav1.LabelSelector{}, yes, yes, yes},
		"MatchLabels":                           {metav1.LabelSelector{MatchLabels: map[string]string{"app": "db"}}, yes, no, no},
		"MatchLabelsAreAnd":                     {metav1.LabelSelector{MatchLabels: map[string]string{"app": "db", "tier": "2"}}, no, no, no},
		"AnEmptyValueIsAValue":                  {metav1.LabelSelector{MatchLabels: map[string]string{"app": ""}}, no, no, no},
		"In":                                    {where("app", "In", "db", "cache"), yes, no, no},
		"NotInMatchesWithoutTheKey":             {where("app", "NotIn", "db", "cache"), no, yes, yes},
		"Exists":                                {where("app", "Exists"), yes, yes, no},
		"DoesNotExistMatchesWithoutTheKey":      {where("tier", "DoesNotExist"), no, yes, yes},
		"AnUnknownOperator":                     {where("app", "Like", "db"), maybe, maybe, maybe},
		"InWithoutValues":                       {where("app", "In"), maybe, maybe, maybe},
		"ExistsWithValues":                      {where("app", "Exists", "db"), maybe, maybe, maybe},
		"AKeyThatIsNone":                        {where("a b", "Exists"), maybe, maybe, maybe},
		"BrokenBesideWhatWouldNotMatchAnything": {metav1.LabelSelector{MatchLabels: map[string]string{"app": "x"}, MatchExpressions: where("a", "Like").MatchExpressions}, maybe, maybe, maybe},
		"LabelsAndExpressionsAreAnd": {
			metav1.LabelSelector{MatchLabels: map[string]string{"app": "db"}, MatchExpressions: where("tier", "DoesNotExist").MatchExpressions}, no, no, no,
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s, err := selector.New(tt.selector)
			if (err != nil) != (tt.db == maybe) {
				t.Errorf("error: got %v", err)
			}
			for _, x := range []struct {
				labels labels.Set
				want   selector.Match
			}{{db, tt.db}, {web, tt.web}, {none, tt.none}} {
				if got := s.Matches(x.labels); got != x.want {
					t.Errorf("%v: got %d, want %d", x.labels, got, x.want)
				}
			}
		})
	}
}

func TestZeroSelectorMatchesNothing(t *testing.T) {
	var s selector.Selector
	if s.Matches(nil) != selector.No || s.SelectsAll() || s.String() != "nothing" {
		t.Errorf("the zero selector: got %v, %v, %q", s.Matches(nil), s.SelectsAll(), s)
	}
	if e := selector.Everything(); e.Matches(nil) != selector.Yes || !e.SelectsAll() || e.String() != "everything" {
		t.Errorf("everything: got %v, %v, %q", e.Matches(nil), e.SelectsAll(), e)
	}
}

func TestMatchLogic(t *testing.T) {
	for _, a := range []selector.Match{selector.No, selector.Maybe, selector.Yes} {
		if selector.No.And(a) != selector.No || a.And(selector.Yes) != a || selector.Yes.Or(a) != selector.Yes || a.Or(selector.No) != a {
			t.Errorf("three-valued logic does not hold for %d", a)
		}
	}
}
