package cluster

import (
	"fmt"
	"iter"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation"
)

// FromAPI makes the model's object of a typed API object: a v1 Namespace, Pod
// or ReplicationController, an apps/v1 Deployment, StatefulSet, DaemonSet or
// ReplicaSet, a batch/v1 Job or CronJob, a networking.k8s.io/v1 NetworkPolicy or Ingress, or
// a v1 Service.
// A missing namespace is "default", as it is for kubectl.
//
// An error names the fields that do not hold. The object is still returned when
// it can stay in the model as "unknown" (see NewNetpol): a source of new objects
// refuses it, a source of stored ones keeps it.
func FromAPI(o runtime.Object) (Object, error) { return Bounds{}.FromAPI(o) }

// FromAPI is the function of this name, with other bounds than the default ones.
func (b Bounds) FromAPI(o runtime.Object) (Object, error) {
	switch o := o.(type) {
	case *corev1.Namespace:
		return b.namespace(newNamespace(o))
	case *corev1.Pod:
		return b.pod(newPod(o))
	case *networkingv1.NetworkPolicy:
		return b.NewNetpol(o)
	case *appsv1.Deployment:
		return b.template(newTemplate("apps", "Deployment", &o.ObjectMeta, &o.Spec.Template, o.Spec.Selector))
	case *appsv1.StatefulSet:
		t := newTemplate("apps", "StatefulSet", &o.ObjectMeta, &o.Spec.Template, o.Spec.Selector)
		if o.Spec.Ordinals != nil {
			t.FirstOrdinal = max(o.Spec.Ordinals.Start, 0)
		}
		return b.template(t)
	case *appsv1.DaemonSet:
		return b.template(newTemplate("apps", "DaemonSet", &o.ObjectMeta, &o.Spec.Template, o.Spec.Selector))
	case *appsv1.ReplicaSet:
		return b.template(newTemplate("apps", "ReplicaSet", &o.ObjectMeta, &o.Spec.Template, o.Spec.Selector))
	case *corev1.ReplicationController:
		return b.template(newReplicationController(o))
	case *batchv1.Job:
		t := newTemplate("batch", "Job", &o.ObjectMeta, &o.Spec.Template, o.Spec.Selector)
		t.Indexed = indexed(&o.Spec)
		t.OwnSelector = o.Spec.ManualSelector != nil && *o.Spec.ManualSelector
		return b.template(t)
	case *batchv1.CronJob:
		t := newTemplate("batch", "CronJob", &o.ObjectMeta, &o.Spec.JobTemplate.Spec.Template, nil)
		t.Selector = OwnSelector{} // its Jobs are known by its uid alone
		t.Indexed = indexed(&o.Spec.JobTemplate.Spec)
		return b.template(t, "jobTemplate", "spec")
	}
	if e, known, err := entryFromAPI(o); known {
		return e, err
	}
	return nil, fmt.Errorf("the model has no place for %T", o)
}

// entryFromAPI makes an entry; known is false for another kind.
func entryFromAPI(o runtime.Object) (e Object, known bool, err error) {
	switch o := o.(type) {
	case *corev1.Service:
		s, err := newService(o)
		if err != nil {
			return nil, true, err
		}
		return s, true, nil
	case *networkingv1.Ingress:
		return newIngress(o), true, nil
	}
	return nil, false, nil
}

func newNamespace(o *corev1.Namespace) *Namespace {
	n := &Namespace{Name: o.Name, UID: string(o.UID), Labels: labels.Set{}}
	maps.Copy(n.Labels, o.Labels)
	n.Labels[nameLabel] = o.Name
	n.DeletedAt = deletedAt(&o.ObjectMeta)
	return n
}

func newPod(o *corev1.Pod) *Pod {
	return &Pod{
		Namespace:   namespaceOf(o.Namespace),
		Name:        nameOf(&o.ObjectMeta),
		UID:         string(o.UID),
		Labels:      maps.Clone(o.Labels),
		Owners:      ownersOf(&o.ObjectMeta),
		Ports:       namedPorts(&o.Spec),
		Declared:    declaredPorts(&o.Spec),
		HostNetwork: o.Spec.HostNetwork,
		Bound:       o.Spec.NodeName != "",
		IPs:         podIPs(&o.Status),
		DeletedAt:   deletedAt(&o.ObjectMeta),
		Gone:        o.Status.Phase == corev1.PodSucceeded || o.Status.Phase == corev1.PodFailed,
	}
}

