package cluster

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// NewCustom makes the template of an object of a kind that FromAPI does not know
// but that has the pod template in it: an Argo Rollout, an OpenShift
// DeploymentConfig, a Knative Service. It is a workload of its own kind.
func NewCustom(gk schema.GroupKind, meta *metav1.ObjectMeta, t *corev1.PodTemplateSpec) *Template {
	return newTemplate(CustomKind(gk), meta, t)
}

// CustomKind is by which kind the model knows objects of another group: the kind
// alone where it tells enough, and with the group where it is the name of a kind of
// Kubernetes itself. The StatefulSet of OpenKruise is not that of apps.
func CustomKind(gk schema.GroupKind) string {
	if group, ok := ownKinds[gk.Kind]; ok && group != gk.Group {
		return gk.String()
	}
	return gk.Kind
}

// IsCustomKind reports whether a kind of the model is not one of Kubernetes itself.
func IsCustomKind(kind string) bool {
	_, own := ownKinds[kind]
	return !own
}

// ownKinds are the kinds of Kubernetes that the model holds, with their group.
var ownKinds = map[string]string{
	"Namespace": "", "Pod": "", "ReplicationController": "", "NetworkPolicy": "networking.k8s.io",
	"Deployment": "apps", "StatefulSet": "apps", "DaemonSet": "apps", "ReplicaSet": "apps",
	"Job": "batch", "CronJob": "batch",
}
