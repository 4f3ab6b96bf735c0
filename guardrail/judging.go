package guardrail

import (
	"slices"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/podcullis/podcullis/cluster"
)

// judges tells whether a guardrail is about objects of a kind of the model. One that
// judges the workloads of Kubernetes judges those of other APIs, too: they make pods
// as well.
func (g *Guardrail) judges(k schema.GroupKind) bool {
	group, modelled := home(k.Kind)
	custom := !modelled || group != k.Group
	return len(g.Kinds) == 0 || g.Kinds.names(k) || custom && g.judgesWorkloads()
}

func (g *Guardrail) judgesWorkloads() bool {
	for _, kind := range []string{"Deployment", "StatefulSet", "DaemonSet"} {
		if !slices.Contains(g.Kinds, kind) {
			return false
		}
	}
	return true
}

// judgesReview is judges for what is under review. What makes no pods is judged only
// by its kind: the policies of other APIs are in the model, too.
func (g *Guardrail) judgesReview(r *Review) bool {
	if _, ok := anyOf(r.Change).(*cluster.Template); ok {
		return g.judges(r.groupKind())
	}
	return len(g.Kinds) == 0 || g.Kinds.names(r.groupKind())
}

func anyOf(c cluster.Change) cluster.Object {
	if c.After != nil {
		return c.After
	}
	return c.Before
}
