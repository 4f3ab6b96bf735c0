package ledger

import (
	"math/rand/v2"
	"time"
)

// theme is what may happen in a run.
type theme struct {
	replicas  int
	end       time.Duration
	lag, poll time.Duration
	lost      int // percent of answers of the ledger
	codec     bool
	bookmarks time.Duration // how long they take at most
	// How many of each, at most.
	pauses, restarts, clocks, stalls, losses, restores, evictions int
	noise                                                         int
	templates                                                     bool
	// late changes land when they can at the latest.
	late bool
	// brink is a template that goes as late as can be, and a pod that was let through
	// by a snapshot that is as old as can be.
	brink bool
	// repeats are changes that come to nothing, and then come once more.
	repeats bool
	// passing objects come and go while a replica sees nothing of them.
	passing bool
	// twice is when the changes of the plan are asked for by two clients.
	twice bool
	// calm changes are written at once, and nothing else happens.
	calm bool
	// bindings are of pods that are relabelled in the same moment.
	bindings bool
	// far is how far apart the changes of the plan may be.
	far time.Duration
}

// pick makes a theme up.
func pick(rng *rand.Rand) theme {
	some := func(percent, most int) int {
		if rng.IntN(100) < percent {
			return 1 + rng.IntN(most)
		}
		return 0
	}
	t := theme{
		replicas: 1 + rng.IntN(3), end: 150 * time.Second, lag: 10 * time.Millisecond, poll: 30 * time.Second, codec: rng.IntN(50) == 0,
		noise: rng.IntN(4), templates: rng.IntN(4) == 0, far: 5 * time.Millisecond,
	}
	switch rng.IntN(4) {
	case 0:
		t.far = 2 * time.Second
	case 1:
		t.far = 60 * time.Second
	}
	if rng.IntN(3) == 0 {
		t.lag = time.Second
	}
	t.lost = some(15, 40)
	t.pauses, t.restarts, t.clocks = some(15, 2), some(20, 2), some(10, 2)
	t.stalls, t.evictions = some(15, 3), some(10, 3)
	t.late, t.repeats, t.passing = rng.IntN(6) == 0, rng.IntN(8) == 0, rng.IntN(20) == 0
	t.bindings, t.twice = rng.IntN(12) == 0, rng.IntN(10) == 0
	t.brink = t.templates && t.replicas > 1 && rng.IntN(4) == 0
	switch rng.IntN(12) {
	case 0:
		t.losses = 1
	case 1:
		t.restores, t.restarts, t.pauses = 1, 0, 0
	}
	if t.losses+t.restores > 0 {
		t.end, t.far, t.bookmarks = 250*time.Second, 120*time.Second, time.Minute
	}
	if t.restarts > 0 {
		t.bookmarks = time.Minute
	}
	return t
}

// begin sets the scene: a cluster in which nothing forbidden is open, replicas, and
// changes each of which is harmless while all together are not.
func (s *sim) begin() {
	s.revision = 1000
	s.furnish()
	s.initial = s.truth
	if s.chance(90) { // else it is new, and the replicas make it
		if _, err := s.createLedger(&Document{Schema: schema, Sequence: 1, Next: 1}); err != nil {
			panic(err)
		}
	}
	for id := range s.theme.replicas {
		s.replicas = append(s.replicas, &replica{s: s, id: id})
	}
	for _, r := range s.replicas {
		r.start(0)
	}
	// When the ledger is there, and something goes wrong in time.
	from := 50 * time.Millisecond
	s.plan(from)
	s.disturb(from)
}

// furnish fills the cluster.
func (s *sim) furnish() {
	for tries := 0; ; tries++ {
		s.truth = toy{}
		for ns := range uint8(toyNamespaces) {
			s.put(toyKey{toyNS, ns, 0}, toyObject{label: uint8(s.rng.IntN(2))})
			for name := range uint8(toyNames) {
				if s.chance(25) {
					s.put(toyKey{toyPod, ns, name}, toyObject{label: uint8(s.rng.IntN(4)), bound: s.chance(70)})
				}
				if s.theme.templates && s.chance(20) {
					s.put(toyKey{toyTemplate, ns, name}, toyObject{label: uint8(s.rng.IntN(4))})
				}
				if s.chance(40) {
					s.put(toyKey{toyNetpol, ns, name}, toyObject{rule: s.rule()})
				}
			}
			if tries > 6 {
				s.put(toyKey{toyNetpol, ns, 0}, toyObject{rule: toyRule{mask: labelB, value: labelB, ingress: true, nothing: true}})
			}
			if tries > 9 {
				s.put(toyKey{toyNetpol, ns, 1}, toyObject{rule: toyRule{mask: labelA, value: labelA, egress: true, nothing: true}})
				s.put(toyKey{toyNetpol, ns, 2}, toyObject{})
				s.truth.at(toyKey{toyNetpol, ns, 2}).there = false
			}
		}
		if isShut(&s.truth) {
			return
		}
	}
}

