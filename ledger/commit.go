package ledger

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"
)

const (
	// bytesPerSecond is what all replicas together may write.
	bytesPerSecond = 256 << 10
	// pause is the shortest between two writes of a replica.
	pause = 20 * time.Millisecond
	// tidyOwn and tidyOthers are how long an entry that is settled may wait for a write
	// that has more to say: for that of the replica that wrote it, or any.
	tidyOwn, tidyOthers = 100 * time.Millisecond, time.Second
	// timeToRead is after how long a read that failed, or decided nothing, is repeated.
	timeToRead = time.Second
)

type stepKind uint8

const (
	idle stepKind = iota
	load
	save
	create
)

// step is what the core wants the store to do.
type step struct {
	kind   stepKind
	object Object // without Data, of save
	doc    *Document
}

// nextStore is what to do with the store now; if nothing, when to ask again at the latest.
func (c *core) nextStore(now time.Time) (step, time.Time) {
	poll := c.loadedAt.Add(c.Poll)
	switch {
	case c.writing != nil || c.loading:
		return step{}, poll
	case c.stale || (!c.known && c.problem == nil && c.repair == "") || !now.Before(poll):
		c.loading, c.overtaken = true, false
		return step{kind: load}, poll
	case c.problem != nil:
		return step{}, poll
	}
	if !now.Before(c.pauseUntil) {
		if w := c.prepare(now); w != nil {
			c.send(w)
			if w.create {
				return step{kind: create, doc: w.doc}, poll
			}
			return step{kind: save, object: w.base, doc: w.doc}, poll
		}
		return step{}, earlier(poll, c.tidyAt(now))
	}
	return step{}, earlier(poll, c.pauseUntil)
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

func (c *core) send(w *write) {
	c.writing = w
	for i, t := range w.tickets {
		t.state = ticketWriting
		if t.entry.Nonce == w.nonces[i] {
			c.written[entryKey{w.ids[i], w.nonces[i]}] = t
		}
	}
	c.stats.Writes++
}

// loaded takes in the answer to load.
func (c *core) loaded(now time.Time, o Object, d *Document, err error) {
	c.loading = false
	c.loadedAt = now
	switch {
	case c.overtaken:
		c.stale = true // what was read may be older than what we know
	case err == nil || errors.Is(err, errGarbled) || errors.Is(err, ErrForeign):
		c.stale = false
		c.saw(now, o, d, err, true)
	case errors.Is(err, ErrMissing):
		c.stale, c.known, c.problem, c.repair = false, false, nil, "it is missing"
		if c.flaws.noBarrier {
			c.Fresh = true
		}
		c.object, c.doc = Object{}, nil
		c.lose()
	default:
		c.stale = true // and what we know may be out of date: nothing is allowed before a write
		c.pauseUntil = now.Add(pause)
		for _, t := range c.tickets {
			t.reason = fmt.Errorf("%w: %w", ErrUnavailable, err)
		}
	}
}

// lose forgets a write that got no answer, with the object.
func (c *core) lose() {
	if c.unsure != nil {
		for _, t := range c.unsure.tickets {
			if t.state == ticketWriting {
				t.state = ticketReady
			}
		}
		c.unsure = nil
	}
}

// saved takes in the answer to save or create.
func (c *core) saved(now time.Time, o Object, err error) {
	w := c.writing
	c.writing = nil
	switch {
	case err == nil:
		c.pauseUntil = now.Add(c.pauseAfter(w.doc))
		if w.fresh {
			c.fresh, c.pauseUntil = o, now
		}
		if c.known && parseVersion(o.Version) <= c.version {
			break // a watch was faster
		}
		c.repair = ""
		if o.UID != c.object.UID {
			clear(c.seen)
			clear(c.settled)
			c.newest = nil
		}
		c.take(now, o, w.doc)
	case errors.Is(err, ErrConflict), errors.Is(err, ErrMissing):
		c.stats.Conflicts++
		c.stale = true
		c.pauseUntil = now.Add(time.Duration(c.Random() * float64(pause)))
	default:
		c.stale = true
		c.pauseUntil = now.Add(time.Duration((1 + c.Random()) * float64(pause)))
	}
	conflict := errors.Is(err, ErrConflict) || errors.Is(err, ErrMissing)
	if err == nil || (c.flaws.lostIsSuccess && !conflict) || c.flaws.allowUnwritten {
		for _, t := range w.tickets {
			c.finish(t, nil)
		}
		return
	}
	for _, t := range w.tickets {
		t.reason = ErrBusy
	}
	c.unsure = w // even a conflict may come of a write of ours that was sent twice
}

// unsendable ends the commits of a write that could not even be encoded.
func (c *core) unsendable(now time.Time, err error) {
	for _, t := range c.writing.tickets {
		c.finish(t, err)
	}
	c.writing, c.pauseUntil = nil, now.Add(c.Poll)
}

func (c *core) pauseAfter(d *Document) time.Duration {
	size := 64
	for _, e := range d.Entries {
		size += e.size()
	}
	c.stats.Size, c.stats.Entries = size, len(d.Entries)
	c.stats.Bytes += uint64(size)
	return max(pause, time.Duration(size*max(c.Replicas, 1))*time.Second/bytesPerSecond)
}

// prepare makes the next write: what is settled goes, and the tickets that were judged
// by all that comes before them are added. It is nil when there is nothing to write yet.
func (c *core) prepare(now time.Time) *write {
	if c.repair != "" {
		return c.beginAnew()
	}
	ready := slices.ContainsFunc(c.tickets, func(t *ticket) bool { return t.state == ticketReady })
	if !ready && now.Before(c.tidyAt(now)) && !slices.ContainsFunc(c.doc.Entries, isBarrier) {
		return nil
	}
	d, freed, urgent := c.freed(now)
	w := &write{doc: d, base: c.object}
	if ready {
		c.fill(w)
	}
	if len(w.tickets) == 0 && (!freed || !urgent) {
		return nil
	}
	d.Sequence++
	return w
}

// beginAnew writes a document with a barrier for all that was lost.
func (c *core) beginAnew() *write {
	d := &Document{Schema: schema}
	if c.doc != nil {
		d.Entries, d.Floors = slices.Clone(c.doc.Entries), c.doc.Floors
	}
	d.Sequence, d.Next = c.sequence+1, max(c.next, 1)
	fresh := c.Fresh && c.doc == nil && c.sequence == 0
	if !c.flaws.noBarrier {
		d.Entries = append(d.Entries, Entry{ID: d.Next, Operation: Barrier, Nonce: c.nonce()})
		d.Next++
	}
	return &write{doc: d, base: c.object, create: !c.known, fresh: fresh}
}

// isFresh reports whether the barrier is one that nobody needs: of a ledger that this
// replica made, where there was none before, and that nobody has written since. A new
// ledger begins with a barrier all the same: its creation may land late, when it is no
// longer the first.
func (c *core) isFresh() bool {
	return c.fresh.UID != "" && c.fresh.UID == c.object.UID && c.fresh.Version == c.object.Version
}

// freed is the document without what is settled, and with the floors that go with it.
func (c *core) freed(now time.Time) (d *Document, any, urgent bool) {
	d = &Document{Schema: schema, Sequence: c.doc.Sequence, Next: c.doc.Next, Floors: c.doc.Floors}
	d.Entries = make([]Entry, 0, len(c.doc.Entries)+4)
	own := false
	raise := func(resource string, version, id uint64) {
		if !own {
			d.Floors, own = maps.Clone(d.Floors), true
			if d.Floors == nil {
				d.Floors = map[string]Floor{}
			}
		}
		f := d.Floors[resource]
		d.Floors[resource] = Floor{Version: formatVersion(max(version, parseVersion(f.Version))), Newest: max(id, f.Newest)}
	}
	for i := range c.doc.Entries {
		e := &c.doc.Entries[i]
		s, ok := c.settled[e.key()]
		switch {
		case e.Operation == Barrier && c.isFresh():
			any, urgent = true, true
			continue
		case e.Operation == Barrier && c.liftable(now):
			for resource, version := range c.newest {
				if version > 0 {
					raise(resource, version, e.ID)
				}
			}
			any, urgent = true, true
			continue
		case e.Operation == Appear && now.Sub(c.seen[e.key()]) >= c.Appear:
			any, urgent = true, true
			continue
		case !ok || e.Operation == Appear:
			d.Entries = append(d.Entries, *e)
			continue
		}
		any = true
		urgent = urgent || !now.Before(c.tidy(e, s))
		if s.version > 0 {
			raise(e.Resource, s.version, e.ID)
		}
		if e.Before != nil && !s.lost {
			d.Entries = append(d.Entries, e.appearing())
		}
	}
	return d, any, urgent
}

// tidy is when an entry that is settled is worth a write of its own.
func (c *core) tidy(e *Entry, s settlement) time.Time {
	if _, ok := c.written[e.key()]; ok {
		return s.at.Add(tidyOwn)
	}
	return s.at.Add(tidyOthers + time.Duration(e.ID%8)*tidyOthers/8)
}

func (c *core) tidyAt(now time.Time) time.Time {
	at := now.Add(time.Hour)
	if c.doc == nil {
		return at
	}
	for i := range c.doc.Entries {
		e := &c.doc.Entries[i]
		if e.Operation == Appear {
			at = earlier(at, c.seen[e.key()].Add(c.Appear))
		} else if s, ok := c.settled[e.key()]; ok {
			at = earlier(at, c.tidy(e, s))
		}
	}
	return at
}

// fill adds tickets to a write.
func (c *core) fill(w *write) {
	room := newRoom(w.doc.Entries)
	for _, t := range slices.Clone(c.tickets) {
		if t.state != ticketReady || !t.accepted || !c.usable(t) || !c.needs(t).nothing() {
			continue
		}
		if c.missed(t, w) {
			continue
		}
		if i := slices.IndexFunc(w.tickets, func(u *ticket) bool { return u.entry.same(t.entry) }); i >= 0 {
			t.shared, w.tickets[i].shared = true, true
			w.add(t, w.ids[i], w.nonces[i])
			continue
		}
		if i := slices.IndexFunc(w.doc.Entries, t.entry.same); i >= 0 {
			// A retry. It may land as late as any change, so it is written again: whoever
			// frees the older entry counts from when that was seen.
			if c.flaws.retryUnwritten {
				c.finish(t, nil)
				continue
			}
			t.shared = true // whoever committed the older one may have been allowed
			room.leave(w.doc.Entries[i])
			w.doc.Entries = slices.Delete(w.doc.Entries, i, i+1)
		}
		if err := room.enter(t.entry); err != nil {
			c.stepBack(t, err)
			continue
		}
		e := t.entry
		e.ID = w.doc.Next
		w.doc.Next++
		w.doc.Entries = append(w.doc.Entries, e)
		w.add(t, e.ID, e.Nonce)
	}
}

func (w *write) add(t *ticket, id uint64, nonce string) {
	w.tickets, w.ids, w.nonces = append(w.tickets, t), append(w.ids, id), append(w.nonces, nonce)
}

// missed reports whether a ticket was judged without one that comes before it in a write.
func (c *core) missed(t *ticket, w *write) bool {
	for _, u := range w.tickets {
		if !slices.Contains(t.stamp.tickets, u.serial) && !u.entry.same(t.entry) && !c.flaws.ignores(t.entry, u.entry) {
			return true
		}
	}
	return false
}

// room keeps count of what a document holds.
type room struct {
	size    int
	entries map[string]int
	bytes   map[string]int
	gone    map[string]int // bytes of what may yet appear
}

func newRoom(entries []Entry) *room {
	r := &room{size: 1024, entries: map[string]int{}, bytes: map[string]int{}, gone: map[string]int{}}
	for _, e := range entries {
		r.count(e, 1)
	}
	return r
}

// count keeps what may yet appear apart: it stays for long, and whoever has deleted
// what makes pods must not wait as long with the next netpol.
func (r *room) count(e Entry, sign int) {
	r.size += sign * e.size()
	if e.Operation == Appear {
		r.gone[e.Place()] += sign * e.size()
		return
	}
	r.entries[e.Place()] += sign
	r.bytes[e.Place()] += sign * e.size()
	if e.Before != nil {
		r.gone[e.Place()] += sign * e.appearing().size()
	}
}

func (r *room) leave(e Entry) { r.count(e, -1) }

func (r *room) enter(e Entry) error {
	r.count(e, 1)
	var err error
	switch place := e.Place(); {
	case r.entries[place] > MaxEntries:
		err = fmt.Errorf("%w: %d changes of namespace %s are in flight", ErrFull, MaxEntries, place)
	case r.bytes[place] > MaxShare:
		err = fmt.Errorf("%w: the changes of namespace %s that are in flight take more than %d bytes", ErrFull, place, MaxShare)
	case (r.entries[place] > 1 || r.bytes[place] > firstEntry) && r.bytes[place] > (MaxSize-reserve-r.size)/4:
		err = fmt.Errorf("%w: the changes of namespace %s that are in flight take more than is left for others", ErrFull, place)
	case r.gone[place] > MaxGone:
		err = fmt.Errorf("%w: much of namespace %s that makes pods was deleted or changed a moment ago, and its last pods may yet come", ErrFull, place)
	case r.size > MaxSize:
		err = fmt.Errorf("%w: it would take more than %d bytes", ErrFull, MaxSize)
	}
	if err != nil {
		r.leave(e)
	}
	return err
}
