package audit

import (
	"context"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/guardrail"
	"github.com/podcullis/podcullis/remedy"
)

// maxAdvised is for how many objects an edit is looked for: it takes many evaluations.
// For the others the guardrails' own advice stands.
const maxAdvised = 8

// advise says how to change an object so that nothing denies it: what admission would
// say if all else were there and it came last. It is empty where nothing was found.
func advise(ctx context.Context, e Evaluator, r guardrail.Review, d guardrail.Decision, sought *int) string {
	judge, ok := e.(remedy.Evaluator)
	if !ok || !d.Denied() || *sought == maxAdvised {
		return ""
	}
	*sought++
	without, err := r.After.Apply(cluster.Change{Before: r.Change.After})
	if err != nil {
		return ""
	}
	r.Before, r.Origin = without, guardrail.Admission
	if d, err = judge.Evaluate(ctx, r); err != nil || !d.Denied() {
		return ""
	}
	return remedy.Advise(ctx, judge, r, d)
}
