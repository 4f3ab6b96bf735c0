package guardrail

import (
	"context"
	"slices"

	"github.com/podcullis/podcullis/cluster"
)

// InForce are the guardrails of one moment: a reload does not change them.
type InForce struct {
	set  *ruleset
	lane *lane
	// instances are those that can judge what nobody asks about.
	instances []*instance
	// yields is set for who is on nobody's way: see InBackground.
	yields bool
	// most, when set, bounds how many answers of a question are looked at: see Counting.
	most int
}

// Counting are the same for who wants to know how much they would report and not each of it:
// no question has more answers looked at than a rule may report.
func (f InForce) Counting() InForce {
	f.most = maxReported
	return f
}

// InBackground are the same for questions whose answers nobody waits for: they take short
// turns only, however long they go on.
func (f InForce) InBackground() InForce {
	f.yields = true
	return f
}

// InForce are the guardrails as they are now.
func (e *Engine) InForce() InForce {
	f := InForce{set: e.current.Load(), lane: e.lane}
	for _, i := range f.set.byUrgency {
		if !i.readsRequest {
			f.instances = append(f.instances, i)
		}
	}
	return f
}

// Judging lists the names of the guardrails that judge in hindsight, in order of the
// configuration, and those that cannot: they read the object as sent, or who sends it.
func (f InForce) Judging() (names, blind []string) {
	for _, i := range f.set.instances {
		if i.readsRequest {
			blind = append(blind, i.Name)
		} else {
			names = append(names, i.Name)
		}
	}
	return names, blind
}

// Excludes reports whether nobody judges the objects of a namespace at admission.
func (f InForce) Excludes(namespace string) bool {
	return slices.Contains(f.set.config.Exclude.Namespaces, namespace)
}

// EvaluateInHindsight judges changes that have happened: what before and after differ in,
// each time as if the change of the review had been asked for. It differs from Evaluate in
// that objects of excluded namespaces are judged, too, and that guardrails which read the
// request are not asked. No fixes are tried (netpol.fix): that takes longer than all else,
// and Word does it for what is told.
func (f InForce) EvaluateInHindsight(ctx context.Context, before, after *cluster.Snapshot, believed bool, reviews []Review) ([]Decision, error) {
	return f.hindsight(ctx, f.world(before, after, believed, true), reviews, func(*instance, *Review) bool { return true })
}

// Word is EvaluateInHindsight with the advice that admission would give.
func (f InForce) Word(ctx context.Context, before, after *cluster.Snapshot, reviews []Review) ([]Decision, error) {
	return f.hindsight(ctx, f.world(before, after, false, false), reviews, func(*instance, *Review) bool { return true })
}

func (f InForce) world(before, after *cluster.Snapshot, believed, unfixed bool) func(*turn) *world {
	return func(t *turn) *world {
		w := f.set.world(t, before, after)
		w.options.Believed, w.unfixed, w.apart = believed, unfixed, true
		if f.most > 0 {
			w.options.Limit, w.most = f.most, f.most
		}
		return w
	}
}

// Survey is EvaluateInHindsight for many changes: what they did together shows beside each
// of them, so each guardrail is asked beside one change of a kind and operation only.
func (f InForce) Survey(ctx context.Context, before, after *cluster.Snapshot, reviews []Review) ([]Decision, error) {
	type question struct {
		*instance
		kind, operation string
	}
	asked := map[question]bool{}
	return f.hindsight(ctx, f.world(before, after, false, true), reviews, func(i *instance, r *Review) bool {
		q := question{i, r.kind(), string(r.Request.Operation)}
		if asked[q] {
			return false
		}
		applies, err := i.applies(r, &input{review: r})
		asked[q] = err == nil && applies
		return true
	})
}

func (f InForce) hindsight(ctx context.Context, world func(*turn) *world, reviews []Review, want func(*instance, *Review) bool) ([]Decision, error) {
	t := f.lane.newTurn(ctx)
	defer t.end()
	if f.yields {
		t.inBackground()
	}
	w := world(t)
	out := make([]Decision, 0, len(reviews))
	var errs Unanswered
	for n := range reviews {
		r := &reviews[n]
		r.Before, r.After = w.before, w.after
		var instances []*instance
		for _, i := range f.instances {
			if want(i, r) {
				instances = append(instances, i)
			}
		}
		d, err := f.set.ask(ctx, r, given(w), instances)
		errs.Add(r.Subject(), err)
		for _, failure := range d.Failures {
			errs.Add(r.Subject(), failure)
		}
		out = append(out, d)
	}
	return out, errs.Err()
}

// Stance tells how the guardrail of a violation looks at a change, whatever it would say:
// whether it judges it, and whether the change is exempt.
func (f InForce) Stance(v Violation, r Review) (judges, exempt bool) {
	at := slices.IndexFunc(f.instances, func(i *instance) bool { return i.Name == v.Guardrail })
	if at < 0 {
		return false, false
	}
	applies, err := f.instances[at].applies(&r, &input{review: &r})
	_, exempt = f.set.exemption(f.instances[at], &r, &v)
	return err != nil || applies, exempt
}
