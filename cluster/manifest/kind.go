package manifest

import (
	"fmt"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// modelled are the kinds that the model is made of, with the one API version
// that is served for each.
func modelled() []schema.GroupVersionKind {
	return []schema.GroupVersionKind{
		corev1.SchemeGroupVersion.WithKind("Namespace"),
		corev1.SchemeGroupVersion.WithKind("Pod"),
		networkingv1.SchemeGroupVersion.WithKind("NetworkPolicy"),
		appsv1.SchemeGroupVersion.WithKind("Deployment"),
		appsv1.SchemeGroupVersion.WithKind("StatefulSet"),
		appsv1.SchemeGroupVersion.WithKind("DaemonSet"),
		appsv1.SchemeGroupVersion.WithKind("ReplicaSet"),
		corev1.SchemeGroupVersion.WithKind("ReplicationController"),
		batchv1.SchemeGroupVersion.WithKind("Job"),
		batchv1.SchemeGroupVersion.WithKind("CronJob"),
	}
}

// newAPI makes an empty typed object of a modelled kind, nil of any other.
func newAPI(gvk schema.GroupVersionKind) runtime.Object {
	switch gvk {
	case corev1.SchemeGroupVersion.WithKind("Namespace"):
		return &corev1.Namespace{}
	case corev1.SchemeGroupVersion.WithKind("Pod"):
		return &corev1.Pod{}
	case networkingv1.SchemeGroupVersion.WithKind("NetworkPolicy"):
		return &networkingv1.NetworkPolicy{}
	case appsv1.SchemeGroupVersion.WithKind("Deployment"):
		return &appsv1.Deployment{}
	case appsv1.SchemeGroupVersion.WithKind("StatefulSet"):
		return &appsv1.StatefulSet{}
	case appsv1.SchemeGroupVersion.WithKind("DaemonSet"):
		return &appsv1.DaemonSet{}
	case appsv1.SchemeGroupVersion.WithKind("ReplicaSet"):
		return &appsv1.ReplicaSet{}
	case corev1.SchemeGroupVersion.WithKind("ReplicationController"):
		return &corev1.ReplicationController{}
	case batchv1.SchemeGroupVersion.WithKind("Job"):
		return &batchv1.Job{}
	case batchv1.SchemeGroupVersion.WithKind("CronJob"):
		return &batchv1.CronJob{}
	}
	return nil
}

// mistaken explains a kind that looks like a modelled one but is none: an API
// version that is no longer served, or a misspelling. It is empty for kinds that
// the model has no use for.
func (l *loader) mistaken(gvk schema.GroupVersionKind) string {
	if !builtin(gvk.Group) {
		for _, m := range l.kinds() {
			if m.Kind == gvk.Kind && near(gvk.Group, m.Group) {
				return fmt.Sprintf("there is no apiVersion %s; did you mean %s?", gvk.GroupVersion(), m.GroupVersion())
			}
		}
		return ""
	}
	for _, m := range l.kinds() {
		switch {
		case gvk.Kind == m.Kind && (gvk.Group == m.Group || gvk.Group == "extensions"):
			return fmt.Sprintf("apiVersion %s of %s is no longer served: use %s", gvk.GroupVersion(), gvk.Kind, m.GroupVersion())
		case gvk.Kind == m.Kind:
			return fmt.Sprintf("apiVersion %s has no kind %s: use %s", gvk.GroupVersion(), gvk.Kind, m.GroupVersion())
		case near(gvk.Kind, m.Kind):
			return fmt.Sprintf("apiVersion %s has no kind %q; did you mean %s?", gvk.GroupVersion(), gvk.Kind, m.Kind)
		}
	}
	return ""
}

// builtin tells whether an API group can be one of Kubernetes itself: custom
// resources live in groups with a dot, and *.k8s.io is reserved.
func builtin(group string) bool {
	return !strings.Contains(group, ".") || strings.HasSuffix(group, ".k8s.io")
}
