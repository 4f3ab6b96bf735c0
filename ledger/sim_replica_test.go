package ledger

import (
	"slices"
	"strconv"
	"time"

	"k8s.io/apimachinery/pkg/types"
)

// replica is a webhook: the real core, a snapshot that follows the watches, and a clock.
type replica struct {
	s           *sim
	id          int
	incarnation int
	core        *core
	snapshot    toy
	position    [toyKinds]int // events that are applied
	expected    [toyKinds]int // events whose delivery is under way
	lastAt      [toyKinds]time.Duration
	stalled     [toyKinds]time.Duration // until when its API server's cache shows nothing new
	pausedUntil time.Duration
	// The clock stands still until a time; lost is what it is behind by.
	stopped, stoppedAt, lost time.Duration
	reviews                  []*review
	wakeAt                   time.Duration
	remembered               [toyNamespaces * classes]time.Duration // for a broken filter: when a class was seen last
	caught                   [toyKinds]uint64                       // what a watch tells of before is history
}

var epoch = time.Unix(1_000_000, 0)

func (r *replica) clock() time.Time {
	t := r.s.now
	if t < r.stopped {
		t = r.stoppedAt
	}
	return epoch.Add(t - r.lost)
}

func (r *replica) stopClock(until time.Duration) {
	if r.s.now < r.stopped {
		return
	}
	r.stoppedAt, r.stopped = r.s.now, until
	r.s.at(until, func() { r.lost += until - r.stoppedAt })
	r.s.say("replica %d: clock stops until %v", r.id, until)
}

// deliver does something in the replica's process, unless that is another by then.
func (r *replica) deliver(d time.Duration, do func()) { r.deliverTo(r.incarnation, d, do) }

func (r *replica) deliverTo(incarnation int, d time.Duration, do func()) {
	var try func()
	try = func() {
		switch {
		case r.incarnation != incarnation:
		case r.s.now < r.pausedUntil:
			r.s.at(r.pausedUntil, try)
		default:
			do()
			r.pump()
		}
	}
	r.s.after(d, try)
}

// expect sees to it that events that happened are delivered, in order.
func (r *replica) expect(kind toyKind) {
	s := r.s
	for ; r.expected[kind] < len(s.log[kind]); r.expected[kind]++ {
		at := max(max(s.now, r.stalled[kind])+s.some(time.Millisecond/10, s.theme.lag), r.lastAt[kind])
		r.lastAt[kind] = at
		r.deliver(at-s.now, func() { r.advance(kind) })
	}
}

// advance applies the next event of a kind.
func (r *replica) advance(kind toyKind) {
	e := r.s.log[kind][r.position[kind]]
	r.position[kind]++
	if e.rv <= r.caught[kind] && !r.s.broken.history {
		return
	}
	r.remember()
	*r.snapshot.at(e.key) = e.object
	if !e.object.there {
		*r.snapshot.at(e.key) = toyObject{}
	}
	r.core.observe(r.clock(), observationOf(e.key, e.object, e.rv))
	r.core.apply(toyResources[kind], e.rv)
	if r.s.broken.settleByAbsence {
		r.settleByAbsence()
	}
}

func observationOf(k toyKey, o toyObject, rv uint64) Observation {
	return Observation{
		Resource: toyResources[k.kind], Ref: refOf(k), UID: uidOf(o.uid), ResourceVersion: strconv.FormatUint(rv, 10),
		Deleted: !o.there, Bound: o.bound,
	}
}

func uidOf(n uint32) types.UID { return types.UID(strconv.FormatUint(uint64(n), 10)) }

// settleByAbsence is a broken rule: what does not show after a while is taken for lost.
func (r *replica) settleByAbsence() {
	if r.core.doc == nil {
		return
	}
	for _, e := range r.core.doc.Entries {
		if _, ok := r.core.settled[e.key()]; !ok && e.Operation == Create && r.clock().Sub(r.core.seen[e.key()]) > 5*time.Second {
			r.core.settled[e.key()] = settlement{at: r.clock(), lost: true}
		}
	}
}

// stale is how old the snapshot is.
func (r *replica) stale() time.Duration {
	var out time.Duration
	for kind := range toyKinds {
		if r.position[kind] < len(r.s.log[kind]) {
			out = max(out, r.s.now-r.s.log[kind][r.position[kind]].at)
		}
	}
	return out
}

