package breach

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/podcullis/podcullis/cluster"
)

// batch is what was seen at once, cut into pieces. What one of them breaks another one may
// mend, or what is seen soon after: so all that they found is looked at once more, together.
type batch struct {
	before, after *cluster.Snapshot
	pieces        int
	found         []found // by its pieces
	standing      []found // of those, when they were looked at last
	checked       time.Time
	upTo          int // how many were looked at
}

// check finds what stands of what the pieces have found. One look serves all pieces that
// were to be looked at before it.
func (b *batch) check(ctx context.Context, s *sighting) error {
	if b.upTo == len(b.found) && !b.checked.Before(s.due) {
		return nil
	}
	c := &comparison{sighting: s, before: b.before, began: time.Now()}
	if !c.near(b) {
		b.standing, b.checked, b.upTo = b.found, c.began, len(b.found)
		return nil
	}
	all, err := c.violations(ctx)
	if errors.Is(context.Cause(ctx), errTooLong) {
		return errTooLong
	}
	if err != nil {
		return err
	}
	b.standing, b.checked, b.upTo = stillStanding(b.found, all), c.began, len(b.found)
	return nil
}

// near makes a comparison one of what a batch was and what may have mended its violations:
// all that has been seen in the namespaces of which they speak. It is false where that is
// nothing but what broke them.
func (c *comparison) near(b *batch) bool {
	now := c.watcher.Model.Snapshot()
	speak := func(change cluster.Change) bool {
		return slices.ContainsFunc(b.found, func(f found) bool { return concerns(f.Violation, namespaceOf(change)) })
	}
	since := judgedOf(now.ChangesSince(b.after))
	if b.pieces == 1 && !slices.ContainsFunc(since, speak) && slices.ContainsFunc(c.sighting.changes, speak) {
		return false
	}
	all := judgedOf(now.ChangesSince(b.before))
	some := slices.DeleteFunc(slices.Clone(all), func(change cluster.Change) bool { return !speak(change) })
	c.after, c.changes = now, all
	if len(some) == len(all) || len(some) == 0 { // they speak of none: it may be any
		return true
	}
	after, err := b.before.Apply(some...)
	if err != nil {
		return true
	}
	c.after, c.changes = after.WithMemory(now.Memory()), some
	return true
}
