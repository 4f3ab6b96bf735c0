package manifest

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	strictjson "sigs.k8s.io/json"

	"github.com/podcullis/podcullis/cluster"
)

// foreignPolicy tells whether a kind is a policy of another API. One that only
// looks so is a misspelt NetworkPolicy first.
func (l *loader) foreignPolicy(gvk schema.GroupVersionKind) bool {
	if !cluster.IsForeign(gvk.Group, gvk.Kind) {
		return false
	}
	known, _ := cluster.ForeignKindOf(gvk.Group, gvk.Kind)
	return known.Resource != "" || l.mistaken(gvk) == ""
}

// foreign keeps an object of a policy API that the model does not understand:
// only that it is there. Of a kind that nobody knows it is not known either whether
// it lives in a namespace: without one it counts for all.
func (l *loader) foreign(d document, gvk schema.GroupVersionKind) {
	var meta metav1.PartialObjectMetadata
	var problems []problem
	if err := strictjson.UnmarshalCaseSensitivePreserveInts(d.json, &meta); err != nil {
		problems = decode(d.json, &meta)
	} else {
		problems = checkMeta(&meta, true)
	}
	known, _ := cluster.ForeignKindOf(gvk.Group, gvk.Kind)
	namespace := meta.Namespace
	switch {
	case known.Namespaced:
		namespace = l.settle(&meta)
	case known.Resource != "":
		namespace = "" // where the file has one, the API server takes no notice
	}
	if len(problems) > 0 {
		l.problems(d, gvk, namespace, &meta, problems)
		return
	}
	if !known.Says(nameOf(&meta)) {
		l.skip(d, gvk)
		return
	}
	l.keep(d, Object{
		GroupVersionKind: gvk, Namespace: namespace, Name: nameOf(&meta),
		Model: &cluster.Foreign{Group: gvk.Group, Kind: gvk.Kind, Namespace: namespace, Name: nameOf(&meta)},
	})
}
