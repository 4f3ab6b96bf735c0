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
// say if all else were there and it came last, and of a netpol as if it had let nobody
// through before. It is empty where nothing was found.
func advise(ctx context.Context, e Evaluator, was *Earlier, r guardrail.Review, d guardrail.Decision, sought *int) string {
	judge, ok := e.(remedy.Evaluator)
	if !ok || !d.Denied() || *sought == maxAdvised || r.Change.After == nil {
		return ""
	}
	*sought++
	r.Change.Before = was.object(r.Change.After.Ref())
	without, err := r.After.Apply(cluster.Change{Before: r.Change.After, After: r.Change.Before})
	if err != nil {
		return ""
	}
	r.Before, r.Origin = without, guardrail.Admission
	if n, ok := r.Change.After.(*cluster.Netpol); ok && r.Change.Before == nil {
		if standing, ok := remedy.Standing(r.After, n); ok {
			r.Before = standing.Before
		}
	}
	if d, err = judge.Evaluate(ctx, r); err != nil || !d.Denied() {
		return ""
	}
	return remedy.Advise(ctx, judge, r, d)
}

// object is what an object was; nil for one that was not there.
func (e *Earlier) object(ref cluster.Ref) cluster.Object {
	for i := range e.Items {
		if o := e.Items[i].Object; o != nil && o.Ref() == ref {
			return o
		}
	}
	return nil
}
