package cluster

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation"
)

// FromAPI makes the model's object of a typed API object: a v1 Namespace or Pod,
// an apps/v1 Deployment, StatefulSet, DaemonSet or ReplicaSet, a batch/v1 Job or
// CronJob, or a networking.k8s.io/v1 NetworkPolicy. A missing namespace is
// "default", as it is for kubectl.
//
// An error names the fields that do not hold. The object is still returned when
// it can stay in the model as "unknown" (see NewNetpol): a source of new objects
// refuses it, a source of stored ones keeps it.
func FromAPI(o runtime.Object) (Object, error) {
	switch o := o.(type) {
	case *corev1.Namespace:
		return newNamespace(o), nil
	case *corev1.Pod:
		return newPod(o), nil
	case *networkingv1.NetworkPolicy:
		return NewNetpol(o)
	case *appsv1.Deployment:
		return newTemplate("Deployment", &o.ObjectMeta, &o.Spec.Template), nil
	case *appsv1.StatefulSet:
		t := newTemplate("StatefulSet", &o.ObjectMeta, &o.Spec.Template)
		if o.Spec.Ordinals != nil {
			t.FirstOrdinal = max(o.Spec.Ordinals.Start, 0)
		}
		return t, nil
	case *appsv1.DaemonSet:
		return newTemplate("DaemonSet", &o.ObjectMeta, &o.Spec.Template), nil
	case *appsv1.ReplicaSet:
		t := newTemplate("ReplicaSet", &o.ObjectMeta, &o.Spec.Template)
		t.Idle = o.Spec.Replicas != nil && *o.Spec.Replicas == 0
		return t, nil
	case *batchv1.Job:
		t := newTemplate("Job", &o.ObjectMeta, &o.Spec.Template)
		t.Idle, t.Indexed = finished(o), indexed(&o.Spec)
		t.OwnSelector = o.Spec.ManualSelector != nil && *o.Spec.ManualSelector
		return t, nil
	case *batchv1.CronJob:
		t := newTemplate("CronJob", &o.ObjectMeta, &o.Spec.JobTemplate.Spec.Template)
		t.Indexed = indexed(&o.Spec.JobTemplate.Spec)
		return t, nil
	}
	return nil, fmt.Errorf("the model has no place for %T", o)
}

func newNamespace(o *corev1.Namespace) *Namespace {
	n := &Namespace{Name: o.Name, Labels: labels.Set{}}
	maps.Copy(n.Labels, o.Labels)
	n.Labels[nameLabel] = o.Name
	if o.DeletionTimestamp != nil {
		n.DeletedAt = o.DeletionTimestamp.Time
	}
	return n
}

func newPod(o *corev1.Pod) *Pod {
	return &Pod{
		Namespace:   namespaceOf(o.Namespace),
		Name:        nameOf(&o.ObjectMeta),
		UID:         string(o.UID),
		Labels:      maps.Clone(o.Labels),
		Controller:  controllerOf(&o.ObjectMeta),
		Ports:       namedPorts(&o.Spec),
		HostNetwork: o.Spec.HostNetwork,
		Bound:       o.Spec.NodeName != "",
		IPs:         podIPs(&o.Status),
		Gone:        o.Status.Phase == corev1.PodSucceeded || o.Status.Phase == corev1.PodFailed,
	}
}

func newTemplate(kind string, meta *metav1.ObjectMeta, t *corev1.PodTemplateSpec) *Template {
	return &Template{
		Namespace:   namespaceOf(meta.Namespace),
		Kind:        kind,
		Name:        nameOf(meta),
		Labels:      maps.Clone(t.Labels),
		Controller:  controllerOf(meta),
		Ports:       namedPorts(&t.Spec),
		HostNetwork: t.Spec.HostNetwork,
	}
}

// nameOf is the object's name; one that the API server has yet to generate is
// named by its prefix.
func nameOf(m *metav1.ObjectMeta) string {
	if m.Name == "" && m.GenerateName != "" {
		return m.GenerateName + "*"
	}
	return m.Name
}

func controllerOf(m *metav1.ObjectMeta) *Owner {
	ref := metav1.GetControllerOfNoCopy(m)
	if ref == nil {
		return nil
	}
	return &Owner{Kind: ref.Kind, Name: ref.Name}
}

// namedPorts collects what a port name can resolve to: the ports of containers
// and of init containers that keep running (restartPolicy Always, KEP-753).
func namedPorts(s *corev1.PodSpec) []NamedPort {
	var ports []NamedPort
	add := func(c *corev1.Container) {
		for _, p := range c.Ports {
			protocol, ok := ParseProtocol(string(p.Protocol))
			if p.Protocol == "" {
				protocol, ok = TCP, true
			}
			if ok && p.Name != "" && p.ContainerPort >= 1 && p.ContainerPort <= maxPort {
				ports = append(ports, NamedPort{Name: p.Name, Protocol: protocol, Port: uint16(p.ContainerPort)})
			}
		}
	}
	for i := range s.Containers {
		add(&s.Containers[i])
	}
	for i := range s.InitContainers {
		if c := &s.InitContainers[i]; c.RestartPolicy != nil && *c.RestartPolicy == corev1.ContainerRestartPolicyAlways {
			add(c)
		}
	}
	return ports
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

func finished(j *batchv1.Job) bool {
	for _, c := range j.Status.Conditions {
		if (c.Type == batchv1.JobComplete || c.Type == batchv1.JobFailed) && c.Status == corev1.ConditionTrue {
			return true
		}
	}
	return false
}

func indexed(j *batchv1.JobSpec) bool {
	return j.CompletionMode != nil && *j.CompletionMode == batchv1.IndexedCompletion
}

func isPortName(s string) bool { return len(validation.IsValidPortName(s)) == 0 }