func isShut(c *toy) bool { return c.open(&ghosts{}) == paths{} }

func (s *sim) put(k toyKey, o toyObject) {
	s.uids++
	o.there, o.uid, o.rv = true, s.uids, uint64(10+s.uids)
	*s.truth.at(k) = o
}

func (s *sim) rule() toyRule {
	r := toyRule{mask: uint8(s.rng.IntN(8)), value: uint8(s.rng.IntN(8)), peerNS: uint8(s.rng.IntN(3)), peerMask: uint8(s.rng.IntN(8)), peerValue: uint8(s.rng.IntN(8))}
	if s.chance(60) {
		r.mask &= labelA | labelB
		r.peerMask &= labelA | labelB
	}
	r.value &= r.mask
	r.peerValue &= r.peerMask
	switch s.rng.IntN(3) {
	case 0:
		r.ingress = true
	case 1:
		r.egress = true
	default:
		r.ingress, r.egress = true, true
	}
	r.nothing = s.chance(30)
	return r
}

// candidate is a change to a cluster as it is.
func (s *sim) candidate(c *toy) change {
	k := toyKey{ns: uint8(s.rng.IntN(toyNamespaces)), name: uint8(s.rng.IntN(toyNames))}
	n := s.rng.IntN(100)
	switch {
	case n < 40:
		k.kind = toyNetpol
	case n < 50:
		k.kind, k.name = toyNS, 0
		return change{key: k, object: toyObject{label: 1 - c.at(k).label}}
	case n < 60 && s.theme.templates:
		k.kind = toyTemplate
	default:
		k.kind = toyPod
	}
	o := c.at(k)
	out := change{key: k}
	switch {
	case o.there && k.kind == toyPod && !o.bound && s.chance(60):
		return change{key: k, bind: true, object: toyObject{label: labelZ}}
	case o.there && s.chance(50):
		out.delete = true
		out.collection = s.chance(15)
		return out
	}
	out.object = toyObject{label: uint8(s.rng.IntN(4)), rule: s.rule()}
	switch k.kind {
	case toyNetpol:
		out.object.label = 0
	case toyPod, toyTemplate:
		out.object.rule = toyRule{}
	}
	if k.kind == toyPod && s.theme.templates && !o.there && s.chance(60) {
		for name := range toyNames {
			if t := c.objects[toyTemplate][k.ns][name]; t.there {
				out.object.label, out.object.owner = t.label, t.uid
			}
		}
	}
	return out
}

// do is what a change leads to.
func (c toy) do(what ...change) toy {
	for _, w := range what {
		o := c.at(w.key)
		switch {
		case w.delete:
			*o = toyObject{}
		case w.bind:
			if o.there {
				o.label |= w.object.label
			}
		default:
			*o = w.object
			o.there = true
		}
	}
	return c
}

// plan looks for changes that are harmless one by one, and puts them on the clock with
// others that mask them.
func (s *sim) plan(from time.Duration) {
	if s.theme.templates && s.chance(50) {
		s.templates(from)
		return
	}
	if s.theme.bindings {
		s.bindings(from)
		return
	}
	var plan []change
	for range 60 {
		a := s.candidate(&s.truth)
		first := s.truth.do(a)
		if !isShut(&first) {
			continue
		}
		b := s.candidate(&s.truth)
		if second := s.truth.do(b); (a.key == b.key && a.bind == b.bind) || !isShut(&second) {
			continue
		}
		if both := s.truth.do(a, b); !isShut(&both) {
			plan = []change{a, b}
			break
		}
		if s.chance(20) {
			c := s.candidate(&s.truth)
			third, all := s.truth.do(c), s.truth.do(a, b, c)
			if c.key != a.key && c.key != b.key && isShut(&third) && !isShut(&all) {
				plan = []change{a, b, c}
				break
			}
		}
	}
	s.planned = len(plan) > 0
	for i, c := range plan {
		switch {
		case s.theme.repeats && i == 0 && !c.bind:
			s.repeat(from, c, plan[1])
			return
		case s.theme.passing && i == 0 && s.passing(from, c, plan[1]):
			return
		case s.theme.losses > 0 && i == 0 && !c.bind && s.chance(60):
			s.forget(from, c, plan[1])
			return
		}
		s.schedule(from, c)
		if !s.theme.calm && s.chance(30) {
			s.decoys(from, c)
		}
	}
	for range s.theme.noise {
		at := from + s.some(0, s.theme.far+5*time.Millisecond)
		s.at(at, func() {
			c := s.candidate(&s.truth)
			if len(plan) > 0 && s.chance(50) {
				c.key = plan[s.rng.IntN(len(plan))].key
				if c.key.kind == toyNS {
					return
				}
			}
			c.quota, c.slow = s.chance(30), s.slow()
			s.submit(c)
		})
	}
}

