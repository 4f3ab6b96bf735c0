package webhook

import (
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/podcullis/podcullis/cluster/wire"
)

// Asked reports whether the chart registers the webhook for objects of a kind, beside what
// extraWorkloads adds.
func Asked(k schema.GroupKind) bool {
	return slices.ContainsFunc(wire.Kinds(), func(ours metav1.GroupVersionKind) bool {
		return ours.Group == k.Group && ours.Kind == k.Kind && (ours.Group != "" || ours.Kind != "Service") && ours.Kind != "Ingress"
	})
}

// Resources are the resources that have to be registered, as group/resource[/subresource]:
// all by which what the model is made of can be written, with every subresource by
// which labels can change, or owners. Each needs CREATE, UPDATE and DELETE, in
// API version v1.
func Resources() []string {
	return []string{
		"/pods", "/pods/status", "/pods/binding", "/bindings",
		"/namespaces", "/namespaces/status", "/namespaces/finalize",
		"networking.k8s.io/networkpolicies",
		"apps/deployments", "apps/deployments/status", "apps/statefulsets", "apps/statefulsets/status",
		"apps/daemonsets", "apps/daemonsets/status", "apps/replicasets", "apps/replicasets/status",
		"/replicationcontrollers", "/replicationcontrollers/status",
		"batch/jobs", "batch/jobs/status", "batch/cronjobs", "batch/cronjobs/status",
	}
}
