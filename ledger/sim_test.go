package ledger

import (
	"container/heap"
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"
)

// sim is one run of the simulator: API servers, replicas and a ledger under a seeded
// scheduler. Nothing in it depends on anything but the seed.
type sim struct {
	rng    *rand.Rand
	theme  theme
	broken broken
	now    time.Duration
	queue  events
	order  uint64

	truth    toy
	initial  toy
	revision uint64
	uids     uint32
	log      [toyKinds][]toyEvent
	contents []toyObject

	ledger    Object
	doc       *Document
	ledgers   int
	documents []*Document

	replicas  []*replica
	violation string
	planned   bool // a plan was found
	count     counts
	trace     func(string)
}

// counts are what the runs add up to.
type counts struct {
	reviews, allowed, skipped, denied, undecided, persisted, refusedLate, busy, writes, judgements int
}

type toyEvent struct {
	at     time.Duration
	rv     uint64
	key    toyKey
	object toyObject // with there unset: deleted
}

type event struct {
	at    time.Duration
	order uint64
	do    func()
}

type events []event

func (e events) Len() int { return len(e) }
func (e events) Less(i, j int) bool {
	return e[i].at < e[j].at || (e[i].at == e[j].at && e[i].order < e[j].order)
}
func (e events) Swap(i, j int) { e[i], e[j] = e[j], e[i] }
func (e *events) Push(x any)   { *e = append(*e, x.(event)) }
func (e *events) Pop() any {
	old := *e
	last := old[len(old)-1]
	*e = old[:len(old)-1]
	return last
}

func (s *sim) after(d time.Duration, do func()) { s.at(s.now+d, do) }

func (s *sim) at(at time.Duration, do func()) {
	s.order++
	heap.Push(&s.queue, event{max(at, s.now), s.order, do})
}

// some is a time between two, in steps of a tenth of a millisecond.
func (s *sim) some(from, to time.Duration) time.Duration {
	return from + time.Duration(s.rng.Int64N(int64(to-from)/int64(100*time.Microsecond)+1))*100*time.Microsecond
}

func (s *sim) chance(percent int) bool { return s.rng.IntN(100) < percent }

func (s *sim) say(format string, args ...any) {
	if s.trace != nil {
		s.trace(fmt.Sprintf("%9.4f %s", s.now.Seconds(), fmt.Sprintf(format, args...)))
	}
}

// run is one interleaving; it returns what went wrong.
func (s *sim) run() string {
	s.begin()
	for len(s.queue) > 0 && s.violation == "" && s.now < s.theme.end {
		e := heap.Pop(&s.queue).(event)
		s.now = e.at
		e.do()
	}
	for _, r := range s.replicas {
		s.count.writes += int(r.core.stats.Writes)
		s.count.judgements += int(r.core.stats.Judgements)
	}
	return s.violation
}

// persist is a write to etcd.
func (s *sim) persist(k toyKey, o toyObject) {
	s.revision++
	o.rv = s.revision
	*s.truth.at(k) = o
	if !o.there {
		*s.truth.at(k) = toyObject{}
	}
	s.log[k.kind] = append(s.log[k.kind], toyEvent{at: s.now, rv: s.revision, key: k, object: o})
	s.say("etcd %d: %s", s.revision, describe(k, o))
	if open := oracleOpen(&s.truth); len(open) > 0 {
		s.violation = fmt.Sprintf("at %v a forbidden path is open: %+v", s.now, open[0])
		s.say("%s", s.violation)
	}
	for _, r := range s.replicas {
		r.expect(k.kind)
	}
}

func describe(k toyKey, o toyObject) string {
	if !o.there {
		return fmt.Sprintf("%s %s/%s deleted (uid %d)", toyKindNames[k.kind], toyNamespaceNames[k.ns], toyObjectNames[k.name], o.uid)
	}
	return fmt.Sprintf("%s %s/%s = label %d bound %v rule %+v (uid %d)", toyKindNames[k.kind], toyNamespaceNames[k.ns], toyObjectNames[k.name],
		o.label, o.bound, o.rule, o.uid)
}

// intern gives an object a content, by which an entry holds it.
func (s *sim) intern(o toyObject) []byte {
	s.contents = append(s.contents, o)
	return strconv.AppendInt(nil, int64(len(s.contents)-1), 10)
}

func (s *sim) content(raw []byte) toyObject {
	i, err := strconv.Atoi(string(raw))
	if err != nil {
		panic(err)
	}
	return s.contents[i]
}

// The ledger object in etcd.

func (s *sim) loadLedger() (Object, *Document, error) {
	if s.doc == nil {
		return Object{}, nil, ErrMissing
	}
	return s.ledger, s.doc, nil
}

func (s *sim) saveLedger(base Object, d *Document) (Object, error) {
	switch {
	case s.doc == nil:
		return Object{}, ErrMissing
	case s.ledger.UID != base.UID || s.ledger.Version != base.Version:
		return Object{}, ErrConflict
	}
	return s.putLedger(d), nil
}

func (s *sim) createLedger(d *Document) (Object, error) {
	if s.doc != nil {
		return Object{}, ErrConflict
	}
	s.ledgers++
	s.ledger.UID = strconv.Itoa(s.ledgers)
	return s.putLedger(d), nil
}

func (s *sim) putLedger(d *Document) Object {
	if s.theme.codec { // by way of the bytes, now and then: it is slower
		data, err := d.Encode()
		if err != nil {
			panic(err)
		}
		if d, err = Decode(data); err != nil {
			panic(err)
		}
	}
	s.revision++
	s.ledger.Version = strconv.FormatUint(s.revision, 10)
	s.doc = d
	s.documents = append(s.documents, d)
	if s.trace != nil {
		text := ""
		for _, e := range d.Entries {
			text += fmt.Sprintf(" %d:%s %s/%s", e.ID, e.Operation, e.Ref, e.UID)
		}
		s.say("ledger %s seq %d floors %v:%s", s.ledger.Version, d.Sequence, d.Floors, text)
	}
	o := s.ledger
	for _, r := range s.replicas {
		if s.chance(70) {
			r.deliver(s.some(0, 8*time.Millisecond), func() { r.core.saw(r.clock(), o, d, nil, false) })
		}
	}
	return o
}
