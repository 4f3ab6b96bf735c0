package cluster

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"

	"k8s.io/apimachinery/pkg/labels"

	"github.com/podcullis/podcullis/cluster/selector"
)

// Workload is one peer of connections: the pods of one top controller together,
// or a pod that stands alone.
//
// A pod counts to the workload of the owner that bears it out (see Membership) when
// it carries every label of the template that made it; one that was relabelled away
// from it stands alone. So much for what is shown: what a pod is compared with is
// not its peer but what its variant's membership says.
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
	parentMaker  *maker

	alike atomic.Pointer[alike]    // see Classes
	keys  atomic.Pointer[[]string] // see labelKeys
}

func (w *Workload) equal(o *Workload) bool {
	return w.Ref == o.Ref && w.Parent == o.Parent &&
		maps.Equal(w.Labels, o.Labels) && maps.Equal(w.ParentLabels, o.ParentLabels) && w.parentMaker.equal(o.parentMaker) &&
		slices.EqualFunc(w.Variants, o.Variants, (*Variant).equal)
}

func (v *Variant) equal(o *Variant) bool {
	return v.HostNetwork == o.HostNetwork && v.Unaddressed == o.Unaddressed && v.Membership == o.Membership &&
		v.maker.equal(o.maker) && maps.Equal(v.Labels, o.Labels) &&
		slices.Equal(v.Ports, o.Ports) && slices.Equal(v.IPs, o.IPs) && slices.Equal(v.Pods, o.Pods) && slices.Equal(v.Templates, o.Templates)
}

// Variant is a group of pods and templates of one workload that a netpol cannot
// tell apart, but for their addresses, and that belong to the same owner.
type Variant struct {
	Workload *Workload
	// Membership is what its pods and templates belong to.
	Membership  Membership
	Labels      labels.Set
	Ports       []NamedPort
	HostNetwork bool
	// IPs are the addresses of those pods that have one.
	IPs []netip.Addr
	// Unaddressed is set when a pod has no address yet, or the template may make
	// one: which address it will get is not known.
	Unaddressed bool
	// Pods are the names of the existing pods, sorted, and Templates name those
	// that make such pods.
	Pods      []string
	Templates []Ref
	// maker gives them more labels, when they are yet to be made or bound.
	maker *maker
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

// Matches tells whether a selector of pods selects the pods of the variant. Maybe
// is also the answer about pods that are yet to get a label that it asks for: some
// of them it may select, and some not.
func (v *Variant) Matches(s selector.Selector) selector.Match { return matches(s, v.Labels, v.maker) }

// ParentMatches is what Matches was for a pod that stands alone, by the labels
// with which it was made; No for every other workload.
func (w *Workload) ParentMatches(s selector.Selector) selector.Match {
	if w.Parent == (Ref{}) {
		return selector.No
	}
	return matches(s, w.ParentLabels, w.parentMaker)
}

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
	m := f.membershipOf(t)
	v := f.variant(f.workload(m.Workload, t.Labels), traits{m, t.Labels, t.Ports, t.HostNetwork, makerOf(t)})
	v.Templates = append(v.Templates, t.Ref())
	v.Unaddressed = true
}

func (f *folder) addPod(p *Pod, b belonging) {
	w := f.workload(b.workload, p.Labels)
	if t := b.strayed; t != nil {
		w.Parent, w.ParentLabels, w.parentMaker = f.top(t), t.Labels, makerOf(t).made(p)
	}
	v := f.variant(w, traits{b.membership, p.Labels, p.Ports, p.HostNetwork, makerOfPod(p)})
	v.Pods = append(v.Pods, p.Name)
	v.IPs = append(v.IPs, p.IPs...)
	v.Unaddressed = v.Unaddressed || len(p.IPs) == 0
}

func (f *folder) workload(r Ref, l labels.Set) *Workload {
	w, ok := f.byRef[r]
	if !ok {
		w = &Workload{Ref: r, Labels: f.labelsOf(r, l)}
		f.byRef[r] = w
	}
	return w
}

// traits are what the pods and templates of one variant have in common.
type traits struct {
	membership  Membership
	labels      labels.Set
	ports       []NamedPort
	hostNetwork bool
	maker       *maker
}

// variant finds the group of a pod or template. Most workloads have few, and
// comparing is cheaper than writing the key of a map.
func (f *folder) variant(w *Workload, t traits) *Variant {
	const few = 4
	for _, v := range w.Variants[:min(few, len(w.Variants))] {
		if t.are(v) {
			return v
		}
	}
	if len(w.Variants) < few {
		return newVariant(w, t)
	}
	key := w.String() + t.key()
	v, ok := f.variants[key]
	if !ok {
		v = newVariant(w, t)
		f.variants[key] = v
	}
	return v
}

// are reports whether they are those of a variant.
func (t traits) are(v *Variant) bool {
	return v.HostNetwork == t.hostNetwork && v.Membership == t.membership && v.maker.equal(t.maker) &&
		maps.Equal(v.Labels, t.labels) && slices.Equal(v.Ports, t.ports)
}

func newVariant(w *Workload, t traits) *Variant {
	v := &Variant{Workload: w, Membership: t.membership, Labels: t.labels, Ports: t.ports, HostNetwork: t.hostNetwork, maker: t.maker}
	w.Variants = append(w.Variants, v)
	return v
}

// key is equal for equal traits.
func (t traits) key() string {
	var b strings.Builder
	for _, s := range []string{t.membership.Workload.String(), t.membership.Group, t.membership.UID} {
		b.WriteByte(3)
		b.WriteString(s)
	}
	for _, k := range slices.Sorted(maps.Keys(t.labels)) {
		b.WriteByte(0)
		b.WriteString(k)
		b.WriteByte(0)
		b.WriteString(t.labels[k])
	}
	for _, p := range t.ports {
		b.WriteByte(1)
		b.WriteString(p.Name)
		b.WriteByte(byte(p.Protocol))
		b.WriteByte(byte(p.Port >> 8))
		b.WriteByte(byte(p.Port))
	}
	if t.hostNetwork {
		b.WriteByte(2)
	}
	if t.maker != nil {
		fmt.Fprintf(&b, "\x04%+v", *t.maker)
	}
	return b.String()
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
