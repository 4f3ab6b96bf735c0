package selector

import (
	"encoding/json"
	"slices"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
)

// FuzzSelector: a selector that parses selects what the API's rule says, written down
// plainly, and its requirements say the same; one that does not parse never says no.
func FuzzSelector(f *testing.F) {
	for _, seed := range []string{
		`{}`, `{"matchLabels":{"app":"db"}}`, `{"matchLabels":{"app":"db","tier":""}}`,
		`{"matchExpressions":[{"key":"app","operator":"In","values":["db","web"]}]}`,
		`{"matchExpressions":[{"key":"app","operator":"NotIn","values":["db"]},{"key":"x/y","operator":"Exists"}]}`,
		`{"matchLabels":{"app":"db"},"matchExpressions":[{"key":"app","operator":"DoesNotExist"}]}`,
		`{"matchExpressions":[{"key":"app","operator":"In"}]}`, `{"matchExpressions":[{"key":"-","operator":"Exactly","values":["a"]}]}`,
	} {
		f.Add([]byte(seed), "app", "db", "tier", "")
	}
	f.Fuzz(func(t *testing.T, text []byte, k1, v1, k2, v2 string) {
		var s metav1.LabelSelector
		if json.Unmarshal(text, &s) != nil {
			t.Skip()
		}
		l := labels.Set{k1: v1, k2: v2}
		compiled, err := New(s)
		for _, l := range []labels.Set{l, {}, nil, s.MatchLabels} {
			got := compiled.Matches(l)
			switch want := plainly(s, l); {
			case err != nil && got != Maybe:
				t.Errorf("%s does not parse (%v), and says %v of %v", text, err, got, l)
			case err == nil && (got == Yes) != want:
				t.Errorf("%s says %v of %v, want %v", text, got, l, want)
			}
			if err != nil {
				continue
			}
			requirements, _ := compiled.Requirements()
			if meets := !slices.ContainsFunc(requirements, func(r Requirement) bool { return !r.Matches(l) }); meets != (got == Yes) {
				t.Errorf("%s says %v of %v, and its requirements say %v", text, got, l, meets)
			}
		}
	})
}

// plainly is the rule of a LabelSelector.
func plainly(s metav1.LabelSelector, l labels.Set) bool {
	for k, v := range s.MatchLabels {
		if got, ok := l[k]; !ok || got != v {
			return false
		}
	}
	for _, e := range s.MatchExpressions {
		v, ok := l[e.Key]
		holds := map[metav1.LabelSelectorOperator]bool{
			metav1.LabelSelectorOpIn:           ok && slices.Contains(e.Values, v),
			metav1.LabelSelectorOpNotIn:        !ok || !slices.Contains(e.Values, v),
			metav1.LabelSelectorOpExists:       ok,
			metav1.LabelSelectorOpDoesNotExist: !ok,
		}
		if !holds[e.Operator] {
			return false
		}
	}
	return true
}
