package guardrail

import (
	"context"
	"errors"
	"iter"
	"slices"

	"github.com/podcullis/podcullis/cluster"
)

// Inventory judges what a snapshot holds, as audit does, by the guardrails that need no
// more than the model: each review is of one object as if it were created in an empty
// cluster. heed hears of each decision, and may take its time; the evaluations take turns
// with those of admission all the same. An error names what could not be judged; the rest
// is judged nevertheless, unless ctx has ended.
//
// With within, reviews are of the objects of these namespaces only, and the guardrails are
// Local ones: no more connections are looked at than these need.
func (f InForce) Inventory(ctx context.Context, s *cluster.Snapshot, within map[string]bool, reviews iter.Seq[Review], heed func(*Review, Decision)) error {
	t := f.lane.newTurn(ctx)
	defer t.end()
	t.inBackground()
	w := f.set.world(t, &cluster.Snapshot{}, s)
	w.options.Only = within
	var errs Unanswered
	for r := range reviews {
		if ctx.Err() != nil {
			return errors.Join(errs.Err(), context.Cause(ctx))
		}
		if slices.Contains(f.set.config.Exclude.Namespaces, r.namespace()) {
			continue
		}
		r.Before, r.After = w.before, w.after
		d, err := f.set.ask(ctx, &r, given(w), f.instances)
		for _, failure := range d.Failures {
			err = errors.Join(err, failure)
		}
		if errs.Len() < maxInventoryErrors {
			errs.Add(r.Subject(), err)
		}
		heed(&r, d)
		t.pause() // most reviews need no Rego, and nothing in them asks whose turn it is
	}
	return errs.Err()
}

// maxInventoryErrors bounds an error: one guardrail that is broken is so for each object.
const maxInventoryErrors = 10

// Exemptions lists the configured exemptions.
func (f InForce) Exemptions() []Exemption { return slices.Clone(f.set.config.Exemptions) }

// Same tells whether both are the guardrails of one moment.
func (f InForce) Same(o InForce) bool { return f.set == o.set }
