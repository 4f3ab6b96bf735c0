package cluster

import (
	"cmp"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/labels"
)

// Workload is one peer of connections: the pods of one top controller together,
// or a pod that stands alone.
//
// A pod counts to its controller's workload when it carries every label of the
// template that made it; one that was relabelled away from it stands alone. An
// owner reference is a claim that anybody can write, so it counts only where a
// controller would have written it and the labels bear it out: a ReplicaSet
// belongs to its Deployment, and a Job to its CronJob, while it carries that
// template's labels.
type Workload struct {
	Ref
	// Labels are those of the top controller's template, of the pod itself when
	// it stands alone, and of some pod when the controller's kind is not in the model.
	Labels labels.Set
	// Variants are the groups of pods that behave alike, in a stable order.
	Variants []*Variant
	// Parent is the workload that a pod which stands alone was made for; zero
	// for every other workload. ParentLabels are those of the template that made it.
	Parent       Ref
	ParentLabels labels.Set
}

func (w *Workload) equal(o *Workload) bool {
	return w.Ref == o.Ref && w.Parent == o.Parent &&
		maps.Equal(w.Labels, o.Labels) && maps.Equal(w.ParentLabels, o.ParentLabels) &&
		slices.EqualFunc(w.Variants, o.Variants, (*Variant).equal)
}

func (v *Variant) equal(o *Variant) bool {
	return v.HostNetwork == o.HostNetwork && v.Unaddressed == o.Unaddressed && maps.Equal(v.Labels, o.Labels) &&
		slices.Equal(v.Ports, o.Ports) && slices.Equal(v.IPs, o.IPs) && slices.Equal(v.Pods, o.Pods)
}

// Variant is a group of pods of one workload that a netpol cannot tell apart,
// but for their addresses.
type Variant struct {
	Workload    *Workload
	Labels      labels.Set
	Ports       []NamedPort
	HostNetwork bool
	// IPs are the addresses of those pods that have one.
	IPs []netip.Addr
	// Unaddressed is set when a pod has no address yet, or the template may make
	// one: which address it will get is not known.
	Unaddressed bool
	// Pods are the names of the existing pods, sorted.
	Pods []string
	// first is, for a class of variants, the one that it has the labels of.
	first *Variant
}

// self is the variant itself, or of a class the first one.
func (v *Variant) self() *Variant {
	if v.first != nil {
		return v.first
	}
	return v
}

// Matches tells whether a selector of pods selects the pods of the variant.
func (v *Variant) Matches(s Selector) Match { return s.Matches(v.Labels) }

// ResolvePort gives the numbers that a port name stands for, for one protocol.
// It is a set: several containers may use the name.
func (v *Variant) ResolvePort(name string, protocol Protocol) []uint16 {
	var numbers []uint16
	for _, p := range v.Ports {
		if p.Name == name && p.Protocol == protocol {
			numbers = append(numbers, p.Port)
		}
	}
	return numbers
}

type folder struct {
	*shard
	byRef    map[Ref]*Workload
	variants map[string]*Variant
}

func (f *folder) addTemplate(t *Template) {
	v := f.variant(f.workload(f.top(t), t.Labels), t.Labels, t.Ports, t.HostNetwork)
	v.Unaddressed = true
}

func (f *folder) addPod(p *Pod) {
	r, maker := f.workloadOf(p)
	w := f.workload(r, p.Labels)
	if maker != nil {
		w.Parent, w.ParentLabels = f.top(maker), maker.Labels
	}
	v := f.variant(w, p.Labels, p.Ports, p.HostNetwork)
	v.Pods = append(v.Pods, p.Name)
	v.IPs = append(v.IPs, p.IPs...)
	v.Unaddressed = v.Unaddressed || len(p.IPs) == 0
}

func (f *folder) workload(r Ref, l labels.Set) *Workload {
	w, ok := f.byRef[r]
	if !ok {
		if t, ok := f.templates[Owner{r.Kind, r.Name}]; ok {
			l = t.Labels
		}
		w = &Workload{Ref: r, Labels: l}
		f.byRef[r] = w
	}
	return w
}

// variant finds the group of a pod or template. Most workloads have few, and
// comparing is cheaper than writing the key of a map.
func (f *folder) variant(w *Workload, l labels.Set, ports []NamedPort, hostNetwork bool) *Variant {
	const few = 4
	for _, v := range w.Variants[:min(few, len(w.Variants))] {
		if v.HostNetwork == hostNetwork && maps.Equal(v.Labels, l) && slices.Equal(v.Ports, ports) {
			return v
		}
	}
	if len(w.Variants) < few {
		return f.newVariant(w, l, ports, hostNetwork)
	}
	key := variantKey(w.Ref, l, ports, hostNetwork)
	v, ok := f.variants[key]
	if !ok {
		v = f.newVariant(w, l, ports, hostNetwork)
		f.variants[key] = v
	}
	return v
}

