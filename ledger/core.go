package ledger

import (
	"maps"
	"slices"
	"strconv"
	"time"
)

// core is a replica's part of the protocol as a state machine: what happened is put
// in, and what to read or write next is asked for. It starts nothing, waits for nothing
// and is not safe for concurrent use. Book does all that; so does the simulator.
type core struct {
	Options
	flaws flaws

	// What the object held when it was read or written last.
	known   bool
	object  Object // without Data
	version uint64
	doc     *Document
	// problem is why the object cannot be used; repair is why it has to be begun anew.
	problem error
	repair  string
	// sequence and next are the largest that were seen, whatever became of the object.
	sequence, next uint64

	seen    map[entryKey]time.Time  // entries of doc
	settled map[entryKey]settlement // the same
	written map[entryKey]*ticket    // entries of this replica, sent at least
	recent  recent
	applied map[string]uint64
	// lent is set while a view may have applied: it is copied before it changes.
	lent bool

	// process tells this replica's entries from those of all others, and of itself before.
	process string
	// tickets that were accepted come in the order of their places in a write.
	tickets []*ticket
	serial  uint64
	// changes counts whatever may change an answer.
	changes uint64

	fresh           Object // as this replica created it
	writing, unsure *write
	loading, stale  bool
	overtaken       bool // a watch showed something newer while the object was read
	loadedAt        time.Time
	pauseUntil      time.Time

	reading  bool
	readAt   map[entryKey]time.Time // not to be asked about again before
	catching bool
	lagging  map[string]time.Time // resources that are behind their floor, since when
	caughtAt map[string]time.Time // when one was asked about last
	newest   map[string]uint64    // as read for the barrier that is lifted next
	barrier  barrierOf            // for which it is being read

	stats Stats
}

// flaws take a rule away, so that the tests can show that the simulator finds it.
type flaws struct {
	settleByName    bool // a creation is settled by any object of that name
	noFloors        bool // whatever a snapshot holds is enough
	noBarrier       bool // a ledger that was lost is begun anew, as if nothing was in flight
	allowUnwritten  bool // a commit needs no write that succeeded
	lostIsSuccess   bool // a write that got no answer was done
	forgetShared    bool // an entry of two commits goes with the refusal of one
	anyNonce        bool // an entry for the same change is as good as the own
	retryUnwritten  bool // a retry relies on the entry that is there already
	blindConflict   bool // after a conflict the same entries are written again
	sharedNamespace bool // only entries of the own namespace matter
	ownTier         bool // only entries of the own tier matter: two ledgers
}

// settlement says that an entry's object is past it.
type settlement struct {
	at time.Time
	// version is what a snapshot has to hold to show the outcome; 0 for nothing.
	version uint64
	// lost is set when the change did not happen and will not.
	lost bool
}

// write is one that was sent.
type write struct {
	doc     *Document
	base    Object
	create  bool
	fresh   bool // nothing can be in flight
	tickets []*ticket
	ids     []uint64
	nonces  []string
}

// Stats are counted since the start.
type Stats struct {
	Writes, Conflicts, Bytes uint64
	// Judgements are those of commits, Commits those that were allowed.
	Judgements, Commits uint64
	// Entries are in flight, in Size bytes.
	Entries, Size int
}

func newCore(o Options) *core {
	o = o.withDefaults()
	return &core{
		Options: o, process: strconv.FormatUint(uint64(o.Random()*(1<<53)), 36), seen: map[entryKey]time.Time{}, settled: map[entryKey]settlement{}, written: map[entryKey]*ticket{},
		applied: map[string]uint64{}, readAt: map[entryKey]time.Time{},
		lagging: map[string]time.Time{}, caughtAt: map[string]time.Time{},
	}
}

// saw takes in the object as it was read. quorum is set unless it may be out of date.
func (c *core) saw(now time.Time, o Object, d *Document, err error, quorum bool) {
	version := parseVersion(o.Version)
	if c.known && o.UID == c.object.UID && (o.Version == c.object.Version || (!quorum && version < c.version)) {
		if quorum || version == c.version {
			c.confirm()
		}
		return
	}
	if c.loading && !quorum {
		c.overtaken = true
	}
	c.problem, c.repair = nil, ""
	switch {
	case err != nil && d == nil && isForeign(err):
		c.problem = err
		return // whoever writes it knows what it is; we look again
	case err != nil:
		c.repair = "it holds no document"
		d = &Document{Schema: schema, Sequence: max(c.sequence, 1), Next: max(c.next, 1)}
	case c.sequence > 0 && c.object.UID != o.UID && !slices.ContainsFunc(d.Entries, isBarrier):
		c.repair = "it was replaced"
	case c.sequence > 0 && c.object.UID == o.UID && (d.Sequence <= c.sequence || d.Next < c.next || version < c.version):
		c.repair = "it is older than before"
	}
	if c.flaws.noBarrier && err == nil {
		c.repair = ""
	}
	if c.object.UID != o.UID {
		c.sequence, c.next = 0, 0 // those of another object are no measure for it
	}
	if c.repair != "" || c.object.UID != o.UID {
		clear(c.seen)
		clear(c.settled)
		c.newest = nil
	}
	c.take(now, o, d)
	c.confirm()
}

