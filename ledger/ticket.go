package ledger

import (
	"errors"
	"slices"
	"strconv"
	"time"
)

// ticket is a commit under way.
type ticket struct {
	entry  Entry
	serial uint64
	since  time.Time
	state  ticketState
	// accepted is set once it was judged to be harmless: from then on those that come
	// later take it into account. It has its place in tickets from then on.
	accepted bool
	// shared is set when the entry stands for another commit of the same change, too.
	shared bool
	stamp  stamp
	// reason is why it is still waiting; blocked is when that was found out, in changes.
	reason  error
	blocked uint64
	err     error
}

type ticketState uint8

const (
	ticketNew ticketState = iota
	ticketJudging
	ticketReady
	ticketWriting
	ticketDone
)

// stamp is what a judgement stands on.
type stamp struct {
	valid bool
	uid   string
	set   string
	// next: of the entries below it, all that were in the document were seen.
	next uint64
	// tickets of this replica that were seen, by serial number.
	tickets []uint64
	// applied is what the snapshot holds at least, by resource.
	applied map[string]uint64
	// behind is set when that was less than the floors.
	behind bool
	// changes is how much had changed by then.
	changes uint64
}

// nonce is one that no other replica gives, nor this one again.
func (c *core) nonce() string {
	c.serial++
	return c.process + "-" + strconv.FormatUint(c.serial, 36)
}

// begin announces a commit. seen is what it was judged by already, if it was.
func (c *core) begin(now time.Time, e Entry, seen View) *ticket {
	if len(e.Content) > MaxContent {
		e.Content, e.Opaque = nil, true
	}
	if len(e.Before) > MaxContent {
		e.Before, e.Opaque = nil, true
	}
	e.Nonce = c.nonce()
	t := &ticket{entry: e, serial: c.serial, since: now, reason: ErrUnavailable}
	if seen.stamp.valid {
		t.stamp, t.state, t.accepted = seen.stamp, ticketReady, true
		t.entry.Set = seen.stamp.set
	}
	c.tickets = append(c.tickets, t)
	return t
}

// needs is what a ticket has to be judged by before it can be written.
type needs struct {
	full       bool
	namespaces []string
}

func (n needs) nothing() bool { return !n.full && len(n.namespaces) == 0 }

func (c *core) needs(t *ticket) needs {
	s := &t.stamp
	if !s.valid || s.behind || s.uid != c.object.UID || s.set != c.Set() || c.behind(s.applied, s.next) {
		return needs{full: true}
	}
	var n needs
	add := func(e Entry) {
		if c.flaws.ignores(t.entry, e) {
			return
		}
		if place := e.Place(); !slices.Contains(n.namespaces, place) {
			n.namespaces = append(n.namespaces, place)
		}
	}
	for i := len(c.doc.Entries) - 1; i >= 0 && c.doc.Entries[i].ID >= s.next; i-- {
		if e := c.doc.Entries[i]; !c.knew(s, e) && !e.same(t.entry) {
			add(e)
		}
	}
	for _, u := range c.before(t) {
		if !slices.Contains(s.tickets, u.serial) && !u.entry.same(t.entry) {
			add(u.entry)
		}
	}
	return n
}

// knew reports whether an entry was seen before it was written, as a ticket.
func (c *core) knew(s *stamp, e Entry) bool {
	t, ok := c.written[e.key()]
	return ok && slices.Contains(s.tickets, t.serial)
}

// before are the tickets that would be written before t: all that were accepted, of
// those that were not written yet.
func (c *core) before(t *ticket) []*ticket {
	out := make([]*ticket, 0, len(c.tickets))
	for _, u := range c.tickets {
		if u == t && t.accepted {
			break
		}
		if u != t && u.accepted {
			out = append(out, u)
		}
	}
	return out
}

// toJudge is the view that a ticket has to be judged by next, if it has to.
func (c *core) toJudge(t *ticket) (View, bool) {
	if t.state != ticketNew && t.state != ticketReady {
		return View{}, false
	}
	if !c.usable(t) || (t.blocked != 0 && t.blocked == c.changes) || !c.fits(t) {
		return View{}, false
	}
	n := c.needs(t)
	if n.nothing() {
		return View{}, false
	}
	v := c.viewFor(t)
	if v.stamp.behind {
		t.reason = ErrBehind
		return View{}, false
	}
	if !n.full {
		// The rest of the judgement stands on what it stood on.
		v.Again, v.Namespaces = true, n.namespaces
		v.stamp.applied = t.stamp.applied
		v.stamp.tickets = append(v.stamp.tickets, t.stamp.tickets...)
	}
	t.state = ticketJudging
	c.stats.Judgements++
	return v, true
}