// newTemplate is the template of an object. A selector that is missing (a
// ReplicationController may leave it out, and the API server fills in a Job's) is
// the labels of the pods; one that does not parse matches nothing for certain.
func newTemplate(group, kind string, meta *metav1.ObjectMeta, t *corev1.PodTemplateSpec, selector *metav1.LabelSelector) *Template {
	out := &Template{
		Namespace:   namespaceOf(meta.Namespace),
		Group:       group,
		Kind:        kind,
		Name:        nameOf(meta),
		UID:         string(meta.UID),
		Labels:      maps.Clone(t.Labels),
		Owners:      ownersOf(meta),
		Ports:       namedPorts(&t.Spec),
		Declared:    declaredPorts(&t.Spec),
		HostNetwork: t.Spec.HostNetwork,
		DeletedAt:   deletedAt(meta),
		Orphans:     slices.Contains(meta.Finalizers, metav1.FinalizerOrphanDependents),
	}
	if _, made := madeBy[kind]; made {
		if out.ObjectLabels = out.Labels; !maps.Equal(out.Labels, meta.Labels) {
			out.ObjectLabels = maps.Clone(meta.Labels)
		}
	}
	if selector == nil {
		selector = &metav1.LabelSelector{MatchLabels: out.Labels}
	}
	out.Selector = newOwnSelector(selector, out.Labels)
	return out
}

func deletedAt(m *metav1.ObjectMeta) time.Time {
	if m.DeletionTimestamp == nil {
		return time.Time{}
	}
	return m.DeletionTimestamp.Time
}

// newReplicationController makes the template of one. The API requires a pod
// template, but its type leaves room for none.
func newReplicationController(o *corev1.ReplicationController) *Template {
	pods := o.Spec.Template
	if pods == nil {
		pods = &corev1.PodTemplateSpec{}
	}
	var selector *metav1.LabelSelector
	if len(o.Spec.Selector) > 0 {
		selector = &metav1.LabelSelector{MatchLabels: o.Spec.Selector}
	}
	return newTemplate("", "ReplicationController", &o.ObjectMeta, pods, selector)
}

// nameOf is the object's name; one that the API server has yet to generate is
// named by its prefix.
func nameOf(m *metav1.ObjectMeta) string {
	if m.Name == "" && m.GenerateName != "" {
		return m.GenerateName + "*"
	}
	return m.Name
}

func ownersOf(m *metav1.ObjectMeta) []Owner {
	var out []Owner
	for i := range m.OwnerReferences {
		r := &m.OwnerReferences[i]
		group := ""
		if g, _, grouped := strings.Cut(r.APIVersion, "/"); grouped {
			group = g
		}
		out = append(out, Owner{group, r.Kind, r.Name, string(r.UID), r.Controller != nil && *r.Controller})
	}
	return out
}

// namedPorts collects what a port name can resolve to.
func namedPorts(s *corev1.PodSpec) []NamedPort {
	var ports []NamedPort
	for p := range servedPorts(s) {
		if p.Name != "" {
			ports = append(ports, p)
		}
	}
	return ports
}

// maxDeclared bounds the ports of a pod that are kept by number: who shows more shows none.
const maxDeclared = 200

// declaredPorts are the ports that containers show, each once.
func declaredPorts(s *corev1.PodSpec) []DeclaredPort {
	var ports []DeclaredPort
	for p := range servedPorts(s) {
		if d := (DeclaredPort{p.Protocol, p.Port}); !slices.Contains(ports, d) {
			ports = append(ports, d)
		}
		if len(ports) > maxDeclared {
			return nil
		}
	}
	return ports
}

// servedPorts yields the ports of containers and of init containers that keep running
// (restartPolicy Always, KEP-753), those that are a port.
func servedPorts(s *corev1.PodSpec) iter.Seq[NamedPort] {
	return func(yield func(NamedPort) bool) {
		of := func(c *corev1.Container) bool {
			for _, p := range c.Ports {
				protocol, ok := ParseProtocol(string(p.Protocol))
				if p.Protocol == "" {
					protocol, ok = TCP, true
				}
				if ok && p.ContainerPort >= 1 && p.ContainerPort <= maxPort && !yield(NamedPort{Name: p.Name, Protocol: protocol, Port: uint16(p.ContainerPort)}) {
					return false
				}
			}
			return true
		}
		for i := range s.Containers {
			if !of(&s.Containers[i]) {
				return
			}
		}
		for i := range s.InitContainers {
			if c := &s.InitContainers[i]; c.RestartPolicy != nil && *c.RestartPolicy == corev1.ContainerRestartPolicyAlways && !of(c) {
				return
			}
		}
	}
}

func podIPs(s *corev1.PodStatus) []netip.Addr {
	var ips []netip.Addr
	add := func(text string) {
		if a, err := netip.ParseAddr(text); err == nil && !slices.Contains(ips, a.Unmap()) {
			ips = append(ips, a.Unmap())
		}
	}
	for _, ip := range s.PodIPs {
		add(ip.IP)
	}
	add(s.PodIP)
	return ips
}

func indexed(j *batchv1.JobSpec) bool {
	return j.CompletionMode != nil && *j.CompletionMode == batchv1.IndexedCompletion
}

func isPortName(s string) bool { return len(validation.IsValidPortName(s)) == 0 }
