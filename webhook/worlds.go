package webhook

import (
	"context"
	"errors"
	"fmt"
	"iter"
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
	entry, err := j.entryOf(r, change)
	if err != nil {
		return verdict{decision: v.decision, err: err, code: http.StatusBadRequest}
	}
	if v.refuses() {
		return j.orHelped(ctx, r, before, change, v, entry, view)
	}
	worlds, err := j.worlds(view, entry)
	switch {
	case errors.Is(err, ledger.ErrTooMany):
		return undecided(v, dependence{sequence: view.Sequence}, err)
	case err != nil:
		return notWritten(v, err)
	}
	for world := range worlds {
		if len(world) == 0 {
			continue // judged already
		}
		x, err := j.inWorld(ctx, r, before, change, entry, world)
		switch {
		case errors.Is(err, errUnclear):
			return undecided(v, dependence{on: world, sequence: view.Sequence}, nil)
		case err != nil:
			return verdict{decision: v.decision, err: err, code: http.StatusInternalServerError}
		case x.err != nil:
			return x
		case x.refuses():
			refused := func(world []ledger.Entry) bool {
				x, err := j.inWorld(ctx, r, before, change, entry, world)
				return err != nil || x.refuses()
			}
			return undecided(v, dependence{on: fewestEntries(world, refused), sequence: view.Sequence}, nil)
		}
	}
	return v
}

// orHelped is a denial, or that it depends: what is in flight may be what the change
// lacks, as the default-deny that was applied a moment before the Deployment.
func (j *Judge) orHelped(ctx context.Context, r *admission.Request, before *cluster.Snapshot, change cluster.Change, v verdict, own ledger.Entry, view ledger.View) verdict {
	var others []ledger.Entry
	for _, e := range view.Entries {
		if e.Ref != own.Ref && e.Operation != ledger.Appear && e.Operation != ledger.Barrier && !e.Opaque {
			others = append(others, e)
		}
	}
	passes := func(world []ledger.Entry) bool {
		x, err := j.inWorld(ctx, r, before, change, own, world)
		return err == nil && !x.refuses()
	}
	if len(others) == 0 || !passes(others) {
		return v
	}
	return undecided(v, dependence{on: fewestEntries(others, passes), sequence: view.Sequence}, nil)
}

func (j *Judge) worlds(view ledger.View, own ledger.Entry) (iter.Seq[[]ledger.Entry], error) {
	if j.Everywhere != nil && j.Everywhere() {
		return ledger.AllWorlds(view.Entries, own)
	}
	return view.Worlds(own)
}

// isOneOfMany reports whether a change is the creation of a pod for which its template,
// which is there, has been judged: by itself, and with all that is in flight.
func (j *Judge) isOneOfMany(after *cluster.Snapshot, change cluster.Change, view ledger.View) bool {
	p, ok := change.After.(*cluster.Pod)
	return ok && change.Before == nil && j.Ledger != nil && ledger.Skips(after, p, view)
}

// errUnclear is that nobody can tell what a change in flight does.
var errUnclear = errors.New("an object in flight is too large to be known")

// inWorld judges a change in one world.
func (j *Judge) inWorld(ctx context.Context, r *admission.Request, before *cluster.Snapshot, change cluster.Change, own ledger.Entry, world []ledger.Entry) (verdict, error) {
	for _, e := range world {
		if e.Opaque && !boundedBy(change, own, e) {
			return verdict{}, errUnclear
		}
	}
	with, err := j.happened(before, world)
	if err != nil {
		return verdict{}, err
	}
	if own.Operation == ledger.Bind {
		change, err = bindingChange(&r.AdmissionRequest, with)
		switch {
		case errors.Is(err, errNotSeenYet):
			return verdict{}, nil // there is nothing to bind in that world
		case err != nil:
			return verdict{}, err
		}
	} else if change, err = overlaid(change, own, world); err != nil {
		return verdict{}, err
	}
	if change.Idle() {
		return verdict{}, nil
	}
	return j.evaluate(ctx, r, with, change), nil
}

// boundedBy reports whether an unknown netpol can be taken for one that lets everybody
// through: for a netpol elsewhere, it is then only the own side of each path that decides.
func boundedBy(change cluster.Change, own, unknown ledger.Entry) bool {
	return own.Ref.Kind == "NetworkPolicy" && unknown.Ref.Kind == "NetworkPolicy" && own.Place() != unknown.Place()
}

// overlaid is a change of a pod that is bound in that world: the labels of the Binding
// are laid over whatever the pod is by then.
func overlaid(change cluster.Change, own ledger.Entry, world []ledger.Entry) (cluster.Change, error) {
	for _, e := range world {
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

// fewestEntries leaves out the entries that make no difference.
func fewestEntries(world []ledger.Entry, holds func([]ledger.Entry) bool) []ledger.Entry {
	const tries = 8 // each is an evaluation
	for _, e := range world[:min(tries, len(world))] {
		rest := slices.DeleteFunc(slices.Clone(world), func(o ledger.Entry) bool { return sameEntry(o, e) })
		if len(rest) > 0 && len(rest) < len(world) && holds(rest) {
			world = rest
		}
	}
	return world
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
		return r.Kind + " " + r.Name
	}
	return r.Kind + " " + r.Namespace + "/" + r.Name
}
