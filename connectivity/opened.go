package connectivity

import (
	"iter"
	"slices"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/cluster/selector"
)

// Opened lists the connections that lead from before to after: open after and
// not open before, or unknown after and blocked before. A connection was there
// before only if it was between ends that these pods and templates may be compared
// with (see past), and if the query chose both of them on the same sides then: a
// new pod of an existing workload opens nothing that its siblings had, and a bare pod
// that names somebody's controller gets nothing by it.
//
// The query chooses a peer by what it is after the change or by what it was
// before: relabelling a frontend does not make it somebody else.
func Opened(before, after *cluster.Snapshot, q Query, o Options) []Connection {
	if q.Scope == Possible {
		return possible(before, after, q, o)
	}
	t := &transition{
		before:  newEvaluator(before, o).asking(q),
		after:   newEvaluator(after, o).asking(q),
		query:   q,
		options: o,
		delta:   o.since(after, before),

		strangers: true,
	}
	if !t.matters() {
		return nil
	}
	out := q.answer(after, t.opened())
	slices.SortStableFunc(out, compareConnections)
	return out
}

// missing lists the connections of a snapshot that another one with the same pods,
// templates and namespaces has not, peers as a whole.
func missing(from, in *cluster.Snapshot, q Query, o Options) []Connection {
	t := &transition{
		before: newEvaluator(in, o), after: newEvaluator(from, o), query: q, options: o, delta: from.Since(in), whole: true,
	}
	return t.opened()
}

// transition compares two snapshots under one query.
type transition struct {
	before, after *evaluator
	query         Query
	options       Options
	delta         cluster.Delta
	pasts         map[*cluster.Variant][]past
	podsWere      map[*cluster.Workload]map[string]*cluster.Variant
	strangers     bool                     // see pairsWithin
	whole         bool                     // peers are compared as Open lists them, not end by end
	keys          map[string]*cluster.Keys // see keysIn
	// from and to are the ends on each side of the query.
	from, to map[*cluster.Workload][]sides
	// What tells pods apart.
	forces    map[string][]selector.Selector
	portNames map[portName]bool
}

func (t *transition) opened() []Connection {
	q := t.query
	if q.From.external() && q.To.external() {
		return nil
	}
	affected := t.affected()
	var out []Connection
	switch {
	case q.From.external():
		for _, to := range t.chosenAmong(q.To, affected) {
			if t.options.enough(len(out)) {
				break
			}
			out = append(out, t.openedOutside(cluster.Ingress, to, q.To, q.From)...)
		}
	case q.To.external():
		for _, from := range t.chosenAmong(q.From, affected) {
			if t.options.enough(len(out)) {
				break
			}
			out = append(out, t.openedOutside(cluster.Egress, from, q.From, q.To)...)
		}
	default:
		out = t.openedBetween(affected)
	}
	return out
}

// openedBetween looks at the pairs with an affected workload on either side: no
// other pair can have changed. Of these it judges the pairs of which each side
// may let the other through after the change.
func (t *transition) openedBetween(affected map[*cluster.Workload]bool) []Connection {
	var out []Connection
	pair := func(from, to chosen) bool {
		out = append(out, t.openedPair(from, to)...)
		return !t.options.enough(len(out))
	}
	if isTo := t.chosenAmong(t.query.To, affected); len(isTo) > 0 {
		if !t.candidates(cluster.Ingress, isTo, t.query.From, func(to, from chosen) bool { return pair(from, to) }) {
			return out
		}
	}
	if isFrom := t.chosenAmong(t.query.From, affected); len(isFrom) > 0 {
		t.candidates(cluster.Egress, isFrom, t.query.To, func(from, to chosen) bool {
			return affected[to.workload] || pair(from, to) // an affected one was seen above
		})
	}
	return out
}

// candidates calls yield for each of the subjects with each of the peers that
// may be let through by both sides, until it says no.
func (t *transition) candidates(d cluster.Direction, subjects []chosen, s Selection, yield func(subject, peer chosen) bool) bool {
	reaches := reachesOf(d, subjects, t.after.reachOf)
	for _, peer := range t.choose(s, joint(reaches...)) {
		var back []*reach
		for i := range subjects {
			if !holds(reaches[i], &peer) {
				continue
			}
			if back == nil {
				back = t.after.reachOf(1-d, &peer)
			}
			if holds(back, &subjects[i]) && !yield(subjects[i], peer) {
				return false
			}
		}
		if t.options.enough(0) {
			return false
		}
	}
	return true
}