func (f *folder) newVariant(w *Workload, l labels.Set, ports []NamedPort, hostNetwork bool) *Variant {
	v := &Variant{Workload: w, Labels: l, Ports: ports, HostNetwork: hostNetwork}
	w.Variants = append(w.Variants, v)
	return v
}

func variantKey(r Ref, l labels.Set, ports []NamedPort, hostNetwork bool) string {
	var b strings.Builder
	b.WriteString(r.String())
	for _, k := range slices.Sorted(maps.Keys(l)) {
		b.WriteByte(0)
		b.WriteString(k)
		b.WriteByte(0)
		b.WriteString(l[k])
	}
	for _, p := range ports {
		b.WriteByte(1)
		b.WriteString(p.Name)
		b.WriteByte(byte(p.Protocol))
		b.WriteByte(byte(p.Port >> 8))
		b.WriteByte(byte(p.Port))
	}
	if hostNetwork {
		b.WriteByte(2)
	}
	return b.String()
}

// workloadOf finds the workload that a pod is folded into, and for a pod that
// was relabelled away from its template the template.
func (s *shard) workloadOf(p *Pod) (workload Ref, maker *Template) {
	if p.Controller == nil || p.Controller.Kind == "Node" || p.Controller.Kind == "Pod" {
		return p.Ref(), nil // a static pod belongs to its node (kubelet), which is no workload
	}
	t, ok := s.templates[*p.Controller]
	if !ok {
		t, ok = s.grandparent(p)
	}
	if !ok {
		// A controller that the model does not hold: a custom resource, or an
		// object whose watch event is still on its way.
		return Ref{p.Namespace, p.Controller.Kind, p.Controller.Name}, nil
	}
	if carries(p.Labels, t.Labels) {
		return s.top(t), nil
	}
	return p.Ref(), t
}

// grandparent finds the Deployment or CronJob above a ReplicaSet or Job that the
// model has not seen yet (each kind has a watch of its own, and they race), by
// the names that those controllers give. Only a template whose labels the pod
// carries is taken, so a wrong guess opens nothing.
func (s *shard) grandparent(p *Pod) (*Template, bool) {
	var above Owner
	switch p.Controller.Kind {
	case "ReplicaSet":
		name, ok := strings.CutSuffix(p.Controller.Name, "-"+p.Labels["pod-template-hash"])
		if !ok {
			return nil, false
		}
		above = Owner{"Deployment", name}
	case "Job":
		i := strings.LastIndexByte(p.Controller.Name, '-')
		if i < 0 {
			return nil, false
		}
		above = Owner{"CronJob", p.Controller.Name[:i]}
	}
	t, ok := s.templates[above]
	if !ok || !carries(p.Labels, t.Labels) {
		return nil, false
	}
	return t, true
}

// top is the workload of a template: for a ReplicaSet and a Job that of its
// controller, which may be of a kind that is not in the model and is then known
// by name only; for every other kind the template's own, whoever controls it.
func (s *shard) top(t *Template) Ref {
	above, ok := madeBy[t.Kind]
	if !ok || t.Controller == nil {
		return t.Ref()
	}
	maker, modelled := s.templates[*t.Controller]
	switch {
	case modelled && (t.Controller.Kind != above && isTemplateKind(t.Controller.Kind) || !carries(t.Labels, maker.Labels)):
		return t.Ref() // an Argo Rollout makes ReplicaSets as a Deployment does, a StatefulSet never
	case !modelled && t.Controller.Kind != above && isTemplateKind(t.Controller.Kind):
		return t.Ref()
	}
	return Ref{t.Namespace, t.Controller.Kind, t.Controller.Name}
}

// madeBy tells which kind makes objects of a kind.
var madeBy = map[string]string{"ReplicaSet": "Deployment", "Job": "CronJob"}

func isTemplateKind(kind string) bool {
	switch kind {
	case "Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Job", "CronJob":
		return true
	}
	return false
}

// carries reports whether pod labels hold every label of a template.
func carries(pod, template labels.Set) bool {
	for k, v := range template {
		if got, ok := pod[k]; !ok || got != v {
			return false
		}
	}
	return true
}

func compareOwners(a, b Owner) int {
	return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Name, b.Name))
}
