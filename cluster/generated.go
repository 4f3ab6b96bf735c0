package cluster

import (
	"slices"
	"strconv"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
)

// Labels that no template shows, because a controller gives them to each pod
// (https://kubernetes.io/docs/reference/labels-annotations-taints/).
const (
	podNameLabel         = appsv1.StatefulSetPodNameLabel
	podIndexLabel        = appsv1.PodIndexLabel
	revisionHashLabel    = appsv1.ControllerRevisionHashLabelKey
	templateHashLabel    = appsv1.DefaultDeploymentUniqueLabelKey
	generationLabel      = "pod-template-generation"
	jobNameLabel         = batchv1.JobNameLabel
	oldJobNameLabel      = "job-name"
	uidLabel             = batchv1.ControllerUidLabel
	oldUIDLabel          = "controller-uid"
	completionIndexLabel = batchv1.JobCompletionIndexAnnotation
	zoneLabel            = corev1.LabelTopologyZone
	regionLabel          = corev1.LabelTopologyRegion
)

// IsGenerated reports whether a label is one of those that pods get beyond those
// of their template: from their controller, or with the node that they are bound to.
func IsGenerated(key string) bool {
	switch key {
	case podNameLabel, podIndexLabel, revisionHashLabel, templateHashLabel, generationLabel,
		jobNameLabel, oldJobNameLabel, uidLabel, oldUIDLabel, completionIndexLabel, zoneLabel, regionLabel:
		return true
	}
	return false
}

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
		for _, key := range []string{jobNameLabel, oldJobNameLabel, uidLabel, oldUIDLabel} {
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
	if o, ok := ordinalIn(podNameLabel, p.Name); ok && m.numbers(podNameLabel) && o.of == m.name {
		was.first, was.ordinal, was.one = 0, o.ordinal, true
	}
	return &was
}

func (m *maker) equal(o *maker) bool {
	return m == o || (m != nil && o != nil && *m == *o)
}

// numbers reports whether pods have a label of their own by their ordinal.
func (m *maker) numbers(key string) bool {
	switch key {
	case podNameLabel:
		return m.kind == "StatefulSet" && m.name != ""
	case podIndexLabel:
		return m.kind == "StatefulSet"
	case completionIndexLabel:
		return m.indexed
	}
	return false
}

