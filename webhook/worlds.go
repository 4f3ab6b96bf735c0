package webhook

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/guardrail"
	"github.com/podcullis/podcullis/ledger"
)

// dependence is that an answer depends on changes in flight.
type dependence struct {
	// on are the entries that make the difference; nil when there are too many to tell.
	on []ledger.Entry
	// sequence is that of the ledger when it was asked.
	sequence uint64
}

// considered is a change with what it is judged by.
type considered struct {
	r      *admission.Request
	change cluster.Change
	own    ledger.Entry
	// before is the cluster without anything in flight.
	before *cluster.Snapshot
}

// inWorlds judges a change in the cluster as it is, and then in every world in which
// some of the changes in flight have happened, before it and after it alike: two changes,
// each harmless alone, can open a path together. What is refused as things are is
// refused; what is refused only in some world depends on what happens there.
func (j *Judge) inWorlds(ctx context.Context, r *admission.Request, before *cluster.Snapshot, change cluster.Change, view ledger.View) verdict {
	before, err := standing(before, change, view.Entries)
	if err != nil {
		return verdict{decision: guardrail.Decision{Subject: requestSubject(r)}, err: err, code: http.StatusInternalServerError}
	}
	v := j.evaluate(ctx, r, before, change)
	if v.err == nil && !v.refuses() && j.isOneOfMany(v.after, change, view) {
		v.oneOfMany = true
		return v
	}
	if v.err != nil || len(view.Entries) == 0 {
		return v
	}
	own, err := j.entryOf(r, change)
	if err != nil {
		return verdict{decision: v.decision, err: err, code: http.StatusBadRequest}
	}
	c := considered{r: r, change: change, own: own, before: before}
	if v.refuses() {
		return j.orHelped(ctx, c, v, view)
	}
	worlds, err := j.worlds(view, c)
	switch {
	case errors.Is(err, ledger.ErrTooMany):
		return undecided(v, dependence{sequence: view.Sequence}, err)
	case err != nil:
		return notWritten(v, err)
	}
	for _, w := range worlds {
		x, err := j.inWorld(ctx, c, w)
		switch {
		case err != nil:
			return verdict{decision: v.decision, err: err, code: http.StatusInternalServerError}
		case x.err != nil:
			return x
		case x.refuses():
			return undecided(v, dependence{on: j.whatMatters(ctx, c, w), sequence: view.Sequence}, nil)
		}
	}
	return v
}

// orHelped is a denial, or that it depends: what is in flight may be what the change
// lacks, as the default-deny that was applied a moment before the Deployment.
func (j *Judge) orHelped(ctx context.Context, c considered, v verdict, view ledger.View) verdict {
	var others []ledger.Entry
	for _, e := range view.Entries {
		if e.Ref != c.own.Ref && e.Operation != ledger.Appear && e.Operation != ledger.Barrier && !e.Opaque {
			others = append(others, e)
		}
	}
	passes := func(entries []ledger.Entry) bool {
		x, err := j.inWorld(ctx, c, world{happened: entries})
		return err == nil && !x.refuses()
	}
	if len(others) == 0 || !passes(others) {
		return v
	}
	return undecided(v, dependence{on: fewestEntries(others, passes), sequence: view.Sequence}, nil)
}

// isOneOfMany reports whether a change is the creation of a pod for which its template,
// which is there, has been judged: by itself, and with all that is in flight.
func (j *Judge) isOneOfMany(after *cluster.Snapshot, change cluster.Change, view ledger.View) bool {
	p, ok := change.After.(*cluster.Pod)
	return ok && change.Before == nil && j.Ledger != nil && ledger.Skips(after, p, view)
}

// inWorld judges a change in one world.
func (j *Judge) inWorld(ctx context.Context, c considered, w world) (verdict, error) {
	with, err := j.happened(c.before, w.happened)
	if err != nil {
		return verdict{}, err
	}
	least := unclear(c.own, w.happened)
	for _, u := range least {
		if with, err = with.Apply(cluster.Change{After: u.Before}); err != nil {
			return verdict{}, err
		}
	}
	if with, err = j.join(with, w.company); err != nil {
		return verdict{}, err
	}
	if with, err = j.formed(with, w.created, w.shape, c.own.Place()); err != nil {
		return verdict{}, err
	}
	change := c.change
	if c.own.Operation == ledger.Bind {
		change, err = bindingChange(&c.r.AdmissionRequest, with)
		switch {
		case errors.Is(err, errNotSeenYet):
			return verdict{}, nil // there is nothing to bind in that world
		case err != nil:
			return verdict{}, err
		}
	} else if change, err = overlaid(change, c.own, w.happened); err != nil {
		return verdict{}, err
	}
	if change.Idle() {
		return verdict{}, nil
	}
	return j.evaluate(ctx, c.r, with, change, least...), nil
}

// unclear are changes of netpols that are too large for the ledger, from the least to
// the most that each may let through: nobody knows what it does, so that the change is
// judged from the former to the latter. Where one has no part in the own side of a path,
// as a netpol elsewhere in that of a netpol, the most is enough before and after.
func unclear(own ledger.Entry, entries []ledger.Entry) []cluster.Change {
	var out []cluster.Change
	for _, e := range entries {
		elsewhere := own.Ref.Kind == "NetworkPolicy" && own.Place() != e.Place()
		if e.Opaque && !elsewhere {
			out = append(out, cluster.Change{Before: nothing(e.Ref), After: anything(e.Ref)})
		}
	}
	return out
}

