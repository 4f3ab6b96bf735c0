package guardrail

import (
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/podcullis/podcullis/cluster"
)

// coversWorkload tells whether a match names the object under review or the workload
// that it counts to; one that names none covers all. A pod is covered by its workload
// only: one that is relabelled away from it is exempt no more.
func (m *Match) coversWorkload(r *Review) bool {
	if len(m.Workloads) == 0 {
		return true
	}
	if anyOf(r.Change) == nil {
		return false
	}
	ref, cluster := r.Change.Ref(), r.After
	if r.Change.After == nil {
		cluster = r.Before
	}
	if w, ok := cluster.WorkloadOf(ref); ok && m.namesWorkload(w.Ref) {
		return true
	}
	return ref.Kind != "Pod" && m.namesWorkload(ref)
}

func (m *Match) namesWorkload(ref cluster.Ref) bool {
	return slices.ContainsFunc(m.Workloads, func(w string) bool {
		kind, name, found := strings.Cut(w, "/")
		if !found {
			kind, name = ref.Kind, w
		}
		return kind == ref.Kind && name == ref.Name
	})
}

func (v *configValidator) checkWorkload(text string, path []any) {
	kind, name, found := strings.Cut(text, "/")
	if !found {
		name = kind
	}
	if found && kind == "" || len(validation.IsDNS1123Subdomain(name)) > 0 {
		v.at(path, "%q is not the name of a workload, or kind/name such as DaemonSet/node-exporter: there are no patterns here", text)
	}
}
