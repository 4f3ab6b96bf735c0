package selector

import (
	"slices"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/labels"
)

// Labels that no template shows, because a controller gives them to each pod
// (https://kubernetes.io/docs/reference/labels-annotations-taints/).
const (
	PodName          = "statefulset.kubernetes.io/pod-name"
	PodIndex         = "apps.kubernetes.io/pod-index"
	RevisionHash     = "controller-revision-hash"
	TemplateHash     = "pod-template-hash"
	Generation       = "pod-template-generation"
	JobName          = "batch.kubernetes.io/job-name"
	OldJobName       = "job-name"
	ControllerUID    = "batch.kubernetes.io/controller-uid"
	OldControllerUID = "controller-uid"
	CompletionIndex  = "batch.kubernetes.io/job-completion-index"
	Zone             = "topology.kubernetes.io/zone"
	Region           = "topology.kubernetes.io/region"
)

// IsGenerated reports whether a label is one of those that pods get beyond those
// of their template: from their controller, or with the node that they are bound to.
func IsGenerated(key string) bool {
	switch key {
	case PodName, PodIndex, RevisionHash, TemplateHash, Generation,
		JobName, OldJobName, ControllerUID, OldControllerUID, CompletionIndex, Zone, Region:
		return true
	}
	return false
}

// Ordinal is one as a label has it: Of is the name before it, if there is one.
type Ordinal struct {
	Key, Of string
	N       int32
}

// OrdinalIn is the ordinal in the value of a label; false where there is none.
func OrdinalIn(key, value string) (Ordinal, bool) {
	out := Ordinal{Key: key}
	switch key {
	case PodName:
		i := strings.LastIndexByte(value, '-')
		if i < 0 {
			return out, false
		}
		out.Of, value = value[:i], value[i+1:]
	case PodIndex, CompletionIndex:
	default:
		return out, false
	}
	n, err := strconv.ParseInt(value, 10, 32)
	if err != nil || n < 0 || strconv.FormatInt(n, 10) != value {
		return out, false
	}
	out.N = int32(n)
	return out, true
}

// Asked is what a selector asks where it mentions generated labels.
type Asked struct {
	Requirements []Requirement
	// Rest is what it asks of other labels.
	Rest Selector
}

func asksOf(s Selector) *Asked {
	list, _ := s.compiled.Requirements()
	if !slices.ContainsFunc(list, func(r labels.Requirement) bool { return IsGenerated(r.Key()) }) {
		return nil
	}
	out := &Asked{Rest: Selector{compiled: labels.NewSelector()}}
	out.Requirements, _ = s.Requirements()
	for _, r := range list {
		if !IsGenerated(r.Key()) {
			out.Rest.compiled = out.Rest.compiled.Add(r)
		}
	}
	out.Rest.long = longOf(out.Rest.compiled)
	return out
}

// Asks is what the selector asks where it mentions generated labels; nil where it mentions none.
func (s Selector) Asks() *Asked { return s.generated }

// AsksForGenerated reports whether the selector mentions a label that IsGenerated.
func (s Selector) AsksForGenerated() bool { return s.generated != nil }

// GeneratedKeys are the labels of that sort that the selector mentions, sorted.
func (s Selector) GeneratedKeys() []string {
	var out []string
	if s.generated != nil {
		for _, r := range s.generated.Requirements {
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

// Ordinals are those that the selector mentions.
func (s Selector) Ordinals() []Ordinal {
	if s.generated == nil {
		return nil
	}
	var out []Ordinal
	for _, r := range s.generated.Requirements {
		for _, value := range r.Values.list {
			if o, ok := OrdinalIn(r.Key, value); ok {
				out = append(out, o)
			}
		}
	}
	return out
}

// Unread is the answer about an object of which no label is known.
func (s Selector) Unread() Match {
	switch {
	case s.compiled == nil && !s.broken:
		return No
	case s.SelectsAll() && !s.broken:
		return Yes
	}
	return Maybe
}