func (s *sim) slow() time.Duration {
	if s.theme.calm {
		return s.some(0, 10*time.Millisecond)
	}
	switch n := s.rng.IntN(100); {
	case n < 55:
		return s.some(0, 10*time.Millisecond)
	case n < 70:
		return s.some(0, 2*time.Second)
	}
	return s.some(0, 70*time.Second) // cut off where no request may take longer
}

func (s *sim) schedule(from time.Duration, c change) {
	c.slow = s.slow()
	if s.theme.late && s.chance(50) {
		c.slow = 80 * time.Second
	}
	s.at(from+s.some(0, s.theme.far), func() { s.submit(c) })
	if s.theme.twice {
		again := c
		again.slow = s.slow()
		s.at(from+s.some(0, s.theme.far+time.Second), func() { s.submit(again) })
	}
}

// decoys are changes of the same object that come to nothing, or are undone.
func (s *sim) decoys(from time.Duration, c change) {
	if c.bind || c.key.kind == toyNS {
		return
	}
	at := from + s.some(0, s.theme.far)
	other := s.candidate(&s.truth)
	decoy := change{key: c.key, object: other.object, quota: s.chance(50), slow: s.slow()}
	if decoy.object == (toyObject{}) && c.key.kind == toyNetpol {
		decoy.object.rule = s.rule()
	}
	s.at(at, func() { s.submit(decoy) })
	if s.chance(60) {
		s.at(at+s.some(0, 3*time.Second), func() { s.submit(change{key: c.key, delete: true, slow: s.some(0, 10*time.Millisecond)}) })
	}
}

// templates takes a template away while a pod of it is made, and has a change come that
// is harmless when neither is there.
func (s *sim) templates(from time.Duration) {
	for range 200 {
		k := toyKey{toyTemplate, uint8(s.rng.IntN(toyNamespaces)), uint8(s.rng.IntN(toyNames))}
		template := *s.truth.at(k)
		if !template.there {
			continue
		}
		gone := change{key: k, delete: s.chance(50), object: toyObject{label: uint8(s.rng.IntN(4))}}
		pod := change{key: toyKey{toyPod, k.ns, uint8(s.rng.IntN(toyNames))}, object: toyObject{label: template.label, owner: template.uid}}
		if s.truth.at(pod.key).there {
			continue
		}
		without := s.truth.do(gone)
		other := s.candidate(&without)
		one, all := without.do(other), without.do(pod, other)
		if !isShut(&without) || !isShut(&one) || isShut(&all) || other.key == pod.key || other.key == k {
			continue
		}
		gone.slow, pod.slow, other.slow = s.slow(), s.slow(), s.some(0, 10*time.Millisecond)
		if s.chance(30) {
			gone.slow = s.some(0, 10*time.Millisecond)
		}
		if !s.theme.brink {
			s.at(from+s.some(0, 5*time.Millisecond), func() { s.submit(gone) })
			s.at(from+s.some(0, 5*time.Millisecond), func() { s.submit(pod) })
			s.at(from+s.some(0, 90*time.Second), func() { s.submit(other) })
			return
		}
		gone.slow, pod.slow = 80*time.Second, 80*time.Second
		s.replicas[0].stalled[toyTemplate] = from + 56*time.Second
		s.at(from, func() { s.submit(gone) })
		s.at(from+s.some(42*time.Second, 56*time.Second), func() { s.submit(pod) })
		s.at(from+s.some(70*time.Second, 98*time.Second), func() { s.submit(other) })
		return
	}
}

