package connectivity

import (
	"maps"
	"slices"

	"github.com/podcullis/podcullis/cluster"
)

// predecessors are the workloads that w was before: the one of the same name,
// and those that its pods belonged to. A pod that is relabelled away from its
// Deployment, and so stands alone, was that Deployment.
func predecessors(before *cluster.Snapshot, w *cluster.Workload) []*cluster.Workload {
	var out []*cluster.Workload
	if same, ok := before.Workload(w.Ref); ok {
		if same == w {
			return []*cluster.Workload{w}
		}
		out = append(out, same)
	}
	for _, v := range w.Variants {
		for _, pod := range v.Pods {
			p, ok := before.WorkloadOf(cluster.Ref{Namespace: w.Namespace, Kind: "Pod", Name: pod})
			if ok && !slices.Contains(out, p) {
				out = append(out, p)
			}
		}
	}
	return out
}

func equalLabels(a, b *cluster.Variant) bool { return maps.Equal(a.Labels, b.Labels) }