func (t *transition) openedPair(from, to chosen) []Connection {
	if t.after.between(from.variants, to.variants).possible.Intersect(t.query.ports()).Empty() {
		return nil
	}
	if t.whole {
		if from.workload == to.workload {
			return nil
		}
		x := t.after.between(from.variants, to.variants).beyond(t.before.between(from.variants, to.variants), nil)
		return x.connections(Peer{Workload: from.workload}, Peer{Workload: to.workload}, t.query.ports())
	}
	var opened pair
	for f, g := range t.pairs(from, to) {
		now := t.after.between(f.now, g.now)
		if now.possible.Intersect(t.query.ports()).Empty() {
			continue
		}
		was, known := t.wasBetween(f, g)
		x := t.novel(now, was, known, from.workload, to.workload, f, g)
		opened.add(x.open, x.possible, x.because)
	}
	return opened.connections(Peer{Workload: from.workload}, Peer{Workload: to.workload}, t.query.ports())
}

// pairs yields the ends of two peers that are to be compared with what they were.
func (t *transition) pairs(from, to chosen) iter.Seq2[sides, sides] {
	return func(yield func(sides, sides) bool) {
		if from.workload == to.workload {
			t.pairsWithin(from.workload, yield)
			return
		}
		for _, f := range t.sidesOf(t.query.From, &t.from, from) {
			for _, g := range t.sidesOf(t.query.To, &t.to, to) {
				if !yield(f, g) {
					return
				}
			}
		}
	}
}

// pairsWithin yields the pairs of one peer: those that the query tells apart, and,
// where strangers count, those of pods that are only shown as one peer and belong to
// different owners.
func (t *transition) pairsWithin(w *cluster.Workload, yield func(sides, sides) bool) {
	type chosenPast struct {
		past
		from, to bool // by what it is or was
		on       [2]bool
	}
	var all []chosenPast
	for _, v := range w.Variants {
		for _, p := range t.pastsOf(v) {
			x := chosenPast{p, t.choosesPast(t.query.From, p), t.choosesPast(t.query.To, p), [2]bool{}}
			for i, s := range []Selection{t.query.From, t.query.To} {
				x.on[i] = s.chooses(t.after.snapshot, p.now)
			}
			if x.from || x.to {
				all = append(all, x)
			}
		}
	}
	for i, x := range all {
		for j, y := range all {
			if !x.from || !y.to {
				continue
			}
			if x.from == y.from && x.to == y.to && x.on == y.on && (!t.strangers || ofOneWorkload(x.now, y.now, i == j)) {
				continue
			}
			if !yield(t.side(t.query.From, x.past), t.side(t.query.To, y.past)) {
				return
			}
		}
	}
}

// ofOneWorkload reports whether variants of one peer belong to the same owner, too. What
// belongs to nobody is by itself.
func ofOneWorkload(a, b *cluster.Variant, same bool) bool {
	if a.Membership == (cluster.Membership{}) {
		return same && len(a.Pods) < 2
	}
	return a.Membership == b.Membership
}

// wasBetween is what two ends may have had before, and the reasons for it, on whichever side.
func (t *transition) wasBetween(f, g sides) (was pair, known map[Reason]PortSet) {
	known = map[Reason]PortSet{}
	t.earlier(f, g, func(from, to []*cluster.Variant) {
		p := t.before.between(from, to)
		was.add(p.open, p.possible, p.because)
		for r, ports := range t.before.reasonsOf(from, to) {
			known[r] = known[r].Union(ports)
		}
	})
	return was, known
}

// beyond is what a pair has that it had not before. The reasons that are not
// among known are marked as new.
func (p pair) beyond(was pair, known map[Reason]PortSet) pair {
	out := pair{
		open: p.open.Subtract(was.open),
		// What was unknown and now is open counts as opened; what was unknown and still is does not.
	}
	unknown := p.possible.Subtract(p.open).Subtract(was.possible)
	out.possible = out.open.Union(unknown)
	for _, b := range p.because {
		b.Ports = b.Ports.Intersect(out.possible)
		if b.Ports.Empty() {
			continue
		}
		b.New = !b.Ports.Subtract(known[b.Reason]).Empty()
		out.because = append(out.because, b)
	}
	return out
}

// reasonsOf collects what each side said by itself, whether or not the other agreed.
func (e *evaluator) reasonsOf(from, to []*cluster.Variant) map[Reason]PortSet {
	out := map[Reason]PortSet{}
	for _, source := range e.sources(from) {
		for _, destination := range e.destinations(to) {
			for _, s := range []side{e.towards(cluster.Egress, source, destination), e.towards(cluster.Ingress, destination, source)} {
				for _, b := range s.because {
					out[b.Reason] = out[b.Reason].Union(b.Ports)
				}
			}
		}
	}
	return out
}

