package cluster

import (
	"maps"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/podcullis/podcullis/cluster/selector"
)

// Membership is the workload that a pod, a ReplicaSet or a Job belongs to, by the
// owner that it names and that bears it out. The zero Membership is that of what
// belongs to nobody. It is comparable.
//
// An owner of a kind in the model bears out what names it with group, kind, name
// and uid and carries the labels of its selector; a Job of a CronJob needs no labels.
// One that is not there has nobody. An owner of another kind (a custom resource)
// is taken at its word: all that name the same one with the same uid belong together.
type Membership struct {
	// Workload is the top of the owners: the Deployment of a ReplicaSet's pod.
	Workload Ref
	// Group and UID are those of an owner that the model does not hold.
	Group, UID string
	// Unmodelled is set for such an owner.
	Unmodelled bool
}

// templateKey finds a template within its namespace.
type templateKey struct{ kind, name string }

func (t *Template) key() templateKey { return templateKey{t.Kind, t.Name} }

// builtin are the kinds, by group, of which the model holds every object.
var builtin = map[string][]string{
	"":      {"ReplicationController"},
	"apps":  {"Deployment", "StatefulSet", "DaemonSet", "ReplicaSet"},
	"batch": {"Job", "CronJob"},
}

func isBuiltin(group, kind string) bool { return slices.Contains(builtin[group], kind) }

// KindIn is how the model names a kind: alone, or with its group where the kinds of
// two groups could be mistaken for each other ("Deployment.example.com").
func KindIn(group, kind string) string {
	home, alone := lone[kind]
	elsewhere := alone && home != group
	for g, kinds := range builtin {
		elsewhere = elsewhere || g != group && slices.Contains(kinds, kind)
	}
	switch {
	case !elsewhere:
		return kind
	case group == "":
		return kind + ".core"
	}
	return kind + "." + group
}

// lone are the kinds of the model that are no templates, and their groups.
var lone = map[string]string{"Namespace": "", "Pod": "", "NetworkPolicy": "networking.k8s.io"}

// madeBy tells which kind makes objects of a kind. A DeploymentConfig is OpenShift's:
// each of its rollouts is a ReplicationController.
var madeBy = map[string]string{"ReplicaSet": "Deployment", "ReplicationController": "DeploymentConfig", "Job": "CronJob"}

// OwnSelector is the selector by which a controller knows what it made. There is one a
// template, and nearly all are labels that have to be there. The zero OwnSelector matches
// nothing.
type OwnSelector struct {
	labels labels.Set
	// rest is what it asks beyond labels; nil for nothing.
	rest *selector.Selector
	size int // how many requirements and values it has, see Bounds
}

// newOwnSelector shares the labels of the template where they are the same.
func newOwnSelector(s *metav1.LabelSelector, template labels.Set) OwnSelector {
	asks := sizeOfSelector(s)
	out := OwnSelector{labels: template, size: max(asks.requirements, asks.values)}
	if !maps.Equal(s.MatchLabels, template) {
		out.labels = maps.Clone(s.MatchLabels)
	}
	if out.labels == nil {
		out.labels = labels.Set{}
	}
	if len(s.MatchExpressions) > 0 {
		rest, _ := selector.New(metav1.LabelSelector{MatchExpressions: s.MatchExpressions})
		out.rest = &rest
	}
	return out
}

// Matches reports whether an object with labels l is certainly one of its own.
func (s OwnSelector) Matches(l labels.Set) bool {
	return s.labels != nil && carries(l, s.labels) && (s.rest == nil || s.rest.Matches(l) == selector.Yes)
}

// owner is who bears out the owner references of an object: a template, or an
// owner that the model does not hold; nil and nil when nobody does.
func (s *shard) owner(owners []Owner, bears func(*Template) bool) (*Template, *Owner) {
	if o := ControllerOf(owners); o != nil {
		if o.Group == "" && (o.Kind == "Pod" || o.Kind == "Node") {
			return nil, nil // a static pod belongs to its node (kubelet), which is no workload
		}
		switch t := s.named(o); {
		case t != nil && bears(t):
			return t, nil
		case t == nil && !isBuiltin(o.Group, o.Kind) && !s.holds(o):
			return nil, o
		}
		return nil, nil
	}
	var only *Template
	for i := range owners {
		if t := s.named(&owners[i]); t != nil && bears(t) {
			if only != nil {
				return nil, nil
			}
			only = t
		}
	}
	return only, nil
}

// holds reports whether the model has the object that an owner reference names,
// with whatever uid.
func (s *shard) holds(o *Owner) bool {
	t, ok := s.templates[templateKey{KindIn(o.Group, o.Kind), o.Name}]
	return ok && t.Group == o.Group
}

// named is the template that an owner reference names, uid included, unless the
// template has none (in files). nil when there is none.
func (s *shard) named(o *Owner) *Template {
	t, ok := s.templates[templateKey{KindIn(o.Group, o.Kind), o.Name}]
	if !ok || t.Group != o.Group || (t.UID != "" && t.UID != o.UID) {
		return nil
	}
	return t
}

// ownerOfPod is the template that made a pod, or the owner that the model does not hold.
func (s *shard) ownerOfPod(p *Pod) (*Template, *Owner) {
	return s.owner(p.Owners, func(t *Template) bool { return t.Selector.Matches(p.Labels) })
}

