package guardrail

import (
	"slices"

	"github.com/podcullis/podcullis/cluster"
)

// judges tells whether a guardrail is about objects of a kind of the model. One that
// judges the workloads of Kubernetes judges those of other APIs, too: they make pods
// as well.
func (g *Guardrail) judges(kind string) bool {
	return len(g.Kinds) == 0 || slices.Contains(g.Kinds, kind) || cluster.IsCustomKind(kind) && g.judgesWorkloads()
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
	kind := r.kind()
	if _, ok := anyOf(r.Change).(*cluster.Template); ok {
		return g.judges(kind)
	}
	return len(g.Kinds) == 0 || slices.Contains(g.Kinds, kind)
}

func anyOf(c cluster.Change) cluster.Object {
	if c.After != nil {
		return c.After
	}
	return c.Before
}
