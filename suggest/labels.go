package suggest

import (
	"cmp"
	"maps"
	"slices"

	"github.com/bits-and-blooms/bitset"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/podcullis/podcullis/cluster/selector"
)

// requirement asks something of one label: a value of a list, none of a list, or that there
// is no such label.
type requirement struct {
	key      string
	operator metav1.LabelSelectorOperator
	values   []string
	// excludes are the other label sets that do not meet it.
	excludes *bitset.BitSet
}

func (r *requirement) met(l labels.Set) bool {
	value, has := l[r.key]
	switch r.operator {
	case metav1.LabelSelectorOpIn:
		return has && slices.Contains(r.values, value)
	case metav1.LabelSelectorOpNotIn:
		return !has || !slices.Contains(r.values, value)
	}
	return !has
}

func meets(all []requirement, l labels.Set) bool {
	for i := range all {
		if !all[i].met(l) {
			return false
		}
	}
	return true
}

// requirementsOf are all that some label sets meet, as tight as can be, each of which some
// other set may not; the better ones first.
func requirementsOf(in, others []labels.Set) []requirement {
	keys := map[string]bool{}
	for _, l := range slices.Concat(in, others) {
		for key := range l {
			keys[key] = keys[key] || !selector.IsGenerated(key)
		}
	}
	var out []requirement
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		if !keys[key] {
			continue
		}
		r := requirementOn(key, in, others)
		r.excludes = bitset.New(uint(len(others)))
		for i, l := range others {
			r.excludes.SetTo(uint(i), !r.met(l))
		}
		if r.excludes.Any() || r.operator == metav1.LabelSelectorOpIn {
			out = append(out, r)
		}
	}
	slices.SortStableFunc(out, func(a, b requirement) int { return cmp.Compare(a.rank(), b.rank()) })
	return out
}

func requirementOn(key string, in, others []labels.Set) requirement {
	lacking := 0
	var values []string
	for _, l := range in {
		if v, has := l[key]; has {
			values = append(values, v)
		} else {
			lacking++
		}
	}
	slices.Sort(values)
	values = slices.Compact(values)
	switch {
	case lacking == 0:
		return requirement{key: key, operator: metav1.LabelSelectorOpIn, values: values}
	case lacking == len(in):
		return requirement{key: key, operator: metav1.LabelSelectorOpDoesNotExist}
	}
	var not []string
	for _, l := range others {
		if v, has := l[key]; has && !slices.Contains(values, v) {
			not = append(not, v)
		}
	}
	slices.Sort(not)
	return requirement{key: key, operator: metav1.LabelSelectorOpNotIn, values: slices.Compact(not)}
}

// telling are keys that say what an application is, and passing those whose values go with
// a release.
var (
	telling = []string{"app.kubernetes.io/name", "app", "k8s-app", "app.kubernetes.io/component", "name", "component", "run", "tier", "role", "app.kubernetes.io/instance"}
	passing = []string{"version", "app.kubernetes.io/version", "helm.sh/chart", "chart", "release", "revision", "heritage", "app.kubernetes.io/managed-by"}
)

func (r *requirement) rank() int {
	const apart = 100
	rank := len(telling)
	if i := slices.Index(telling, r.key); i >= 0 {
		rank = i
	}
	if slices.Contains(passing, r.key) {
		rank = apart
	}
	if r.operator != metav1.LabelSelectorOpIn { // what lacks a label today may get it
		rank += 2 * apart
	}
	return rank
}

// maxTogether is up to how many requirements all combinations are tried.
const maxTogether = 3

// tell finds a selector that selects some label sets and none of the others, by as few
// labels as it takes. It is false where there is none.
func tell(in, others []labels.Set) (metav1.LabelSelector, bool) {
	all := requirementsOf(in, others)
	some, ok := sufficient(all, uint(len(others)))
	if !ok {
		return metav1.LabelSelector{}, false
	}
	var s metav1.LabelSelector
	for _, r := range some {
		if r.operator == metav1.LabelSelectorOpIn && len(r.values) == 1 {
			if s.MatchLabels == nil {
				s.MatchLabels = map[string]string{}
			}
			s.MatchLabels[r.key] = r.values[0]
			continue
		}
		s.MatchExpressions = append(s.MatchExpressions, metav1.LabelSelectorRequirement{Key: r.key, Operator: r.operator, Values: r.values})
	}
	return s, true
}

// sufficient are the fewest requirements that exclude all others.
func sufficient(all []requirement, others uint) ([]requirement, bool) {
	excluded := bitset.New(others)
	for _, r := range all {
		excluded.InPlaceUnion(r.excludes)
	}
	if excluded.Count() < others {
		return nil, false
	}
	for n := 0; n <= min(maxTogether, len(all)); n++ {
		// A pod is named by what it has: who has no labels yet is not meant.
		if n == 0 && len(all) > 0 && all[0].operator == metav1.LabelSelectorOpIn {
			continue
		}
		if some, ok := combined(all, n, bitset.New(others), others); ok {
			return some, true
		}
	}
	return greedily(all, others), true
}

// combined are n requirements that exclude all, the first such in order.
func combined(all []requirement, n int, excluded *bitset.BitSet, others uint) ([]requirement, bool) {
	if n == 0 {
		return nil, excluded.Count() == others
	}
	for i := range all {
		if some, ok := combined(all[i+1:], n-1, excluded.Union(all[i].excludes), others); ok {
			return append([]requirement{all[i]}, some...), true
		}
	}
	return nil, false
}

func greedily(all []requirement, others uint) []requirement {
	var out []requirement
	excluded := bitset.New(others)
	for excluded.Count() < others {
		best, most := 0, uint(0)
		for i := range all {
			if more := excluded.Union(all[i].excludes).Count(); more > most {
				best, most = i, more
			}
		}
		out = append(out, all[best])
		excluded.InPlaceUnion(all[best].excludes)
	}
	return out
}
