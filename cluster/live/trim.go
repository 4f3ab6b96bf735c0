package live

import (
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	toolscache "k8s.io/client-go/tools/cache"
)

// kind is one of the kinds that are watched.
type kind struct {
	name     string
	resource schema.GroupVersionResource
	object   runtime.Object
	other    otherKind // nil for one that cluster.FromAPI knows
}

// otherKind is a kind without a Go type here, which may not be served.
type otherKind interface {
	trim(object any) (any, error)
	// listWatch is that of the resource.
	listWatch(Source, schema.GroupVersionResource) (*toolscache.ListWatch, error)
	// now is the resource in the version that is served.
	now(schema.GroupVersionResource) schema.GroupVersionResource
}

// kinds are those that cluster.FromAPI knows.
func kinds() []kind {
	return []kind{
		{"Namespace", corev1.SchemeGroupVersion.WithResource("namespaces"), &corev1.Namespace{}, nil},
		{"Pod", corev1.SchemeGroupVersion.WithResource("pods"), &corev1.Pod{}, nil},
		{"NetworkPolicy", networkingv1.SchemeGroupVersion.WithResource("networkpolicies"), &networkingv1.NetworkPolicy{}, nil},
		{"Deployment", appsv1.SchemeGroupVersion.WithResource("deployments"), &appsv1.Deployment{}, nil},
		{"StatefulSet", appsv1.SchemeGroupVersion.WithResource("statefulsets"), &appsv1.StatefulSet{}, nil},
		{"DaemonSet", appsv1.SchemeGroupVersion.WithResource("daemonsets"), &appsv1.DaemonSet{}, nil},
		{"ReplicaSet", appsv1.SchemeGroupVersion.WithResource("replicasets"), &appsv1.ReplicaSet{}, nil},
		{"ReplicationController", corev1.SchemeGroupVersion.WithResource("replicationcontrollers"), &corev1.ReplicationController{}, nil},
		{"Job", batchv1.SchemeGroupVersion.WithResource("jobs"), &batchv1.Job{}, nil},
		{"CronJob", batchv1.SchemeGroupVersion.WithResource("cronjobs"), &batchv1.CronJob{}, nil},
	}
}

// Resources are those that are watched.
func Resources() []schema.GroupVersionResource {
	var out []schema.GroupVersionResource
	for _, k := range kinds() {
		out = append(out, k.resource)
	}
	return out
}

// trim is a toolscache.TransformFunc. It makes new objects, so that the decoded
// ones are freed whole, and it is idempotent, because a reflector may apply it before its store does.
func trim(in any) (any, error) {
	switch o := in.(type) {
	case *corev1.Namespace:
		return &corev1.Namespace{ObjectMeta: trimMeta(&o.ObjectMeta), Status: corev1.NamespaceStatus{Phase: o.Status.Phase}}, nil
	case *corev1.Pod:
		pod := &corev1.Pod{
			ObjectMeta: trimMeta(&o.ObjectMeta),
			Spec:       trimPodSpec(&o.Spec),
			Status:     corev1.PodStatus{Phase: o.Status.Phase, PodIP: o.Status.PodIP, PodIPs: o.Status.PodIPs},
		}
		pod.Spec.NodeName = o.Spec.NodeName
		return pod, nil
	case *corev1.Service:
		return trimService(o), nil
	case *networkingv1.Ingress:
		return trimIngress(o), nil
	case *networkingv1.NetworkPolicy:
		return &networkingv1.NetworkPolicy{ObjectMeta: trimMeta(&o.ObjectMeta), Spec: o.Spec}, nil
	case *appsv1.Deployment:
		return &appsv1.Deployment{
			ObjectMeta: trimMeta(&o.ObjectMeta),
			Spec:       appsv1.DeploymentSpec{Selector: o.Spec.Selector, Template: trimTemplate(&o.Spec.Template)},
		}, nil
	case *appsv1.StatefulSet:
		return &appsv1.StatefulSet{
			ObjectMeta: trimMeta(&o.ObjectMeta),
			Spec:       appsv1.StatefulSetSpec{Selector: o.Spec.Selector, Ordinals: o.Spec.Ordinals, Template: trimTemplate(&o.Spec.Template)},
		}, nil
	case *appsv1.DaemonSet:
		return &appsv1.DaemonSet{
			ObjectMeta: trimMeta(&o.ObjectMeta),
			Spec:       appsv1.DaemonSetSpec{Selector: o.Spec.Selector, Template: trimTemplate(&o.Spec.Template)},
		}, nil
	case *appsv1.ReplicaSet:
		return &appsv1.ReplicaSet{
			ObjectMeta: trimMeta(&o.ObjectMeta),
			Spec:       appsv1.ReplicaSetSpec{Selector: o.Spec.Selector, Template: trimTemplate(&o.Spec.Template)},
		}, nil
	case *corev1.ReplicationController:
		kept := &corev1.ReplicationController{ObjectMeta: trimMeta(&o.ObjectMeta), Spec: corev1.ReplicationControllerSpec{Selector: o.Spec.Selector}}
		if o.Spec.Template != nil {
			pods := trimTemplate(o.Spec.Template)
			kept.Spec.Template = &pods
		}
		return kept, nil
	case *batchv1.Job:
		return &batchv1.Job{
			ObjectMeta: trimMeta(&o.ObjectMeta),
			Spec:       trimJob(&o.Spec),
		}, nil
	case *batchv1.CronJob:
		cron := &batchv1.CronJob{ObjectMeta: trimMeta(&o.ObjectMeta)}
		cron.Spec.JobTemplate.Spec = trimJob(&o.Spec.JobTemplate.Spec)
		return cron, nil
	}
	return in, nil // none of the kinds
}

func trimMeta(m *metav1.ObjectMeta) metav1.ObjectMeta {
	kept := metav1.ObjectMeta{
		Name:              m.Name,
		Namespace:         m.Namespace,
		UID:               m.UID,
		ResourceVersion:   m.ResourceVersion,
		Labels:            m.Labels,
		DeletionTimestamp: m.DeletionTimestamp,
		Finalizers:        m.Finalizers,
	}
	for _, r := range m.OwnerReferences {
		kept.OwnerReferences = append(kept.OwnerReferences, metav1.OwnerReference{APIVersion: r.APIVersion, Kind: r.Kind, Name: r.Name, UID: r.UID, Controller: r.Controller})
	}
	return kept
}

func trimJob(s *batchv1.JobSpec) batchv1.JobSpec {
	return batchv1.JobSpec{Selector: s.Selector, CompletionMode: s.CompletionMode, ManualSelector: s.ManualSelector, Template: trimTemplate(&s.Template)}
}

func trimTemplate(t *corev1.PodTemplateSpec) corev1.PodTemplateSpec {
	return corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: t.Labels}, Spec: trimPodSpec(&t.Spec)}
}

func trimPodSpec(s *corev1.PodSpec) corev1.PodSpec {
	return corev1.PodSpec{
		HostNetwork:    s.HostNetwork,
		Containers:     trimContainers(s.Containers),
		InitContainers: trimContainers(s.InitContainers),
	}
}

// trimContainers keeps the containers that have ports.
func trimContainers(containers []corev1.Container) []corev1.Container {
	var kept []corev1.Container
	for _, c := range containers {
		if len(c.Ports) > 0 {
			kept = append(kept, corev1.Container{Name: c.Name, Ports: c.Ports, RestartPolicy: c.RestartPolicy})
		}
	}
	return kept
}
