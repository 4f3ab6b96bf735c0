package ledger

import (
	"slices"

	"github.com/podcullis/podcullis/cluster"
)

// Skips reports whether a pod's creation needs no entry: it belongs to a template that
// is there, that no change in flight touches, and that stands for pods like it. Whoever
// judges something else takes the template's pods to be there. A pod of the same sort
// that is there proves nothing: it may be gone by then, and nobody announces that.
//
// after is the snapshot with the pod. It may be as old as the model allows: the pods
// of a template that is gone are expected (Appear) for that long, too.
func Skips(after *cluster.Snapshot, pod *cluster.Pod, v View) bool {
	for _, t := range after.TemplatesOf(pod.Namespace, pod.Name) {
		if t.Makes(pod) && !slices.ContainsFunc(v.Entries, func(e Entry) bool { return e.Ref == t.Ref() && e.Operation != Appear }) {
			return true
		}
	}
	return false
}
