package ledger

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/podcullis/podcullis/cluster"
)

var (
	errLost      = errors.New("no answer")
	errDenied    = errors.New("denied")
	errUndecided = fmt.Errorf("in the toy: %w", ErrUndecided)
)

func neverAsked(context.Context, string) (string, error) { panic("the simulator reads by itself") }

func refOf(k toyKey) cluster.Ref {
	if k.kind == toyNS {
		return cluster.Ref{Kind: "Namespace", Name: toyNamespaceNames[k.ns]}
	}
	return cluster.Ref{Namespace: toyNamespaceNames[k.ns], Kind: toyKindNames[k.kind], Name: toyObjectNames[k.name]}
}

func keyOf(r cluster.Ref) (k toyKey) {
	k.kind = toyKind(slices.Index(toyKindNames[:], r.Kind))
	if k.kind == toyNS {
		k.ns = uint8(slices.Index(toyNamespaceNames[:], r.Name))
		return k
	}
	k.ns = uint8(slices.Index(toyNamespaceNames[:], r.Namespace))
	k.name = uint8(slices.Index(toyObjectNames[:], r.Name))
	return k
}

// change is what somebody asks an API server for.
type change struct {
	key    toyKey
	delete bool
	// collection deletions may take longer.
	collection bool
	bind       bool
	object     toyObject // after it
	attempts   int
	// slow is how long others that are asked after us hold it.
	slow  time.Duration
	quota bool // something after us refuses it
}

// review is a change that a replica was asked about.
type review struct {
	change  change
	base    toyObject // as it was reviewed
	begun   time.Duration
	replica *replica
	ticket  *ticket
	entry   Entry
	done    bool
	// twin is the other of two webhooks of ours that are asked about the same change.
	twin *review
	yes  bool
}

// submit brings a change to an API server, which reads what is stored and asks a replica.
func (s *sim) submit(c change) {
	v := &review{change: c, base: *s.truth.at(c.key), begun: s.now}
	switch {
	case c.bind && (!v.base.there || v.base.bound), c.delete && !v.base.there, c.key.kind == toyNS && c.delete:
		return
	case c.bind, c.delete:
	case v.base.there:
		v.change.object.uid, v.change.object.bound, v.change.object.owner = v.base.uid, v.base.bound, v.base.owner
		if v.base.bound && c.key.kind == toyPod {
			v.change.object.label |= v.base.label & labelZ
		}
	default:
		s.uids++
		v.change.object.uid = s.uids
	}
	v.change.object.there = !c.delete
	v.replica = s.replicas[s.rng.IntN(len(s.replicas))]
	if s.chance(10) {
		w := *v
		w.replica, w.twin, v.twin = s.replicas[s.rng.IntN(len(s.replicas))], v, &w
		w.ask()
	}
	v.ask()
}

func (v *review) ask() {
	s := v.replica.s
	s.count.reviews++
	v.replica.deliver(s.some(0, 2*time.Millisecond), func() { v.replica.review(v) })
}

// review begins to judge.
func (r *replica) review(v *review) {
	if v.idle() {
		v.answer(nil)
		return
	}
	v.entry = r.entryOf(v)
	if r.skips(v) {
		r.s.count.skipped++
		if r.judge(v, r.core.view(), r.snapshot) == nil {
			r.s.say("replica %d: %s %s needs no entry", r.id, v.entry.Operation, v.entry.Ref)
			v.answer(nil)
			return
		}
	}
	seen := View{}
	if r.s.chance(30) { // judged before it is announced
		seen = r.core.view()
		if err := r.judge(v, seen, r.snapshot); err != nil {
			v.answer(err)
			return
		}
	}
	v.ticket = r.core.begin(r.clock(), v.entry, seen)
	r.reviews = append(r.reviews, v)
	r.deliver(time.Second, func() { r.core.giveUp(v.ticket) })
}

// judgeReviews lets those judge that have to, and answers those that are done.
func (r *replica) judgeReviews() {
	for _, v := range slices.Clone(r.reviews) {
		if view, ok := r.core.toJudge(v.ticket); ok {
			snapshot := r.snapshot
			current := r.s.chance(50)
			r.deliver(r.s.some(0, 2*time.Millisecond), func() {
				if current {
					snapshot = r.snapshot
				}
				err := r.judge(v, view, snapshot)
				r.s.say("replica %d: judges %s %s with %d in flight (again %v %v): %v", r.id, v.entry.Operation, v.entry.Ref, len(view.Entries), view.Again, view.Namespaces, err)
				r.core.judged(v.ticket, view, err)
			})
		}
		if v.ticket.state == ticketDone && !v.done {
			v.answer(v.ticket.err)
		}
	}
	r.reviews = slices.DeleteFunc(r.reviews, func(v *review) bool { return v.done })
}