// bindings relabels a pod while it is bound.
func (s *sim) bindings(from time.Duration) {
	for range 200 {
		k := toyKey{toyPod, uint8(s.rng.IntN(toyNamespaces)), uint8(s.rng.IntN(toyNames))}
		if o := s.truth.at(k); !o.there || o.bound {
			continue
		}
		relabel := change{key: k, object: toyObject{label: uint8(s.rng.IntN(4))}, slow: s.some(0, 10*time.Millisecond)}
		bind := change{key: k, bind: true, object: toyObject{label: labelZ}, slow: s.slow()}
		one, other, both := s.truth.do(relabel), s.truth.do(bind), s.truth.do(relabel, bind)
		if isShut(&one) && isShut(&other) && !isShut(&both) {
			s.at(from+s.some(0, s.theme.far), func() { s.submit(relabel) })
			s.at(from+s.some(0, s.theme.far), func() { s.submit(bind) })
			return
		}
	}
}

// repeat has a change come to nothing, and once more just before it is forgotten.
func (s *sim) repeat(from time.Duration, c, other change) {
	first := c
	first.quota = true
	c.slow, other.slow = s.slow(), s.some(0, 10*time.Millisecond)
	s.at(from, func() { s.submit(first) })
	s.at(from+s.some(0, 46*time.Second), func() { s.submit(c) })
	s.at(from+s.some(40*time.Second, 60*time.Second), func() { s.submit(other) })
}

// forget has the ledger deleted while a change of the plan is in flight.
func (s *sim) forget(from time.Duration, c, other change) {
	c.collection = c.delete
	c.slow, other.slow = s.slow(), s.some(0, 10*time.Millisecond)
	if s.chance(50) {
		c.slow = 80 * time.Second
	}
	s.at(from, func() { s.submit(c) })
	s.at(from+s.some(10*time.Millisecond, time.Second), func() {
		s.doc = nil
		s.say("the ledger is deleted")
	})
	s.at(from+s.some(0, 110*time.Second), func() { s.submit(other) })
}

// disturb puts the bad days on the clock.
func (s *sim) disturb(from time.Duration) {
	when := func() time.Duration { return from + s.some(0, s.theme.far+20*time.Millisecond) }
	any := func() *replica { return s.replicas[s.rng.IntN(len(s.replicas))] }
	length := func() time.Duration {
		if s.chance(40) {
			return s.some(0, 100*time.Millisecond)
		}
		return s.some(0, 100*time.Second)
	}
	for range s.theme.pauses {
		s.at(when(), func() {
			r := any()
			r.pausedUntil = s.now + length()
			s.say("replica %d: paused until %v", r.id, r.pausedUntil)
		})
	}
	for range s.theme.clocks {
		s.at(when(), func() { any().stopClock(s.now + length()) })
	}
	for range s.theme.stalls {
		s.at(when(), func() {
			r, kind := any(), toyKind(s.rng.IntN(int(toyKinds)))
			r.stalled[kind] = s.now + length()
			s.say("replica %d: %s show nothing new until %v", r.id, toyResources[kind], r.stalled[kind])
		})
	}
	for range s.theme.restarts {
		s.at(when(), func() {
			r := any()
			r.incarnation++ // killed
			s.say("replica %d: killed", r.id)
			s.after(s.some(0, 5*time.Second), func() {
				r.start(length())
				s.say("replica %d: started", r.id)
			})
		})
	}
	for range s.theme.evictions {
		s.at(when(), s.evict)
	}
	for range s.theme.losses {
		s.at(when(), func() {
			s.doc = nil
			s.say("the ledger is deleted")
		})
	}
	for range s.theme.restores {
		s.at(when(), s.restore)
	}
}

// evict takes a pod away without asking anybody.
func (s *sim) evict() {
	k := toyKey{toyPod, uint8(s.rng.IntN(toyNamespaces)), uint8(s.rng.IntN(toyNames))}
	if o := *s.truth.at(k); o.there {
		o.there = false
		s.persist(k, o)
	}
}

// restore brings back a ledger that is older than what any replica remembers: that
// nobody remembers a newer one is what the guarantee excludes.
func (s *sim) restore() {
	least := ^uint64(0)
	for _, r := range s.replicas {
		least = min(least, r.core.sequence)
	}
	for range 10 {
		if len(s.documents) == 0 {
			return
		}
		if d := s.documents[s.rng.IntN(len(s.documents))]; d.Sequence < least {
			s.say("the ledger of sequence %d is restored", d.Sequence)
			if s.doc == nil || s.chance(30) {
				s.ledgers++
				s.ledger.UID = formatVersion(uint64(s.ledgers))
			}
			s.putLedger(d)
			return
		}
	}
}
