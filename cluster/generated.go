package cluster

import (
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/labels"

	"github.com/podcullis/podcullis/cluster/selector"
)

// maker tells which labels the pods of a variant get beyond those that it shows:
// pods that a template is yet to make, or that are yet to be bound to a node. nil
// adds none. It does not change.
type maker struct {
	kind string // of the template; empty for pods that are there
	name string // of the object; empty while the API server has yet to generate it
	// first is the ordinal at which a StatefulSet begins, also while it has fewer replicas.
	first int32
	// indexed Jobs number their pods; the API server gives one that has its own
	// selector no other labels.
	indexed, ownSelector bool
	// unbound pods get the topology labels of their node.
	unbound bool
	// ordinal, with one set, is that of the only pod meant.
	ordinal int32
	one     bool
	// unread is what is not known of them at all.
	unread Unread
}

// unboundPod is the maker of pods that are there and have no node yet.
var unboundPod = &maker{unbound: true}

func makerOfPod(p *Pod) *maker {
	if p.Unread != 0 {
		return &maker{unbound: !p.Bound, unread: p.Unread}
	}
	if p.Bound {
		return nil
	}
	return unboundPod
}

func makerOf(t *Template) *maker {
	name := t.Name
	if strings.HasSuffix(name, "*") { // see nameOf
		name = ""
	}
	m := &maker{kind: t.Kind, name: name, first: t.FirstOrdinal, indexed: t.Indexed, ownSelector: t.OwnSelector, unbound: true, unread: t.Unread}
	if t.Unread == 0 && !m.adds(t.Labels) {
		return unboundPod // and so a template is one variant with those of its pods that have no node yet
	}
	return m
}

// adds reports whether the controller adds to the labels that the template shows,
// or lays others over them. The template of a stored Job shows most of them.
func (m *maker) adds(shown labels.Set) bool {
	switch m.kind {
	case "Deployment", "StatefulSet", "DaemonSet", "CronJob":
		return true
	case "Job":
		if m.indexed {
			return true
		}
		for _, key := range []string{selector.JobName, selector.OldJobName, selector.ControllerUID, selector.OldControllerUID} {
			if _, ok := shown[key]; !ok && !m.ownSelector {
				return true
			}
		}
	}
	return false
}

// made is the maker as it was for a pod that is there.
func (m *maker) made(p *Pod) *maker {
	was := *m
	was.unbound = false
	if o, ok := selector.OrdinalIn(selector.PodName, p.Name); ok && m.numbers(selector.PodName) && o.Of == m.name {
		was.first, was.ordinal, was.one = 0, o.N, true
	}
	return &was
}

func (m *maker) equal(o *maker) bool {
	return m == o || (m != nil && o != nil && *m == *o)
}

// numbers reports whether pods have a label of their own by their ordinal.
func (m *maker) numbers(key string) bool {
	switch key {
	case selector.PodName:
		return m.kind == "StatefulSet" && m.name != ""
	case selector.PodIndex:
		return m.kind == "StatefulSet"
	case selector.CompletionIndex:
		return m.indexed
	}
	return false
}

// values are those that a label of a pod may have, given those that the variant shows.
func (m *maker) values(key string, shown labels.Set) selector.Values {
	value, ok := shown[key]
	own := selector.Absent()
	if ok {
		own = selector.OneOf(value)
	}
	switch key {
	case selector.TemplateHash:
		if m.kind == "Deployment" {
			return selector.Present()
		}
	case selector.RevisionHash:
		if m.kind == "StatefulSet" || m.kind == "DaemonSet" {
			return selector.Present()
		}
	case selector.Generation:
		if m.kind == "DaemonSet" {
			return selector.Present()
		}
	case selector.PodName:
		if m.kind == "StatefulSet" {
			return selector.Present()
		}
	case selector.JobName, selector.OldJobName, selector.ControllerUID, selector.OldControllerUID:
		if m.labelsJobs() {
			return m.ofJob(key, shown)
		}
	case selector.Zone, selector.Region:
		switch {
		case m.unbound && ok:
			return selector.Present() // the node's, where it has one, is laid over it
		case m.unbound:
			return selector.AnyValue()
		}
	}
	return own
}

// labelsJobs reports whether the API server labels the template when it stores it.
func (m *maker) labelsJobs() bool {
	return m.kind == "CronJob" || (m.kind == "Job" && !m.ownSelector)
}

