package rounds

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/guardrail"
)

// stock is what some guardrails find, namespace by namespace, and of which snapshot that is
// true. It is brought up to date where something has changed.
type stock struct {
	rules    guardrail.InForce
	snapshot *cluster.Snapshot // nil before everything was judged once
	expired  string            // the exemptions that had expired then
	spaces   map[string]*findings
	prints   int // that are held
	looked   int // how many namespaces the last update looked at; 0 for all
}

// tell hears of each violation that is found, with its fingerprint.
type tell func(v guardrail.Violation, o cluster.Object, namespace, print string)

// update makes it one of another snapshot. local is set where the guardrails allow for
// looking at some namespaces only. On an error what was known is kept, and what was found
// all the same is returned beside it.
func (k *stock) update(ctx context.Context, s *cluster.Snapshot, local bool, now time.Time, tell tell) (partly map[string]*findings, err error) {
	if k.rules.None() {
		*k = stock{rules: k.rules, snapshot: s}
		return nil, nil
	}
	var within map[string]bool
	expired := expiredOf(k.rules, now)
	if local && k.snapshot != nil && expired == k.expired {
		if within, err = k.touched(ctx, s); err != nil {
			return nil, err
		}
	}
	fresh, held := map[string]*findings{}, k.prints
	for namespace := range k.spaces {
		if within == nil || within[namespace] {
			held -= len(k.spaces[namespace].prints)
		}
	}
	err = k.rules.Inventory(ctx, s, within, inventory(s, within, now), func(r *guardrail.Review, d guardrail.Decision) {
		if len(d.Violations)+len(d.Exempted) == 0 {
			return
		}
		namespace := r.Request.Namespace
		f := fresh[namespace]
		if f == nil {
			f = newFindings()
			fresh[namespace] = f
		}
		f.exempted += len(d.Exempted)
		for _, v := range d.Violations {
			ref := r.Change.After.Ref()
			print := v.Fingerprint(ref)
			room := held < maxPrints && !f.prints[print]
			if room {
				held++
			}
			f.add(ref, v, print, room)
			if tell != nil && held < maxPrints {
				tell(v, r.Change.After, namespace, print)
			}
		}
	})
	if err != nil {
		return fresh, err
	}
	if within == nil {
		k.spaces = fresh
	} else {
		k.spaces = maps.Clone(k.spaces)
		for namespace := range within {
			if delete(k.spaces, namespace); fresh[namespace] != nil {
				k.spaces[namespace] = fresh[namespace]
			}
		}
	}
	k.snapshot, k.expired, k.prints, k.looked = s, expired, held, len(within)
	return nil, nil
}

// touched are the namespaces to look at; nil for all.
func (k *stock) touched(ctx context.Context, s *cluster.Snapshot) (map[string]bool, error) {
	changed := map[string]bool{}
	for _, c := range s.ChangesSince(k.snapshot) {
		if c.Idle() {
			continue
		}
		ref := c.Ref()
		if _, foreign := objectOf(c).(*cluster.Foreign); foreign {
			return nil, nil // it may concern everybody
		}
		if ref.Kind == "Namespace" {
			ref.Namespace = ref.Name
		}
		changed[ref.Namespace] = true
	}
	// What a namespace leaves behind keeps its labels: one that came and went between two
	// rounds is no change, and its labels are known since.
	for _, ns := range s.Since(k.snapshot).Namespaces {
		if ns.Relabelled {
			changed[ns.Name] = true
		}
	}
	all := 0
	for range s.Namespaces() {
		all++
	}
	if 2*len(changed) > all {
		return nil, nil
	}
	touched, err := k.rules.Touched(ctx, k.snapshot, s, changed)
	if 2*len(touched) > all {
		return nil, err
	}
	return touched, err
}

func (k *stock) knows(namespace, print string) bool {
	f := k.spaces[namespace]
	return f != nil && f.prints[print]
}

func objectOf(c cluster.Change) cluster.Object {
	if c.After != nil {
		return c.After
	}
	return c.Before
}

// expiredOf names the exemptions that exempt nothing any more: when another one does not, it
// is as if the guardrails were others.
func expiredOf(rules guardrail.InForce, now time.Time) string {
	var names []string
	for _, x := range rules.Exemptions() {
		if x.Expired(now) {
			names = append(names, x.Name)
		}
	}
	slices.Sort(names)
	return strings.Join(names, " ")
}