// take makes a document the current one.
func (c *core) take(now time.Time, o Object, d *Document) {
	c.changes++
	c.known, c.object, c.version, c.doc = true, Object{UID: o.UID, Version: o.Version}, parseVersion(o.Version), d
	c.sequence, c.next = max(c.sequence, d.Sequence), max(c.next, d.Next)
	if len(c.seen) > 2*len(d.Entries)+16 || len(c.written) > 2*len(d.Entries)+64 {
		c.forget()
	}
	for _, e := range d.Entries {
		if _, ok := c.seen[e.key()]; ok {
			continue
		}
		c.seen[e.key()] = now
		if t, ok := c.written[e.key()]; ok && t.state == ticketDone && t.err != nil && (!t.shared || c.flaws.forgetShared) {
			c.settled[e.key()] = settlement{at: now, lost: true} // it was refused after all
			continue
		}
		if o, ok := c.recent.of(e); ok {
			c.settle(now, e, o)
		}
	}
}

// forget drops what is known about entries that are not in the document any more.
func (c *core) forget() {
	there := make(map[entryKey]bool, len(c.doc.Entries))
	for _, e := range c.doc.Entries {
		there[e.key()] = true
	}
	for key := range c.seen {
		if !there[key] {
			delete(c.seen, key)
			delete(c.settled, key)
			delete(c.readAt, key)
		}
	}
	for key, t := range c.written {
		if !there[key] && t.state == ticketDone {
			delete(c.written, key)
		}
	}
}

// confirm looks for what a write that got no answer would have left.
func (c *core) confirm() {
	w := c.unsure
	if w == nil {
		return
	}
	c.unsure = nil
	for i, t := range w.tickets {
		if t.state != ticketWriting {
			continue
		}
		t.state = ticketReady
		if e, ok := c.doc.entry(w.ids[i]); ok && (e.Nonce == w.nonces[i] || (c.flaws.anyNonce && e.same(t.entry))) {
			c.finish(t, nil)
		}
	}
}

func (d *Document) entry(id uint64) (Entry, bool) {
	i, ok := slices.BinarySearchFunc(d.Entries, id, func(e Entry, id uint64) int {
		switch {
		case e.ID < id:
			return -1
		case e.ID > id:
			return 1
		}
		return 0
	})
	if !ok {
		return Entry{}, false
	}
	return d.Entries[i], true
}

func isBarrier(e Entry) bool { return e.Operation == Barrier }

// observe takes in an event or an item of a list that the snapshot holds, and reports
// whether that settles something.
func (c *core) observe(now time.Time, o Observation) bool {
	c.recent.add(now, o)
	if c.doc == nil {
		return false
	}
	was := len(c.settled)
	for _, e := range c.doc.Entries {
		c.settle(now, e, observed{o.Resource, o.Ref, string(o.UID), parseVersion(o.ResourceVersion), o.Deleted || o.Terminating, o.Bound})
	}
	return len(c.settled) > was
}

// settle notes that an entry is settled by what was observed, if it is. The outcome is
// one that does not change any more: so an older observation will do.
func (c *core) settle(now time.Time, e Entry, o observed) {
	if _, ok := c.settled[e.key()]; ok || !c.settles(e, o) {
		return
	}
	c.settled[e.key()] = settlement{at: now, version: o.version}
	c.changes++
}

func (c *core) settles(e Entry, o observed) bool {
	if o.resource != e.Resource {
		return false
	}
	if c.flaws.settleByName && e.Operation == Create && o.ref == e.Ref {
		return true
	}
	if o.uid != string(e.UID) {
		return false
	}
	switch e.Operation {
	case Create:
		return true
	case Update, Delete, DeleteCollection:
		return o.version > parseVersion(e.Base)
	case Bind:
		return o.bound || o.ends
	}
	return false
}

// apply says that the snapshot holds a resource up to a version.
func (c *core) apply(resource string, version uint64) {
	was := c.applied[resource]
	if version <= was {
		return
	}
	c.reach(resource, version)
	for _, s := range c.settled {
		if was < s.version && s.version <= version {
			c.changes++ // it is in flight no more, for this replica
		}
	}
}

// listed says that it holds that version and perhaps nothing that came after.
func (c *core) listed(resource string, version uint64) {
	c.changes++
	c.reach(resource, version)
}

func (c *core) reach(resource string, version uint64) {
	if c.lent {
		c.applied, c.lent = maps.Clone(c.applied), false
	}
	c.applied[resource] = version
}

// behind reports whether a snapshot lacks what was seen by whoever freed an entry that
// a judgement did not see.
func (c *core) behind(applied map[string]uint64, next uint64) bool {
	if c.flaws.noFloors {
		return false
	}
	for resource, f := range c.doc.Floors {
		if f.Newest >= next && applied[resource] < parseVersion(f.Version) {
			return true
		}
	}
	return false
}

// inFlight is the document as this replica's snapshot leaves it: what it has seen happen
// is not in flight for it any more.
func (c *core) inFlight(e Entry) (Entry, bool) {
	s, ok := c.settled[e.key()]
	if !ok || e.Operation == Appear || c.applied[e.Resource] < s.version {
		return e, true
	}
	if e.Before == nil || s.lost {
		return Entry{}, false
	}
	return e.appearing(), true
}

// appearing is what is left of an entry once it is settled: the pods that may yet come.
func (e Entry) appearing() Entry {
	e.Operation, e.Content, e.Before, e.Opaque = Appear, e.Before, nil, false
	return e
}

// window is how long after its review a change may land.
func (c *core) window(e Entry) time.Duration {
	switch e.Operation {
	case DeleteCollection:
		return c.Collection
	case Barrier:
		return c.Barrier
	case Appear:
		return c.Appear
	}
	return c.Window
}