// usable reports whether the ledger takes entries now, and if not, says so to t.
func (c *core) usable(t *ticket) bool {
	switch {
	case c.problem != nil:
		t.reason = c.problem
	case !c.known:
	case c.repair != "":
		t.reason = ErrBarrier
	case c.isFresh():
		t.reason = ErrBarrier // for a moment
	case !c.flaws.noBarrier && slices.ContainsFunc(c.doc.Entries, isBarrier):
		c.finish(t, ErrBarrier)
	case c.foreign():
		t.reason = ErrForeign
	default:
		return true
	}
	return false
}

// foreign reports whether entries are in flight that were judged by other guardrails.
func (c *core) foreign() bool {
	set := c.Set()
	return slices.ContainsFunc(c.doc.Entries, func(e Entry) bool {
		e, ok := c.inFlight(e)
		return ok && e.Operation != Appear && e.Set != set
	})
}

// view is the ledger as somebody sees it who has no ticket.
func (c *core) view() View { return c.viewFor(nil) }

func (c *core) viewFor(t *ticket) View {
	if !c.known {
		return View{}
	}
	v := View{Sequence: c.doc.Sequence, stamp: stamp{
		changes: c.changes,
		valid:   c.problem == nil && c.repair == "", uid: c.object.UID, set: c.Set(), next: c.doc.Next, applied: c.applied,
		behind: c.behind(c.applied, 0),
	}}
	c.lent = true
	for _, e := range c.doc.Entries {
		if e, ok := c.inFlight(e); ok && (t == nil || !e.same(t.entry)) {
			v.Entries = append(v.Entries, e)
		}
	}
	for _, u := range c.before(t) {
		v.stamp.tickets = append(v.stamp.tickets, u.serial)
		if t == nil || !u.entry.same(t.entry) {
			v.Entries = append(v.Entries, u.entry)
		}
	}
	return v
}

// judged takes in what toJudge's view led to.
func (c *core) judged(t *ticket, v View, err error) {
	switch {
	case t.state != ticketJudging: // it gave up meanwhile
		return
	case errors.Is(err, ErrUndecided), errors.Is(err, ErrTooMany):
		// Nobody is to wait for it in turn, so it does not count until it knows.
		t.state, t.accepted, t.stamp, t.reason, t.blocked = ticketNew, false, stamp{}, err, v.stamp.changes
		return
	case err != nil:
		c.finish(t, err)
		return
	}
	t.state, t.stamp, t.entry.Set, t.reason = ticketReady, v.stamp, v.stamp.set, ErrBusy
	if t.accepted {
		return
	}
	t.accepted = true
	c.changes++
	i := slices.Index(c.tickets, t)
	c.tickets = append(slices.Delete(c.tickets, i, i+1), t)
}

// finish ends a commit, with nil only after a write.
func (c *core) finish(t *ticket, err error) {
	if t.state == ticketDone {
		return
	}
	t.state, t.err = ticketDone, err
	c.changes++
	if err == nil {
		c.stats.Commits++
	}
	if i := slices.Index(c.tickets, t); i >= 0 {
		c.tickets = slices.Delete(c.tickets, i, i+1)
	}
}

// giveUp ends a commit that took too long, with what it waited for.
func (c *core) giveUp(t *ticket) {
	reason := t.reason
	if reason == nil {
		reason = ErrBusy
	}
	c.finish(t, reason)
}

func isForeign(err error) bool { return errors.Is(err, ErrForeign) }

// ignores is how a judgement overlooks an entry that came meanwhile.
func (f flaws) ignores(own, e Entry) bool {
	tier := func(e Entry) bool { return e.Ref.Kind == "NetworkPolicy" || e.Ref.Kind == "Namespace" }
	return f.blindConflict || (f.sharedNamespace && e.Place() != own.Place()) || (f.ownTier && tier(e) != tier(own))
}
