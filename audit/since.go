package audit

import (
	"bytes"
	"context"
	"errors"
	"time"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/guardrail"
)

// Earlier is what was there before.
type Earlier struct {
	Items    []Item
	Snapshot *cluster.Snapshot
}

// ExamineSince is Examine for a change from what was there before: only what the whole
// change opens, closes or leaves without isolation counts, and of a guardrail that reads
// the object as sent only what it says about objects that differ. Nil is the empty
// cluster.
func ExamineSince(ctx context.Context, e Evaluator, was *Earlier, items []Item, snapshot *cluster.Snapshot, origin guardrail.Origin, now time.Time) (Report, error) {
	if was == nil {
		return Examine(ctx, e, items, snapshot, origin, now)
	}
	found, err := examine(ctx, e, was, items, snapshot, origin, now)
	if err != nil {
		return found, err
	}
	// Compared with itself what was there opens nothing: what is said all the same is
	// said of the objects as they are written.
	standing, err := examine(ctx, e, was, was.Items, was.Snapshot, origin, now)
	if err != nil && !errors.Is(err, ErrNothing) {
		return found, err
	}
	before := map[cluster.Ref]*Item{}
	for i := range was.Items {
		before[was.Items[i].Ref()] = &was.Items[i]
	}
	same := map[cluster.Ref]bool{}
	for i := range items {
		if old := before[items[i].Ref()]; old != nil {
			same[items[i].Ref()] = bytes.Equal(old.JSON, items[i].JSON)
		}
	}
	said := map[Finding]bool{}
	for _, f := range standing.Findings {
		said[keyOf(f)] = true
	}
	for _, x := range standing.Exempted {
		said[keyOf(x.Finding)] = true
	}
	old := func(f Finding) bool { return same[f.Object] && said[keyOf(f)] }
	found.Findings = once(without(found.Findings, old), same)
	found.Exempted = without(found.Exempted, func(x Exempted) bool { return old(x.Finding) })
	return found, nil
}

// once keeps one of the findings that say the same about the same path: what the whole
// change does shows with each of its objects. It stays with a netpol that differs, if
// there is one.
func once(findings []Finding, same map[cluster.Ref]bool) []Finding {
	rank := func(f Finding) int {
		switch {
		case same[f.Object]:
			return 2
		case f.Object.Kind != "NetworkPolicy":
			return 1
		}
		return 0
	}
	best := map[string]Finding{}
	for _, f := range findings {
		if key := pathKey(f); key != "" {
			if known, ok := best[key]; !ok || rank(f) < rank(known) {
				best[key] = f
			}
		}
	}
	return without(findings, func(f Finding) bool {
		key := pathKey(f)
		return key != "" && best[key].Object != f.Object
	})
}

// pathKey is equal for findings about the same path; empty for one about no path.
func pathKey(f Finding) string {
	details, _ := f.Details.(map[string]any)
	if details["from"] == nil || details["to"] == nil {
		return ""
	}
	return f.Guardrail + "\n" + string(f.Action) + "\n" + f.WithoutAdvice()
}

// keyOf is a finding without what cannot be compared.
func keyOf(f Finding) Finding {
	f.Details = nil
	f.Message = f.WithoutAdvice()
	return f
}

func without[T any](list []T, drop func(T) bool) []T {
	var out []T
	for _, x := range list {
		if !drop(x) {
			out = append(out, x)
		}
	}
	return out
}
