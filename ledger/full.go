package ledger

import "errors"

// stepBack takes a ticket for which there is no room out of the order of writes: nobody
// judges what it may open, and it is not judged again with each change of others, until
// there is room. The loops of one namespace that has used its share cost others nothing so.
func (c *core) stepBack(t *ticket, why error) {
	t.state, t.accepted, t.stamp, t.reason = ticketNew, false, stamp{}, why
	c.changes++
}

// fits reports whether a ticket that stepped back for want of room has some by now. What
// has settled is gone with the next write.
func (c *core) fits(t *ticket) bool {
	if !errors.Is(t.reason, ErrFull) {
		return true
	}
	entries := make([]Entry, 0, len(c.doc.Entries))
	for _, e := range c.doc.Entries {
		if _, settled := c.settled[e.key()]; (!settled || e.Operation == Appear) && !e.same(t.entry) {
			entries = append(entries, e)
		}
	}
	return newRoom(entries).enter(t.entry) == nil
}
