package ledger

import (
	"maps"
	"slices"
	"time"
)

// read is what the core wants to know from the API server.
type read struct {
	// entry, if set, is the one whose outcome is asked for; else newest is a resource.
	entry  *Entry
	newest string
	// early is set while the change may still land: only what is done is decided then.
	early bool
}

const (
	// timeToShow is after how long an entry is asked about for the first time: a replica
	// that starts finds what was created and changed in its lists, and not what was deleted.
	timeToShow = 2 * time.Second
	// timeToLag is how long a snapshot may be behind a floor before the API server is
	// asked for what there is. Events take milliseconds, but where nothing happens none
	// come, and bookmarks once a minute.
	timeToLag = 250 * time.Millisecond
)

// nextRead is what to ask now; if nothing, when to ask again.
func (c *core) nextRead(now time.Time) (read, bool, time.Time) {
	at := now.Add(time.Minute)
	if c.reading || c.doc == nil || c.repair != "" || c.problem != nil {
		return read{}, false, at
	}
	for i := range c.doc.Entries {
		e := &c.doc.Entries[i]
		if _, ok := c.settled[e.key()]; ok || e.Operation == Appear {
			continue
		}
		due := c.seen[e.key()].Add(c.window(*e))
		again, asked := c.readAt[e.key()]
		early := !asked && e.Operation != Barrier && now.Before(due)
		switch {
		case early:
			due = c.seen[e.key()].Add(timeToShow)
		case again.After(due):
			due = again
		}
		if now.Before(due) {
			at = earlier(at, due)
			continue
		}
		if e.Operation != Barrier {
			c.reading = true
			entry := *e
			return read{entry: &entry, early: early}, true, at
		}
		if resource, ok := c.unread(); ok {
			c.reading, c.barrier = true, c.lastBarrier()
			return read{newest: resource}, true, at
		}
	}
	return read{}, false, at
}

// unread is the next resource whose floor the end of a barrier needs.
func (c *core) unread() (string, bool) {
	if c.Newest == nil {
		return "", false
	}
	for _, resource := range c.Resources {
		if _, ok := c.newest[resource]; !ok {
			return resource, true
		}
	}
	return "", false
}

// liftable reports whether all that was lost has landed, and the floors are known
// that show it.
func (c *core) liftable(now time.Time) bool {
	for _, e := range c.doc.Entries {
		if e.Operation == Barrier && now.Sub(c.seen[e.key()]) < c.Barrier {
			c.newest = nil // read too early for this one
			return false
		}
	}
	_, missing := c.unread()
	return !missing
}

// readNewest takes in the resourceVersion of a resource; 0 is of one that is not served.
func (c *core) readNewest(now time.Time, resource string, version uint64, err error) {
	c.reading = false
	if c.doc == nil || c.barrier != c.lastBarrier() {
		return // that barrier is gone, and what was read may be too early for another
	}
	if err != nil {
		for _, e := range c.doc.Entries {
			if e.Operation == Barrier {
				c.readAt[e.key()] = now.Add(timeToRead)
			}
		}
		return
	}
	if c.newest == nil {
		c.newest = map[string]uint64{}
	}
	c.newest[resource] = version
}

// outcome takes in what a quorum read said about an entry, that was asked for when no
// write of it could land any more.
func (c *core) outcome(now time.Time, r read, o Outcome, err error) {
	e := *r.entry
	c.reading = false
	if c.doc == nil {
		return
	}
	if now, ok := c.doc.entry(e.ID); !ok || now.Nonce != e.Nonce || !now.same(e) {
		return // another ledger by now, whose entry of that ID is another
	}
	if err == nil {
		if s, ok := c.decide(e, o); ok && (!r.early || done(e, o, s)) {
			s.at = now
			c.settled[e.key()] = s
			c.changes++
			return
		}
	}
	c.readAt[e.key()] = now.Add(timeToRead)
}

// done reports whether what was read is the end of it, whenever it was read: the change
// has happened, or the object is gone that it was about and will not come back.
func done(e Entry, o Outcome, s settlement) bool {
	if s.lost {
		return false
	}
	return e.Operation == Delete || e.Operation == DeleteCollection || (o.Found && o.UID == string(e.UID))
}

// decide says what became of an entry; false when the read does not tell.
func (c *core) decide(e Entry, o Outcome) (settlement, bool) {
	version := parseVersion(o.ResourceVersion)
	switch {
	case !o.Found:
		switch e.Operation {
		case Delete, DeleteCollection:
			// It is gone, and snapshots may show it yet. Nobody saw the event, or it
			// would be settled by now.
			if o.ReadVersion == "" {
				return settlement{}, false
			}
			return settlement{version: parseVersion(o.ReadVersion)}, true
		}
		// What was created is not there, nor what was changed: if it has been, then
		// whoever deleted it has an entry of his own, and a floor.
		return settlement{lost: e.Operation == Create}, true
	case o.UID != string(e.UID):
		if e.Operation == Create {
			return settlement{lost: true}, true
		}
		return settlement{version: version}, true
	}
	seen := observed{e.Resource, e.Ref, o.UID, version, o.Terminating, o.Bound}
	if c.settles(e, seen) {
		return settlement{version: version}, true
	}
	return settlement{lost: true}, true
}

// barrierOf names a barrier.
type barrierOf struct {
	uid string
	id  uint64
}

// lastBarrier is the one that came last.
func (c *core) lastBarrier() barrierOf {
	out := barrierOf{uid: c.object.UID}
	for i := range c.doc.Entries {
		if e := &c.doc.Entries[i]; e.Operation == Barrier {
			out.id = e.ID
		}
	}
	return out
}

// nextCatchUp is a resource that has been behind its floor for a while, so that no event
// seems to come which would bring it there; if there is none, when to ask again.
func (c *core) nextCatchUp(now time.Time) (string, bool, time.Time) {
	at := now.Add(time.Minute)
	if c.catching || c.doc == nil {
		return "", false, at
	}
	for _, resource := range slices.Sorted(maps.Keys(c.doc.Floors)) {
		if c.applied[resource] >= parseVersion(c.doc.Floors[resource].Version) {
			delete(c.lagging, resource)
			continue
		}
		if _, ok := c.lagging[resource]; !ok {
			c.lagging[resource] = now
		}
		due := c.lagging[resource].Add(timeToLag)
		if again, ok := c.caughtAt[resource]; ok && again.Add(timeToRead).After(due) {
			due = again.Add(timeToRead)
		}
		if !now.Before(due) {
			c.catching = true
			return resource, true, at
		}
		at = earlier(at, due)
	}
	return "", false, at
}

// caughtUp ends what nextCatchUp began; how far the resource is says apply.
func (c *core) caughtUp(now time.Time, resource string) {
	c.catching = false
	c.caughtAt[resource] = now
}
