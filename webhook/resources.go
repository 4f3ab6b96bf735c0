package webhook

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