// ownerOfTemplate is the owner of a ReplicaSet or a Job; other templates are
// workloads of their own, whoever owns them.
func (s *shard) ownerOfTemplate(t *Template) (*Template, *Owner) {
	above, ok := madeBy[t.Kind]
	if !ok || !isBuiltin(t.Group, t.Kind) {
		return nil, nil
	}
	return s.owner(t.Owners, func(o *Template) bool {
		switch {
		case o.Group == "batch" && o.Kind == "CronJob":
			return above == "CronJob"
		case isBuiltin(o.Group, o.Kind) && o.Kind != above:
			return false // no controller makes that
		}
		own := t.ObjectLabels
		if len(own) == 0 {
			own = t.Labels
		}
		return o.Selector.Matches(own)
	})
}

// membershipOf is what a template belongs to: itself, if nobody owns it.
func (s *shard) membershipOf(t *Template) Membership {
	above, o := s.ownerOfTemplate(t)
	switch {
	case above != nil:
		return Membership{Workload: above.Ref()}
	case o != nil:
		return unmodelled(t.Namespace, o)
	}
	return Membership{Workload: t.Ref()}
}

func unmodelled(namespace string, o *Owner) Membership {
	return Membership{
		Workload: Ref{namespace, KindIn(o.Group, o.Kind), o.Name},
		Group:    o.Group, UID: o.UID, Unmodelled: true,
	}
}

// top is the workload of a template: for a ReplicaSet and a Job that of its owner.
func (s *shard) top(t *Template) Ref { return s.membershipOf(t).Workload }

// belonging is where a pod belongs.
type belonging struct {
	// workload is what the pod is shown as part of. That gives nothing to a pod: it is up
	// to its membership.
	workload Ref
	// strayed is the template from which a pod that stands alone was relabelled away.
	strayed    *Template
	membership Membership
}

// belongingOf finds where a pod belongs.
func (s *shard) belongingOf(p *Pod) belonging {
	switch t, o := s.ownerOfPod(p); {
	case t != nil:
		b := belonging{membership: s.membershipOf(t)}
		if b.workload = b.membership.Workload; !carries(p.Labels, t.Labels) {
			b.workload, b.strayed = p.Ref(), t
		}
		return b
	case o != nil:
		m := unmodelled(p.Namespace, o)
		return belonging{workload: m.Workload, membership: m}
	}
	if claimed := s.relabelledFrom(p); claimed != nil {
		return belonging{workload: p.Ref(), strayed: claimed}
	}
	if absent := s.absentOwner(p); absent != (Ref{}) {
		return belonging{workload: absent}
	}
	return belonging{workload: p.Ref()}
}

// relabelledFrom is the template that a pod names in full without having the labels
// of its selector: it has left that workload, and is still answered for.
func (s *shard) relabelledFrom(p *Pod) *Template {
	o := ControllerOf(p.Owners)
	if o == nil {
		return nil
	}
	return s.named(o)
}

// absentOwner is the workload of a pod whose owner is of a kind in the model and
// not there: in files it often is left out, and of a running cluster each kind is
// watched by itself. A ReplicaSet or Job may still be known by the name that its own
// owner gave it.
func (s *shard) absentOwner(p *Pod) Ref {
	o := ControllerOf(p.Owners)
	if o == nil || !isBuiltin(o.Group, o.Kind) || s.holds(o) {
		return Ref{}
	}
	above := templateKey{kind: madeBy[o.Kind]}
	switch o.Kind {
	case "ReplicaSet":
		if name, ok := strings.CutSuffix(o.Name, "-"+p.Labels["pod-template-hash"]); ok {
			above.name = name
		}
	case "Job":
		if i := strings.LastIndexByte(o.Name, '-'); i >= 0 {
			above.name = o.Name[:i]
		}
	}
	if t, ok := s.templates[above]; ok && carries(p.Labels, t.Labels) {
		return t.Ref()
	}
	return Ref{p.Namespace, o.Kind, o.Name}
}

// copyOf reports whether a template says the same as its owner's, but for the labels
// that the owner's controller adds to every one that it makes. What the owner's pods may
// have under those keys is what its own template says of them (see maker).
func (t *Template) copyOf(o *Template) bool {
	if t.Unread != 0 || o.Unread != 0 || t.HostNetwork != o.HostNetwork || t.Indexed != o.Indexed || !slices.Equal(t.Ports, o.Ports) {
		return false
	}
	switch t.Kind {
	case "ReplicaSet":
		_, hashed := t.Labels[selector.TemplateHash]
		return hashed && equalBut(t.Labels, o.Labels, []string{selector.TemplateHash})
	case "Job":
		return !t.OwnSelector && equalBut(t.Labels, o.Labels, []string{selector.JobName, selector.OldJobName, selector.ControllerUID, selector.OldControllerUID})
	}
	return false
}

func equalBut(a, b labels.Set, but []string) bool {
	within := func(a, b labels.Set) bool {
		for k, v := range a {
			if w, ok := b[k]; (!ok || w != v) && !slices.Contains(but, k) {
				return false
			}
		}
		return true
	}
	return within(a, b) && within(b, a)
}