// values are those that a label of a pod may have, given those that the variant shows.
func (m *maker) values(key string, shown labels.Set) Values {
	value, ok := shown[key]
	own := Absent()
	if ok {
		own = OneOf(value)
	}
	switch key {
	case templateHashLabel:
		if m.kind == "Deployment" {
			return Present()
		}
	case revisionHashLabel:
		if m.kind == "StatefulSet" || m.kind == "DaemonSet" {
			return Present()
		}
	case generationLabel:
		if m.kind == "DaemonSet" {
			return Present()
		}
	case podNameLabel:
		if m.kind == "StatefulSet" {
			return Present()
		}
	case jobNameLabel, oldJobNameLabel, uidLabel, oldUIDLabel:
		if m.labelsJobs() {
			return m.ofJob(key, shown)
		}
	case zoneLabel, regionLabel:
		switch {
		case m.unbound && ok:
			return Present() // the node's, where it has one, is laid over it
		case m.unbound:
			return AnyValue()
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
func (m *maker) ofJob(key string, shown labels.Set) Values {
	for _, k := range []string{key, otherName(key)} {
		if value, ok := shown[k]; ok {
			return OneOf(value)
		}
	}
	if m.kind == "Job" && m.name != "" && (key == jobNameLabel || key == oldJobNameLabel) {
		return OneOf(m.name)
	}
	return Present()
}

// otherName is the second name of a label that is given under two.
func otherName(key string) string {
	switch key {
	case jobNameLabel:
		return oldJobNameLabel
	case oldJobNameLabel:
		return jobNameLabel
	case uidLabel:
		return oldUIDLabel
	case oldUIDLabel:
		return uidLabel
	}
	return ""
}

// match answers a selector that asks for generated labels: Maybe where some of
// the pods that there may be are selected, and others are not.
func (m *maker) match(a *asks, shown labels.Set) Match {
	out := Yes
	var numbered []Requirement
	for _, r := range a.requirements {
		if m.numbers(r.Key) {
			numbered = append(numbered, r)
			continue
		}
		out = out.And(m.meets(r, a, shown))
	}
	if len(numbered) > 0 && out != No {
		out = out.And(m.matchOrdinals(numbered))
	}
	return out
}

func (m *maker) meets(r Requirement, a *asks, shown labels.Set) Match {
	may := m.values(r.Key, shown)
	if may.Within(r.Values) {
		return Yes
	}
	may = may.And(r.Values)
	if other := otherName(r.Key); other != "" && m.labelsJobs() {
		for _, o := range a.requirements { // one value under two names
			if o.Key == other {
				may = may.And(o.Values)
			}
		}
	}
	if may.Empty() {
		return No
	}
	return Maybe
}

// matchOrdinals answers what is asked of the labels that an ordinal decides, which
// has to hold for one ordinal at once.
func (m *maker) matchOrdinals(all []Requirement) Match {
	if m.one {
		return m.matchOrdinal(all, m.ordinal)
	}
	out := Yes
	for _, r := range all {
		if r.Values.others {
			continue // selects whatever it does not list, and there is no last ordinal
		}
		for _, value := range r.Values.list {
			if n, ok := m.ordinalOf(r.Key, value); ok && m.matchOrdinal(all, n) == Yes {
				return Maybe
			}
		}
		return No
	}
	for _, r := range all {
		for _, value := range r.Values.list {
			if _, ok := m.ordinalOf(r.Key, value); ok {
				out = Maybe
			}
		}
	}
	return out
}

func (m *maker) matchOrdinal(all []Requirement, n int32) Match {
	for _, r := range all {
		if OneOf(m.valueAt(r.Key, n)).And(r.Values).Empty() {
			return No
		}
	}
	return Yes
}

func (m *maker) valueAt(key string, ordinal int32) string {
	if key == podNameLabel {
		return m.name + "-" + strconv.Itoa(int(ordinal))
	}
	return strconv.Itoa(int(ordinal))
}

// ordinalOf is the ordinal of the pod that has a label's value; false if none has.
func (m *maker) ordinalOf(key, value string) (int32, bool) {
	o, ok := ordinalIn(key, value)
	if !ok || o.ordinal < m.first || (key == podNameLabel && o.of != m.name) {
		return 0, false
	}
	return o.ordinal, true
}

// numbered is an ordinal as a label has it: of is the name before it, if there is one.
type numbered struct {
	key, of string
	ordinal int32
}

func ordinalIn(key, value string) (numbered, bool) {
	out := numbered{key: key}
	switch key {
	case podNameLabel:
		i := strings.LastIndexByte(value, '-')
		if i < 0 {
			return out, false
		}
		out.of, value = value[:i], value[i+1:]
	case podIndexLabel, completionIndexLabel:
	default:
		return out, false
	}
	n, err := strconv.ParseInt(value, 10, 32)
	if err != nil || n < 0 || strconv.FormatInt(n, 10) != value {
		return out, false
	}
	out.ordinal = int32(n)
	return out, true
}

// asks is what a selector asks where it mentions generated labels.
type asks struct {
	requirements []Requirement
	// rest is what it asks of other labels.
	rest Selector
}

func asksOf(s Selector) *asks {
	list, _ := s.compiled.Requirements()
	if !slices.ContainsFunc(list, func(r labels.Requirement) bool { return IsGenerated(r.Key()) }) {
		return nil
	}
	out := &asks{rest: Selector{compiled: labels.NewSelector()}}
	out.requirements, _ = s.Requirements()
	for _, r := range list {
		if !IsGenerated(r.Key()) {
			out.rest.compiled = out.rest.compiled.Add(r)
		}
	}
	out.rest.long = longOf(out.rest.compiled)
	return out
}

// AsksForGenerated reports whether the selector mentions a label that IsGenerated.
func (s Selector) AsksForGenerated() bool { return s.asks != nil }

// GeneratedKeys are the labels of that sort that the selector mentions, sorted.
func (s Selector) GeneratedKeys() []string {
	var out []string
	if s.asks != nil {
		for _, r := range s.asks.requirements {
			if IsGenerated(r.Key) {
				out = append(out, r.Key)
			}
		}
	}
	return out
}

// Broken reports whether the selector does not parse in full. Else an answer of
// Maybe means that the pods in question are yet to get a label.
func (s Selector) Broken() bool { return s.broken }

// ordinals are those that the selector mentions.
func (s Selector) ordinals() []numbered {
	if s.asks == nil {
		return nil
	}
	var out []numbered
	for _, r := range s.asks.requirements {
		for _, value := range r.Values.list {
			if o, ok := ordinalIn(r.Key, value); ok {
				out = append(out, o)
			}
		}
	}
	return out
}

// matches answers for pods with some labels, and those that their maker gives them.
func matches(s Selector, shown labels.Set, m *maker) Match {
	if m != nil && m.unread&UnreadLabels != 0 {
		return s.aboutUnread()
	}
	if s.asks == nil || m == nil {
		return s.Matches(shown)
	}
	out := m.match(s.asks, shown)
	if s.broken {
		out = out.And(Maybe)
	}
	return out
}

// aboutUnread is the answer about an object of which no label is known.
func (s Selector) aboutUnread() Match {
	switch {
	case s.compiled == nil && !s.broken:
		return No
	case s.SelectsAll() && !s.broken:
		return Yes
	}
	return Maybe
}

// Unread is what is not known of the pods, being too much to be read.
func (v *Variant) Unread() Unread {
	if v.maker == nil {
		return 0
	}
	return v.maker.unread
}
