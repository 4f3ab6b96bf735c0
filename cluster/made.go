package cluster

import (
	"cmp"
	"maps"
	"slices"

	"k8s.io/apimachinery/pkg/labels"

	"github.com/podcullis/podcullis/cluster/selector"
)

// Makes reports whether a pod is one of those that a template stands for: the same
// labels, but for those that the template's controller gives to each pod, and the same
// ports. Whoever judges by the template has judged such a pod.
func (t *Template) Makes(p *Pod) bool {
	return t.Namespace == p.Namespace && t.DeletedAt.IsZero() && t.HostNetwork == p.HostNetwork &&
		samePorts(t.Ports, p.Ports) && makerOf(t).gives(t.Labels, p.Labels)
}

// gives reports whether a pod can get these labels from a template that shows those.
func (m *maker) gives(shown, l labels.Set) bool {
	keys := maps.Clone(shown)
	if keys == nil {
		keys = labels.Set{}
	}
	maps.Copy(keys, l)
	var asked []selector.Requirement
	for key := range keys {
		value, ok := l[key]
		own := selector.Absent()
		if ok {
			own = selector.OneOf(value)
		}
		if selector.IsGenerated(key) {
			asked = append(asked, selector.Requirement{Key: key, Values: own})
			continue
		}
		if was, shows := shown[key]; shows != ok || was != value {
			return false
		}
	}
	for _, key := range m.always() {
		if _, ok := keys[key]; !ok {
			return false
		}
	}
	slices.SortFunc(asked, func(a, b selector.Requirement) int { return cmp.Compare(a.Key, b.Key) })
	return m.match(&selector.Asked{Requirements: asked}, shown) != selector.No
}

// always are the labels that every pod gets.
func (m *maker) always() []string {
	var out []string
	for _, key := range []string{
		selector.TemplateHash, selector.RevisionHash, selector.Generation, selector.PodName, selector.PodIndex,
		selector.JobName, selector.OldJobName, selector.ControllerUID, selector.OldControllerUID, selector.CompletionIndex,
	} {
		if m.numbers(key) || !m.values(key, nil).Lacking() {
			out = append(out, key)
		}
	}
	return out
}

func samePorts(a, b []NamedPort) bool {
	order := func(x, y NamedPort) int {
		return cmp.Or(cmp.Compare(x.Name, y.Name), cmp.Compare(x.Protocol, y.Protocol), cmp.Compare(x.Port, y.Port))
	}
	a, b = slices.Clone(a), slices.Clone(b)
	slices.SortFunc(a, order)
	slices.SortFunc(b, order)
	return slices.Equal(slices.Compact(a), slices.Compact(b))
}