func (v *review) idle() bool {
	o := v.change.object
	if v.change.bind {
		return v.change.object.label == 0
	}
	b := v.base
	return b.there && o.there && b.label == o.label && b.rule == o.rule
}

func (r *replica) entryOf(v *review) Entry {
	s, c := r.s, v.change
	e := Entry{Ref: refOf(c.key), Resource: toyResources[c.key.kind], UID: uidOf(v.base.uid), Base: strconv.FormatUint(v.base.rv, 10), Set: "set"}
	switch {
	case c.bind:
		e.Operation, e.Base = Bind, ""
		content := c.object
		if s.broken.bindVersion { // the pod as it is known, and not its labels alone
			content = *r.snapshot.at(c.key)
			content.label |= c.object.label
		}
		e.Content = s.intern(content)
	case c.delete:
		e.Operation = Delete
		if c.collection {
			e.Operation = DeleteCollection
		}
	case v.base.there:
		e.Operation, e.Content = Update, s.intern(c.object)
	default:
		e.Operation, e.UID, e.Base, e.Content = Create, uidOf(c.object.uid), "", s.intern(c.object)
	}
	e.Digest = digestOf(c)
	if c.key.kind == toyTemplate && v.base.there && (c.delete || v.base.label != c.object.label) && s.broken.appear >= 0 {
		e.Before = s.intern(v.base)
	}
	return e
}

func digestOf(c change) string {
	return strconv.Itoa(int(c.object.label)) + " " + strconv.Itoa(int(c.object.rule.mask)<<24|int(c.object.rule.value)<<16|int(c.object.rule.peerMask)<<8|int(c.object.rule.peerValue)) +
		strconv.FormatBool(c.object.rule.ingress) + strconv.FormatBool(c.object.rule.egress) + strconv.FormatBool(c.object.rule.nothing) + strconv.Itoa(int(c.object.rule.peerNS))
}

// skips reports whether a change is written nowhere.
func (r *replica) skips(v *review) bool {
	c, b := v.change, &r.s.broken
	if c.key.kind != toyPod || c.bind {
		return false
	}
	if c.delete {
		return true // it takes a peer away, and is seldom announced anyway
	}
	class := int(c.key.ns)*classes + int(c.object.label)
	if b.mentioned && !r.mentioned(c.object.label^v.base.label) {
		return true
	}
	if v.base.there {
		return false
	}
	if b.podThere {
		for name := range toyNames {
			if p := r.snapshot.objects[toyPod][c.key.ns][name]; p.there && p.label == c.object.label {
				return true
			}
		}
	}
	if b.classPending {
		for _, e := range r.core.view().Entries {
			if e.Operation == Create && e.Ref.Kind == "Pod" && e.Place() == v.entry.Place() && r.s.content(e.Content).label == c.object.label {
				return true
			}
		}
	}
	if b.remembered > 0 && r.remembered[class] > 0 && r.s.now-r.remembered[class] < b.remembered {
		return true
	}
	if c.object.owner == 0 || r.stale() > 15*time.Second {
		return false
	}
	for name := range uint8(toyNames) {
		k := toyKey{toyTemplate, c.key.ns, name}
		t := r.snapshot.at(k)
		if !t.there || t.uid != c.object.owner || t.label != c.object.label&^labelZ {
			continue
		}
		touched := slices.ContainsFunc(r.core.view().Entries, func(e Entry) bool { return e.Ref == refOf(k) && e.Operation != Appear })
		return !touched
	}
	return false
}

// remember is for a filter that relies on what was there a while ago.
func (r *replica) remember() {
	if r.s.broken.remembered == 0 {
		return
	}
	for ns := range toyNamespaces {
		for name := range toyNames {
			if p := r.snapshot.objects[toyPod][ns][name]; p.there {
				r.remembered[ns*classes+int(p.label)] = r.s.now
			}
		}
	}
}

// mentioned reports whether a netpol that shows looks at any of the labels.
func (r *replica) mentioned(labels uint8) bool {
	for ns := range toyNamespaces {
		for name := range toyNames {
			if n := &r.snapshot.objects[toyNetpol][ns][name]; n.there && (n.rule.mask|n.rule.peerMask)&labels != 0 {
				return true
			}
		}
	}
	return false
}