// start begins a process with a list of each resource, out of a watch cache that may be old.
func (r *replica) start(old time.Duration) {
	s := r.s
	r.incarnation++
	r.reviews, r.pausedUntil, r.wakeAt = nil, 0, 0
	r.remembered, r.caught = [toyNamespaces * classes]time.Duration{}, [toyKinds]uint64{}
	o := Options{
		Replicas: len(s.replicas), Window: 45 * time.Second, Poll: s.theme.poll, Random: s.rng.Float64, Fresh: s.ledgers == 0,
		Resources: toyResources[:], Newest: neverAsked, Set: func() string { return "set" },
	}
	if s.broken.window > 0 {
		o.Window = s.broken.window
	}
	if s.broken.barrier > 0 {
		o.Barrier = s.broken.barrier
	}
	if s.broken.appear > 0 {
		o.Appear = s.broken.appear
	}
	r.core = newCore(o)
	r.core.flaws = s.broken.flaws
	r.snapshot = s.initial
	for kind := range toyKinds {
		r.position[kind] = 0
		rv := uint64(1)
		for _, e := range s.log[kind] {
			if e.at > s.now-old {
				break
			}
			r.position[kind]++
			rv = e.rv
			*r.snapshot.at(e.key) = e.object
			if !e.object.there {
				*r.snapshot.at(e.key) = toyObject{}
			}
		}
		r.core.listed(toyResources[kind], rv)
		r.expected[kind], r.lastAt[kind], r.stalled[kind] = r.position[kind], s.now, s.now
		for ns := range uint8(toyNamespaces) {
			for name := range uint8(toyNames) {
				k := toyKey{kind, ns, name}
				if item := r.snapshot.at(k); item.there {
					r.core.observe(r.clock(), observationOf(k, *item, item.rv))
				}
			}
		}
		r.expect(kind)
	}
	r.deliver(0, func() {})
	if s.theme.bookmarks > 0 {
		r.bookmark()
	}
}

// bookmark says once a minute how far the watches have come.
func (r *replica) bookmark() {
	r.deliver(r.s.some(r.s.theme.bookmarks/3, r.s.theme.bookmarks), func() {
		for kind := range toyKinds {
			if r.position[kind] == len(r.s.log[kind]) && r.s.now >= r.stalled[kind] {
				r.core.apply(toyResources[kind], r.s.revision)
			}
		}
		r.bookmark()
	})
}

// pump does what the core asks for.
func (r *replica) pump() {
	r.judgeReviews()
	r.store()
	r.read()
	r.catchUp()
	r.judgeReviews()
}

func (r *replica) store() {
	s := r.s
	step, at := r.core.nextStore(r.clock())
	if step.kind == idle {
		r.wake(at)
		return
	}
	process := r.incarnation // that is to get the answer
	take := s.some(0, 4*time.Millisecond)
	if step.kind == load {
		s.after(take, func() {
			if s.chance(s.theme.lost / 2) {
				r.deliverTo(process, 0, func() { r.core.loaded(r.clock(), Object{}, nil, errLost) })
				return
			}
			o, d, err := s.loadLedger()
			r.deliverTo(process, s.some(0, 2*time.Millisecond), func() { r.core.loaded(r.clock(), o, d, err) })
		})
		return
	}
	do := func() (Object, error) {
		if step.kind == create {
			return s.createLedger(step.doc)
		}
		return s.saveLedger(step.object, step.doc)
	}
	if s.chance(s.theme.lost) { // the answer gets lost, and perhaps the write, or it comes late
		s.say("replica %d: the answer of a write is lost", r.id)
		if s.chance(60) {
			late := s.some(0, 5*time.Millisecond)
			if s.chance(30) {
				late = s.some(0, 20*time.Second)
			}
			s.after(late, func() { _, _ = do() })
		}
		r.deliverTo(process, s.some(0, time.Second), func() { r.core.saved(r.clock(), Object{}, errLost) })
		return
	}
	s.after(take, func() {
		o, err := do()
		r.deliverTo(process, s.some(0, 2*time.Millisecond), func() { r.core.saved(r.clock(), o, err) })
	})
}

// wake comes back when the core has something to do by itself.
func (r *replica) wake(at time.Time) {
	d := max(at.Sub(r.clock()), time.Millisecond)
	when := max(r.s.now, r.stopped) + d
	if r.wakeAt > r.s.now && r.wakeAt <= when {
		return
	}
	r.wakeAt = when
	r.deliver(when-r.s.now, func() {})
}

func (r *replica) read() {
	s := r.s
	q, ok, at := r.core.nextRead(r.clock())
	if !ok {
		r.wake(at)
		return
	}
	process := r.incarnation
	s.after(s.some(0, 5*time.Millisecond), func() {
		if q.entry == nil {
			version := s.revision
			r.deliverTo(process, s.some(0, 5*time.Millisecond), func() { r.core.readNewest(r.clock(), q.newest, version, nil) })
			return
		}
		k := keyOf(q.entry.Ref)
		o := *s.truth.at(k)
		out := Outcome{
			Found: o.there, UID: string(uidOf(o.uid)), ResourceVersion: strconv.FormatUint(o.rv, 10), Bound: o.bound,
			ReadVersion: strconv.FormatUint(s.revision, 10),
		}
		r.deliverTo(process, s.some(0, 5*time.Millisecond), func() { r.core.outcome(r.clock(), q, out, nil) })
	})
}

// catchUp compares the objects of a kind with those that are stored.
func (r *replica) catchUp() {
	s := r.s
	resource, ok, at := r.core.nextCatchUp(r.clock())
	if !ok {
		r.wake(at)
		return
	}
	kind := toyKind(slices.Index(toyResources[:], resource))
	process := r.incarnation
	s.after(s.some(0, 5*time.Millisecond), func() {
		stored, version := s.truth.objects[kind], s.revision
		r.deliverTo(process, s.some(0, 5*time.Millisecond), func() {
			r.core.caughtUp(r.clock(), resource)
			if s.broken.uncompared || r.snapshot.objects[kind] == stored {
				s.say("replica %d: %s are those of %d", r.id, resource, version)
				r.caught[kind] = max(r.caught[kind], version)
				r.core.apply(resource, version)
			}
		})
	})
}