// overlaid is a change of a pod that is bound in that world: the labels of the Binding
// are laid over whatever the pod is by then.
func overlaid(change cluster.Change, own ledger.Entry, entries []ledger.Entry) (cluster.Change, error) {
	for _, e := range entries {
		after, ok := change.After.(*cluster.Pod)
		if e.Operation != ledger.Bind || e.Ref != own.Ref || !ok {
			continue
		}
		bound, err := bound(after, e)
		if err != nil {
			return change, err
		}
		change.After = bound
	}
	return change, nil
}

// standing is the cluster over which a change persists: with its object as it was
// reviewed, whatever the model has seen of it.
func standing(s *cluster.Snapshot, change cluster.Change, entries []ledger.Entry) (*cluster.Snapshot, error) {
	ref := change.Ref()
	now := current(s, ref)
	switch {
	case change.Before == nil:
		// It persists where there is none. If the model has one, and somebody is deleting
		// it, that is not there any more by then.
		if now != nil && slices.ContainsFunc(entries, func(e ledger.Entry) bool { return e.Ref == ref && deletesEntry(e) }) {
			return s.Apply(cluster.Change{Before: now})
		}
		return s, nil
	case now == change.Before || isGone(change.Before):
		return s, nil
	case now != nil && (cluster.Change{Before: now, After: change.Before}).Idle():
		return s, nil
	}
	return s.Apply(cluster.Change{Before: now, After: change.Before})
}

func deletesEntry(e ledger.Entry) bool {
	return e.Operation == ledger.Delete || e.Operation == ledger.DeleteCollection
}

func isGone(o cluster.Object) bool {
	p, ok := o.(*cluster.Pod)
	return ok && p.Gone
}

// whatMatters are the entries of a world because of which a change is refused there.
func (j *Judge) whatMatters(ctx context.Context, c considered, w world) []ledger.Entry {
	refused := func(x world) bool {
		v, err := j.inWorld(ctx, c, x)
		return err != nil || v.refuses()
	}
	// Of each sort none, if it is refused without; else as few as will do.
	for _, part := range []func(*world) *[]ledger.Entry{
		func(x *world) *[]ledger.Entry { return (*[]ledger.Entry)(&x.company) },
		func(x *world) *[]ledger.Entry { return &x.created },
		func(x *world) *[]ledger.Entry { return &x.happened },
	} {
		with := func(some []ledger.Entry) bool {
			x := w
			*part(&x) = some
			return refused(x)
		}
		if entries := *part(&w); len(entries) > 0 {
			if len(entries) < w.size() && with(nil) {
				*part(&w) = nil
			} else {
				*part(&w) = fewestEntries(entries, with)
			}
		}
	}
	return slices.Concat(w.happened, w.created, w.company)
}

// fewestEntries leaves out the entries that make no difference, first by halves.
func fewestEntries(entries []ledger.Entry, holds func([]ledger.Entry) bool) []ledger.Entry {
	const tries = 8 // each is an evaluation
	for len(entries) > 1 {
		half := len(entries) / 2
		if first := entries[:half]; holds(first) {
			entries = first
		} else if second := entries[half:]; holds(second) {
			entries = second
		} else {
			break
		}
	}
	for _, e := range entries[:min(tries, len(entries))] {
		rest := slices.DeleteFunc(slices.Clone(entries), func(o ledger.Entry) bool { return sameEntry(o, e) })
		if len(rest) > 0 && len(rest) < len(entries) && holds(rest) {
			entries = rest
		}
	}
	return entries
}

// sameEntry is about entries of one ledger at two times.
func sameEntry(a, b ledger.Entry) bool {
	return a.Ref == b.Ref && a.UID == b.UID && a.Base == b.Base && a.Operation == b.Operation && a.Digest == b.Digest
}

// undecided is the answer when it depends on whether changes in flight persist. why
// replaces the words for it, if it is set.
func undecided(v verdict, d dependence, why error) verdict {
	if why == nil {
		why = fmt.Errorf("the answer depends on %s; try again", nameEntries(d.on))
	}
	return verdict{
		decision:   guardrail.Decision{Subject: v.decision.Subject},
		err:        why,
		code:       http.StatusTooManyRequests,
		retryAfter: 1,
		depends:    &d,
	}
}

// nameEntries says which changes are in flight: "NetworkPolicy shop/allow, which was
// changed a moment ago and does not show yet".
func nameEntries(entries []ledger.Entry) string {
	const few = 4
	var names []string
	for _, e := range entries[:min(few, len(entries))] {
		names = append(names, subjectOf(e.Ref))
	}
	switch more := len(entries) - few; {
	case len(names) == 0:
		return "changes that do not show yet"
	case more > 0:
		return fmt.Sprintf("%s and %d more, which were changed a moment ago and do not show yet", strings.Join(names, ", "), more)
	case len(names) == 1:
		return names[0] + ", which was changed a moment ago and does not show yet"
	}
	return strings.Join(names[:len(names)-1], ", ") + " and " + names[len(names)-1] + ", which were changed a moment ago and do not show yet"
}

func subjectOf(r cluster.Ref) string {
	if r.Namespace == "" {
		return r.KindText() + " " + r.Name
	}
	return r.KindText() + " " + r.Namespace + "/" + r.Name
}