// judge is the webhook's: the change must open nothing in any world.
func (r *replica) judge(v *review, view View, snapshot toy) error {
	s := r.s
	if v.change.key.kind == toyPod && v.change.bind && snapshot.at(v.change.key).uid != v.base.uid &&
		!slices.ContainsFunc(view.Entries, func(e Entry) bool { return e.Ref == v.entry.Ref && e.UID == uidOf(v.base.uid) }) {
		return errUndecided // not seen yet
	}
	entries := view.Entries
	if s.broken.overlooks(v.entry) != nil {
		entries = slices.DeleteFunc(slices.Clone(entries), s.broken.overlooks(v.entry))
		view.Entries = entries
	}
	if s.broken.selected {
		view.Entries = slices.DeleteFunc(slices.Clone(entries), func(e Entry) bool { return e.Ref.Kind == "Pod" && !r.selects(e, &snapshot, v) })
	}
	worlds, err := view.Worlds(v.entry)
	if err != nil {
		return err
	}
	var lower, upper paths
	var denied error
	first := true
	for world := range worlds {
		before, after := s.open(v, world, snapshot)
		if _, bad := after.less(&before); bad && denied == nil {
			denied = errUndecided
			if len(world) == 0 {
				denied = errDenied
			}
		}
		lower.add(&before)
		upper.add(&after)
		if first && s.broken.noWorlds {
			break
		}
		first = false
	}
	if s.broken.upperLessUpper {
		denied = nil
		if _, bad := upper.less(&lower); bad {
			denied = errDenied
		}
	}
	return denied
}

// selects is for a filter by selectors: of pods in flight only those matter that a netpol picks.
func (r *replica) selects(e Entry, snapshot *toy, v *review) bool {
	if e.Content == nil {
		return true
	}
	label := r.s.content(e.Content).label
	k := keyOf(e.Ref)
	for name := range toyNames {
		n := &snapshot.objects[toyNetpol][k.ns][name]
		if n.there && label&n.rule.mask == n.rule.value&n.rule.mask {
			return true
		}
	}
	return false
}

// open is what is open in a world before and after a change.
func (s *sim) open(v *review, world []Entry, snapshot toy) (before, after paths) {
	b := &snapshot
	var extra ghosts
	for _, e := range world {
		k := keyOf(e.Ref)
		switch e.Operation {
		case Appear:
			label := s.content(e.Content).label
			extra[k.ns] |= 1<<label | 1<<(label|labelZ)
		case Bind:
			if s.broken.bindVersion {
				*b.at(k) = s.content(e.Content)
			}
		case Delete, DeleteCollection:
			*b.at(k) = toyObject{}
		default:
			*b.at(k) = s.content(e.Content)
		}
	}
	own := v.change.key
	if !v.change.bind {
		*b.at(own) = v.base // the only version over which it persists
	}
	a := *b
	overlay := func(c *toy, k toyKey, label uint8) {
		if p := c.at(k); p.there {
			p.label |= label
			p.bound = true
		}
	}
	switch {
	case v.change.bind:
		overlay(&a, own, v.change.object.label)
	case v.change.delete:
		*a.at(own) = toyObject{}
	default:
		*a.at(own) = v.change.object
	}
	for _, e := range world {
		if e.Operation == Bind && !s.broken.bindVersion {
			label := s.content(e.Content).label
			overlay(b, keyOf(e.Ref), label)
			overlay(&a, keyOf(e.Ref), label)
		}
	}
	return b.open(&extra), a.open(&extra)
}

// answer is what the API server gets, which does the rest.
func (v *review) answer(err error) {
	s := v.replica.s
	v.done = true
	switch {
	case err == nil:
		s.count.allowed++
	case errors.Is(err, errDenied):
		s.count.denied++
	case errors.Is(err, errUndecided), errors.Is(err, ErrTooMany):
		s.count.undecided++
	default:
		s.count.busy++
	}
	if s.now-v.begun > 10*time.Second { // the API server has given up
		s.count.refusedLate++
		return
	}
	if err != nil {
		if !errors.Is(err, errDenied) {
			s.again(v.change, time.Second)
		}
		return
	}
	v.yes = true
	if v.change.quota || (v.twin != nil && !v.twin.yes) {
		return
	}
	// The write is begun within 34 s of the review (a collection's within 60), and
	// etcd takes up to 7 s (5) for it.
	limit := 41 * time.Second
	if v.change.collection {
		limit = 65*time.Second - 100*time.Millisecond
	}
	at := min(s.now+v.change.slow, v.begun+limit)
	s.at(at, v.persist)
}

// again is a client that tries again, a few times.
func (s *sim) again(c change, after time.Duration) {
	if c.attempts++; c.attempts > 3 {
		return
	}
	c.slow = 0
	s.after(after+s.some(0, 100*time.Millisecond), func() { s.submit(c) })
}

// persist is the write, over what was reviewed and nothing else.
func (v *review) persist() {
	s, k := v.replica.s, v.change.key
	stored := s.truth.at(k)
	o := v.change.object
	switch {
	case v.change.bind:
		if !stored.there || stored.uid != v.base.uid || stored.bound {
			return
		}
		label := o.label
		o = *stored
		o.label |= label
		o.bound = true
	case v.base.there:
		if !stored.there || stored.uid != v.base.uid || stored.rv != v.base.rv {
			s.again(v.change, 0)
			return
		}
		o.uid = v.base.uid
	case stored.there:
		return // AlreadyExists
	}
	s.count.persisted++
	s.persist(k, o)
}
