package clustertest

import (
	"strings"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// Option is one property of a pod, or of the template of an object that makes pods.
type Option func(*parts)

// parts are what pods and pod templates have in common.
type parts struct {
	meta     metav1.ObjectMeta
	labels   map[string]string
	spec     corev1.PodSpec
	status   corev1.PodStatus
	replicas *int32
	first    *int32
	indexed  bool
	finished batchv1.JobConditionType
}

func build(ref string, options []Option) *parts {
	p := &parts{spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "main"}}}}
	namespace, name, ok := strings.Cut(ref, "/")
	if !ok {
		namespace, name = "", ref
	}
	p.meta.Namespace, p.meta.Name = namespace, name
	for _, o := range options {
		o(p)
	}
	return p
}

func (p *parts) podMeta() metav1.ObjectMeta {
	m := p.meta
	m.Labels = p.labels
	return m
}

func (p *parts) template() corev1.PodTemplateSpec {
	return corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: p.labels}, Spec: p.spec}
}

// Labels adds labels written "key=value".
func Labels(labels ...string) Option {
	return func(p *parts) {
		if p.labels == nil {
			p.labels = map[string]string{}
		}
		for k, v := range Set(labels...) {
			p.labels[k] = v
		}
	}
}

// ControlledBy sets the controller, written "Kind/name" with a kind of apps/v1 or
// batch/v1, or of example.com/v1 when it is none of theirs.
func ControlledBy(owner string) Option {
	kind, name, ok := strings.Cut(owner, "/")
	if !ok {
		panic("an owner is Kind/name, got " + owner)
	}
	return func(p *parts) {
		yes := true
		p.meta.OwnerReferences = append(p.meta.OwnerReferences, metav1.OwnerReference{APIVersion: apiVersionOf(kind), Kind: kind, Name: name, Controller: &yes})
	}
}

// OwnedBy adds an owner reference as it is.
func OwnedBy(owner metav1.OwnerReference) Option {
	return func(p *parts) { p.meta.OwnerReferences = append(p.meta.OwnerReferences, owner) }
}

// UID sets metadata.uid.
func UID(uid string) Option { return func(p *parts) { p.meta.UID = types.UID(uid) } }

func apiVersionOf(kind string) string {
	switch kind {
	case "Deployment", "StatefulSet", "DaemonSet", "ReplicaSet":
		return "apps/v1"
	case "Job", "CronJob":
		return "batch/v1"
	case "Pod", "Node", "ReplicationController":
		return "v1"
	}
	return "example.com/v1"
}

// IP adds addresses to a pod's status.
func IP(addresses ...string) Option {
	return func(p *parts) {
		for _, a := range addresses {
			p.status.PodIPs = append(p.status.PodIPs, corev1.PodIP{IP: a})
		}
		p.status.PodIP = p.status.PodIPs[0].IP
	}
}

// Port adds a named container port. An empty protocol is left out, as in most manifests.
func Port(name string, number int32, protocol corev1.Protocol) Option {
	return func(p *parts) {
		c := &p.spec.Containers[0]
		c.Ports = append(c.Ports, corev1.ContainerPort{Name: name, ContainerPort: number, Protocol: protocol})
	}
}

// Sidecar adds an init container that keeps running (KEP-753), with a named port.
func Sidecar(name string, number int32) Option {
	always := corev1.ContainerRestartPolicyAlways
	return initContainer(&always, name, number)
}

// InitContainer adds an init container that ends before the others start, with a
// named port.
func InitContainer(name string, number int32) Option { return initContainer(nil, name, number) }

func initContainer(restart *corev1.ContainerRestartPolicy, name string, number int32) Option {
	return func(p *parts) {
		p.spec.InitContainers = append(p.spec.InitContainers, corev1.Container{
			Name: name, RestartPolicy: restart,
			Ports: []corev1.ContainerPort{{Name: name, ContainerPort: number}},
		})
	}
}

// HostNetwork puts the pod on its node's network.
func HostNetwork() Option { return func(p *parts) { p.spec.HostNetwork = true } }

// Phase sets status.phase.
func Phase(phase corev1.PodPhase) Option { return func(p *parts) { p.status.Phase = phase } }

// Terminating sets metadata.deletionTimestamp.
func Terminating() Option {
	return func(p *parts) {
		at := metav1.Unix(1_800_000_000, 0)
		p.meta.DeletionTimestamp = &at
	}
}

// Replicas sets spec.replicas of a ReplicaSet or ReplicationController.
func Replicas(n int32) Option { return func(p *parts) { p.replicas = &n } }

// FirstOrdinal sets spec.ordinals.start of a StatefulSet.
func FirstOrdinal(n int32) Option { return func(p *parts) { p.first = &n } }

// Indexed makes a Job, or the Jobs of a CronJob, number their pods.
func Indexed() Option { return func(p *parts) { p.indexed = true } }

// Bound gives a pod a node.
func Bound() Option { return func(p *parts) { p.spec.NodeName = "n-1" } }

// Finished gives a Job the condition Complete or Failed.
func Finished(condition batchv1.JobConditionType) Option {
	return func(p *parts) { p.finished = condition }
}

// GenerateName leaves the name to the API server.
func GenerateName(prefix string) Option {
	return func(p *parts) { p.meta.Name, p.meta.GenerateName = "", prefix }
}
