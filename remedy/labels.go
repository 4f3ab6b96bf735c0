package remedy

import (
	"fmt"
	"maps"
	"slices"

	"k8s.io/apimachinery/pkg/labels"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/cluster/selector"
)

// labelled is what of a pod, a template or a namespace an edit may change.
type labelled struct {
	labels      labels.Set
	hostNetwork bool
}

// labelledOf reads an object; false for one without labels of its own.
func labelledOf(o cluster.Object) (labelled, bool) {
	switch o := o.(type) {
	case *cluster.Pod:
		return labelled{o.Labels, o.HostNetwork}, true
	case *cluster.Template:
		return labelled{o.Labels, o.HostNetwork}, true
	case *cluster.Namespace:
		return labelled{labels: o.Labels}, true
	}
	return labelled{}, false
}

// with is the object with other labels.
func (l labelled) with(o cluster.Object) cluster.Object {
	switch o := o.(type) {
	case *cluster.Pod:
		p := o.WithLabels(l.labels)
		p.HostNetwork = l.hostNetwork
		return p
	case *cluster.Template:
		t := *o
		t.Labels, t.HostNetwork = l.labels, l.hostNetwork
		return &t
	case *cluster.Namespace:
		n := *o
		n.Labels = l.labels
		return &n
	}
	return o
}

// relabelling are the edits of an object that is no netpol: labels as they were, and
// of a new object those left out that nothing needs. What a guardrail asks for stays:
// to hide from it is no remedy.
func (s *search) relabelling() []edit {
	c := s.review.Change
	after, ok := labelledOf(c.After)
	if !ok {
		return nil
	}
	var out []edit
	add := func(rank int, text string, change func(*labelled)) {
		out = append(out, edit{object: c.Ref(), rank: rank, text: text, labels: change})
	}
	before, stored := labelledOf(c.Before)
	if after.hostNetwork && (!stored || !before.hostNetwork) {
		add(rankRestore, "leave out hostNetwork: true", func(l *labelled) { l.hostNetwork = false })
	}
	asked := s.askedKeys()
	keys := maps.Clone(after.labels)
	maps.Copy(keys, before.labels)
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		is, has := after.labels[key]
		was, had := before.labels[key]
		switch {
		case stored && had && (!has || is != was):
			add(rankRestore, fmt.Sprintf("keep the label %s=%s", key, was), func(l *labelled) { l.labels[key] = was })
		case has && !had && !asked[key] && !selector.IsGenerated(key) && !s.needs(key):
			add(rankDeny, fmt.Sprintf("leave out the label %s=%s", key, is), func(l *labelled) { delete(l.labels, key) })
		}
	}
	return out
}

// needs tells whether the object's own selector asks for the label.
func (s *search) needs(key string) bool {
	t, ok := s.review.Change.After.(*cluster.Template)
	if !ok || !t.Selector.Matches(t.Labels) {
		return false
	}
	without := maps.Clone(t.Labels)
	delete(without, key)
	return !t.Selector.Matches(without)
}

// askedKeys are the labels by which the guardrails choose who is judged.
func (s *search) askedKeys() map[string]bool {
	out := map[string]bool{}
	for _, q := range s.questions {
		for _, sel := range []selector.Selector{q.From.Pods, q.To.Pods, q.From.Namespaces, q.To.Namespaces} {
			for _, k := range sel.Keys() {
				out[k] = true
			}
		}
	}
	return out
}
