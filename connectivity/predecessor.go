package connectivity

import (
	"slices"

	"github.com/podcullis/podcullis/cluster"
)

// predecessors are the workloads that w was before: the one of the same name,
// and those that its template and its pods belonged to. A pod that is relabelled
// away from its Deployment, and so stands alone, was that Deployment; so was a
// ReplicaSet that its Deployment's new labels leave behind.
func predecessors(before *cluster.Snapshot, w *cluster.Workload) []*cluster.Workload {
	var out []*cluster.Workload
	add := func(p *cluster.Workload, ok bool) {
		if ok && !slices.Contains(out, p) {
			out = append(out, p)
		}
	}
	add(before.Workload(w.Ref))
	if slices.Contains(out, w) {
		return out // nothing changed in its namespace
	}
	add(before.WorkloadOf(w.Ref))
	for _, v := range w.Variants {
		for _, pod := range v.Pods {
			add(before.WorkloadOf(cluster.Ref{Namespace: w.Namespace, Kind: "Pod", Name: pod}))
		}
	}
	return out
}
