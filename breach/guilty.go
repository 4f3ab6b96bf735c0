package breach

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/guardrail"
)

const (
	// maxEvaluations bounds how much one comparison tries out to find which changes it was.
	maxEvaluations = 400
	searchTime     = 3 * time.Second
	minSearch      = 500 * time.Millisecond
	// earlierTime and maxEarlier bound which changes of a while ago are looked at.
	earlierTime = 10 * time.Minute
	maxEarlier  = 16
)

// guilty are the fewest changes that make a violation: it is there with them, and without
// any of them it is not.
func (c *comparison) guilty(ctx context.Context, f found) []cluster.Change {
	if len(c.changes) == 1 {
		return c.changes
	}
	k := keyOf(f.Violation)
	makes := func(some []cluster.Change) bool { return c.makes(ctx, c.before, some, f.beside, k) }
	if near := c.close(f); len(near) < len(c.changes) && makes(near) {
		return fewest(near, makes)
	}
	return fewest(c.changes, makes)
}

// close are the changes in the namespaces of which a violation speaks; all, if there are none.
func (c *comparison) close(f found) []cluster.Change {
	var out []cluster.Change
	for _, change := range c.changes {
		if concerns(f.Violation, namespaceOf(change)) {
			out = append(out, change)
		}
	}
	if len(out) == 0 {
		return c.changes
	}
	return out
}

// earlier are the changes of a while ago without which the guilty ones would have done no
// harm: the netpol that waited for a label. They are found by taking each of them back.
func (c *comparison) earlier(ctx context.Context, f found, guilty []cluster.Change) []Cause {
	k := keyOf(f.Violation)
	named := map[cluster.Ref]bool{}
	var out []Cause
	for _, w := range c.recent(f.Violation) {
		if named[w.Ref] {
			continue
		}
		now := c.before.Object(w.Ref)
		before, ok := c.origins[w.Change]
		if !ok {
			var err error
			if before, err = c.before.Apply(cluster.Change{Before: now, After: w.Change.Before}); err != nil {
				continue
			}
			c.origins[w.Change] = before
		}
		// What had harmed in a moment in which it was open already is not to blame, either.
		again := cluster.Change{Before: w.Change.Before, After: now}
		if !c.makes(ctx, before, guilty, f.beside, k) && c.makes(ctx, before, slices.Concat([]cluster.Change{again}, guilty), f.beside, k) {
			named[w.Ref] = true
			x := cause(w.Change, nil)
			x.Write = w.Write
			out = append(out, x)
		}
	}
	return out
}

// recent are the newest changes before the comparison that may have to do with a violation,
// the newest first.
func (c *comparison) recent(v guardrail.Violation) []cluster.Written {
	text := v.Message + fmt.Sprint(v.Details)
	now := map[cluster.Ref]bool{}
	for _, change := range c.changes {
		now[change.Ref()] = true
	}
	var out []cluster.Written
	for _, w := range slices.Backward(c.journal[:c.lastIn(now)]) {
		if time.Since(w.Write.Seen) > earlierTime || len(out) == maxEarlier {
			break
		}
		if !now[w.Ref] && w.Change != (cluster.Change{}) && !strings.Contains(w.Ref.Kind, ".") && mayMatter(v, text, w) {
			out = append(out, w)
		}
	}
	return out
}

// lastIn is up to where the journal is about what was before the newest of some changes. What
// was seen later is judged later.
func (c *comparison) lastIn(some map[cluster.Ref]bool) int {
	for i := len(c.journal) - 1; i >= 0; i-- {
		if some[c.journal[i].Ref] {
			return i
		}
	}
	return len(c.journal)
}

// mayMatter reports whether a violation speaks of what a change is about: of the new
// netpols it names those that let somebody through.
func mayMatter(v guardrail.Violation, text string, w cluster.Written) bool {
	if w.Ref.Kind == "NetworkPolicy" && w.Change.After != nil && w.Change.Before == nil && v.Details != nil {
		return strings.Contains(text, w.Ref.Namespace+"/"+w.Ref.Name)
	}
	return concerns(v, namespaceOf(w.Change))
}

// makes reports whether some changes make a violation, as a guardrail says that is asked
// beside one of them, or another one.
func (c *comparison) makes(ctx context.Context, before *cluster.Snapshot, some []cluster.Change, beside cluster.Change, k key) bool {
	return shows(c.decisions(ctx, before, some, []cluster.Change{beside}), k)
}

// trial is what was tried out: some changes, and beside which ones guardrails were asked.
type trial struct {
	before *cluster.Snapshot
	text   string
}

// decisions are what guardrails say if only some changes had happened. What was asked
// before is remembered: one change may break a guardrail for many. There are none when
// there is no time for more.
func (c *comparison) decisions(ctx context.Context, before *cluster.Snapshot, some, beside []cluster.Change) []guardrail.Decision {
	t := trial{before, trialText(some) + "|" + trialText(beside)}
	if known, ok := c.tried[t]; ok {
		return known
	}
	if c.budget == 0 || time.Since(c.began) > c.time {
		return nil
	}
	c.budget--
	after, err := before.Apply(some...)
	if err != nil {
		return nil
	}
	var reviews []guardrail.Review
	for _, change := range beside {
		reviews = append(reviews, review(change, c.began))
	}
	found, _ := c.rules.EvaluateInHindsight(ctx, before, after, false, reviews)
	c.tried[t] = found
	return found
}

// trialText tells sets of changes apart that are taken from the same ones: changes are
// told apart by their objects.
func trialText(changes []cluster.Change) string {
	var b strings.Builder
	for _, x := range changes {
		fmt.Fprintf(&b, "%p %p,", x.Before, x.After)
	}
	return b.String()
}

// fewest makes a list shorter, from which nothing more can be left out for the condition
// to hold; it holds for the whole list. Halves are tried first, and then ever smaller parts.
func fewest[T any](all []T, holds func([]T) bool) []T {
	for parts := 2; len(all) > 1; {
		size := (len(all) + parts - 1) / parts
		shorter := false
		for from := 0; from < len(all); from += size {
			rest := slices.Concat(all[:from], all[min(from+size, len(all)):])
			if len(rest) > 0 && holds(rest) {
				all, shorter = rest, true
				break
			}
		}
		switch {
		case shorter:
			parts = max(parts-1, 2)
		case size == 1:
			return all
		default:
			parts = min(2*parts, len(all))
		}
	}
	return all
}