func (t *transition) openedOutside(d cluster.Direction, subject chosen, inside, outside Selection) []Connection {
	var beyond regions
	all := []sides{{now: subject.variants, was: subject.variants}}
	if !t.whole {
		all = t.sidesOf(inside, t.sideOf(d), subject)
	}
	for _, ends := range all {
		before := append(t.heldAlone(ends.gone), ends.was...)
		was := t.before.outside(d, before, outside.Block)
		for _, r := range t.after.outside(d, ends.now, outside.Block) {
			for _, old := range was {
				if both := intersection(r.addresses, old.addresses); both != nil {
					x := r.pair.beyond(old.pair, nil)
					if !t.whole {
						x = t.novelOutside(d, r.pair, old.pair, subject.workload, ends.now, before, both.Ranges()[0].From())
					}
					beyond = beyond.overlay(region{both, x})
				}
			}
		}
	}
	return beyond.connections(d, subject.workload, t.query.ports())
}

// sideOf is where the ends inside the cluster are remembered, of a path with the outside.
func (t *transition) sideOf(d cluster.Direction) *map[*cluster.Workload][]sides {
	if d == cluster.Ingress {
		return &t.to
	}
	return &t.from
}

// affected are the workloads of the newer snapshot whose connections can differ
// from before.
func (t *transition) affected() map[*cluster.Workload]bool {
	out := map[*cluster.Workload]bool{}
	after := t.after.snapshot
	if t.delta.Everything {
		for w := range after.AllWorkloads() {
			if t.options.asks(w.Namespace) {
				out[w] = true
			}
		}
		return out
	}
	for _, ns := range t.delta.Namespaces {
		for _, w := range ns.Workloads {
			out[w] = true
		}
		if ns.Relabelled {
			for w := range after.Workloads(ns.Name) {
				out[w] = true
			}
			continue
		}
		members := t.after.members(ns.Name)
		for _, n := range ns.Netpols {
			for at := range members.Select(n.Selector).EachSet() {
				out[members.Variants()[at].Workload] = true
			}
		}
	}
	return out
}

// choose lists the workloads of the newer snapshot that a selection chooses, now
// or before, and that a reach holds.
func (t *transition) choose(s Selection, within *reach) []chosen {
	out := s.choose(t.after.snapshot, within)
	have := make(map[*cluster.Workload]int, len(out))
	for i, c := range out {
		have[c.workload] = i
	}
	for _, ns := range t.delta.Namespaces {
		for w := range t.after.snapshot.Workloads(ns.Name) {
			c := t.chosen(s, w)
			if i, ok := have[w]; ok {
				out[i] = c
			} else if len(c.variants) > 0 && within.holds(&c) {
				out = append(out, c)
			}
		}
	}
	return out
}

// chosen is what a selection chooses of one workload, now or before.
func (t *transition) chosen(s Selection, w *cluster.Workload) chosen {
	t.options.pause()
	c := chosen{workload: w, variants: t.chooseOne(s, w)}
	members := t.after.members(w.Namespace)
	for _, v := range c.variants {
		if at, ok := members.Position(v); ok {
			c.positions = append(c.positions, at)
		}
	}
	return c
}

func (t *transition) chosenAmong(s Selection, workloads map[*cluster.Workload]bool) []chosen {
	var out []chosen
	for w := range workloads {
		if c := t.chosen(s, w); len(c.variants) > 0 {
			out = append(out, c)
		}
	}
	slices.SortFunc(out, func(a, b chosen) int { return a.workload.Ref.Compare(b.workload.Ref) })
	return out
}

// chooseOne is Selection.chooseOne, and counts what the pods and templates were before.
func (t *transition) chooseOne(s Selection, w *cluster.Workload) []*cluster.Variant {
	now := s.chooseOne(t.after.snapshot, w)
	if len(now) == len(w.Variants) {
		return now
	}
	if t.unchanged(w) { // in a namespace with other labels all of these may have been chosen, or none
		if len(now) == 0 && t.relabelled(w.Namespace) {
			return s.chooseOne(t.before.snapshot, w)
		}
		return now
	}
	var out []*cluster.Variant
	for _, v := range w.Variants {
		if slices.Contains(now, v) || slices.ContainsFunc(t.pastsOf(v), func(p past) bool { return p.self != nil && s.chooses(t.before.snapshot, p.self) }) {
			out = append(out, v)
		}
	}
	return out
}

func (t *transition) relabelled(namespace string) bool {
	return slices.ContainsFunc(t.delta.Namespaces, func(n cluster.NamespaceDelta) bool { return n.Name == namespace && n.Relabelled })
}