// ofJob are the values of a label that says which Job a pod is of. A template
// that has the label already keeps it, and the API server sees to it that it is right.
func (m *maker) ofJob(key string, shown labels.Set) selector.Values {
	for _, k := range []string{key, otherName(key)} {
		if value, ok := shown[k]; ok {
			return selector.OneOf(value)
		}
	}
	if m.kind == "Job" && m.name != "" && (key == selector.JobName || key == selector.OldJobName) {
		return selector.OneOf(m.name)
	}
	return selector.Present()
}

// otherName is the second name of a label that is given under two.
func otherName(key string) string {
	switch key {
	case selector.JobName:
		return selector.OldJobName
	case selector.OldJobName:
		return selector.JobName
	case selector.ControllerUID:
		return selector.OldControllerUID
	case selector.OldControllerUID:
		return selector.ControllerUID
	}
	return ""
}

// match answers a selector that asks for generated labels: Maybe where some of
// the pods that there may be are selected, and others are not.
func (m *maker) match(a *selector.Asked, shown labels.Set) selector.Match {
	out := selector.Yes
	var numbered []selector.Requirement
	for _, r := range a.Requirements {
		if m.numbers(r.Key) {
			numbered = append(numbered, r)
			continue
		}
		out = out.And(m.meets(r, a, shown))
	}
	if len(numbered) > 0 && out != selector.No {
		out = out.And(m.matchOrdinals(numbered))
	}
	return out
}

func (m *maker) meets(r selector.Requirement, a *selector.Asked, shown labels.Set) selector.Match {
	may := m.values(r.Key, shown)
	if may.Within(r.Values) {
		return selector.Yes
	}
	may = may.And(r.Values)
	if other := otherName(r.Key); other != "" && m.labelsJobs() {
		for _, o := range a.Requirements { // one value under two names
			if o.Key == other {
				may = may.And(o.Values)
			}
		}
	}
	if may.Empty() {
		return selector.No
	}
	return selector.Maybe
}

// matchOrdinals answers what is asked of the labels that an ordinal decides, which
// has to hold for one ordinal at once.
func (m *maker) matchOrdinals(all []selector.Requirement) selector.Match {
	if m.one {
		return m.matchOrdinal(all, m.ordinal)
	}
	out := selector.Yes
	for _, r := range all {
		if r.Values.Others() {
			continue // selects whatever it does not list, and there is no last ordinal
		}
		for _, value := range r.Values.Listed() {
			if n, ok := m.ordinalOf(r.Key, value); ok && m.matchOrdinal(all, n) == selector.Yes {
				return selector.Maybe
			}
		}
		return selector.No
	}
	for _, r := range all {
		for _, value := range r.Values.Listed() {
			if _, ok := m.ordinalOf(r.Key, value); ok {
				out = selector.Maybe
			}
		}
	}
	return out
}

func (m *maker) matchOrdinal(all []selector.Requirement, n int32) selector.Match {
	for _, r := range all {
		if selector.OneOf(m.valueAt(r.Key, n)).And(r.Values).Empty() {
			return selector.No
		}
	}
	return selector.Yes
}

func (m *maker) valueAt(key string, ordinal int32) string {
	if key == selector.PodName {
		return m.name + "-" + strconv.Itoa(int(ordinal))
	}
	return strconv.Itoa(int(ordinal))
}

// ordinalOf is the ordinal of the pod that has a label's value; false if none has.
func (m *maker) ordinalOf(key, value string) (int32, bool) {
	o, ok := selector.OrdinalIn(key, value)
	if !ok || o.N < m.first || (key == selector.PodName && o.Of != m.name) {
		return 0, false
	}
	return o.N, true
}

// matches answers for pods with some labels, and those that their maker gives them.
func matches(s selector.Selector, shown labels.Set, m *maker) selector.Match {
	if m != nil && m.unread&UnreadLabels != 0 {
		return s.Unread()
	}
	if s.Asks() == nil || m == nil {
		return s.Matches(shown)
	}
	out := m.match(s.Asks(), shown)
	if s.Broken() {
		out = out.And(selector.Maybe)
	}
	return out
}

// Unread is what is not known of the pods, being too much to be read.
func (v *Variant) Unread() Unread {
	if v.maker == nil {
		return 0
	}
	return v.maker.unread
}
