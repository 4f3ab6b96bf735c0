package connectivity

import (
	"maps"
	"slices"

	"github.com/podcullis/podcullis/cluster"
)

// Opened lists the connections that lead from before to after: open after and
// not open before, or unknown after and blocked before. A connection that was
// there between the same workloads before is not listed, whichever pod had it,
// so a new pod of an existing workload opens nothing that its siblings had.
//
// The query chooses a peer by what it is after the change or by what it was
// before: relabelling a frontend does not make it somebody else.
func Opened(before, after *cluster.Snapshot, q Query, o Options) []Connection {
	if q.Scope == Possible {
		return possible(before, after, q, o)
	}
	t := &transition{
		before:  newEvaluator(before, o),
		after:   newEvaluator(after, o),
		query:   q,
		options: o,
		delta:   after.Since(before),
	}
	out := q.answer(after, t.opened())
	slices.SortStableFunc(out, compareConnections)
	return out
}

// transition compares two snapshots under one query.
type transition struct {
	before, after *evaluator
	query         Query
	options       Options
	delta         cluster.Delta
	// fromWas and toWas remember what the query chose before.
	fromWas, toWas map[*cluster.Workload][]*cluster.Variant
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
	reaches := make([][]*reach, len(subjects))
	for i := range subjects {
		reaches[i] = t.after.reachOf(d, &subjects[i])
	}
	for _, peer := range t.choose(s, t.after.jointReach(d, subjects)) {
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
	if from.workload == to.workload {
		// Only what the selections tell apart by today's labels: what the pods
		// were before would put all of them on both sides.
		from.variants = t.query.From.chooseOne(t.after.snapshot, from.workload)
		to.variants = t.query.To.chooseOne(t.after.snapshot, to.workload)
	}
	from, to = apart(from, to)
	now := t.after.between(from.variants, to.variants)
	if now.possible.Intersect(t.query.ports()).Empty() {
		return nil
	}
	fromWas, toWas := apart(t.fromBefore(from.workload), t.toBefore(to.workload))
	was := t.before.between(fromWas.variants, toWas.variants)
	return t.novel(now, was, from, to, fromWas, toWas).connections(
		Peer{Workload: from.workload}, Peer{Workload: to.workload}, t.query.ports())
}

// fromBefore and toBefore are the two sides of the query before the change. A
// workload is in many pairs, so they are looked up once.
func (t *transition) fromBefore(w *cluster.Workload) chosen {
	return t.remember(&t.fromWas, t.query.From, w)
}

func (t *transition) toBefore(w *cluster.Workload) chosen { return t.remember(&t.toWas, t.query.To, w) }

func (t *transition) remember(known *map[*cluster.Workload][]*cluster.Variant, s Selection, w *cluster.Workload) chosen {
	if *known == nil {
		*known = map[*cluster.Workload][]*cluster.Variant{}
	}
	variants, ok := (*known)[w]
	if !ok {
		variants = t.variantsBefore(s, w)
		(*known)[w] = variants
	}
	return chosen{workload: w, variants: variants}
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
	for _, source := range e.classes(from) {
		for _, destination := range e.classes(to) {
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
	now := t.after.outside(d, subject.variants, outside.Block)
	before := t.variantsBefore(inside, subject.workload)
	was := t.before.outside(d, before, outside.Block)
	var beyond regions
	for _, r := range now {
		for _, old := range was {
			if both := intersection(r.addresses, old.addresses); both != nil {
				beyond = append(beyond, region{both, t.novelOutside(d, r.pair, old.pair, subject, before, both.Ranges()[0].From())})
			}
		}
	}
	return beyond.connections(d, subject.workload, t.query.ports())
}

// affected are the workloads of the newer snapshot whose connections can differ
// from before.
func (t *transition) affected() map[*cluster.Workload]bool {
	out := map[*cluster.Workload]bool{}
	after := t.after.snapshot
	if t.delta.Everything {
		for w := range after.AllWorkloads() {
			out[w] = true
		}
		return out
	}
	for _, ns := range t.delta.Namespaces {
		for _, w := range ns.Workloads {
			out[w] = true
		}
		if !ns.Relabelled && len(ns.Netpols) == 0 {
			continue
		}
		for w := range after.Workloads(ns.Name) {
			if ns.Relabelled || selectsAny(ns.Netpols, w) {
				out[w] = true
			}
		}
	}
	return out
}

func selectsAny(netpols []*cluster.Netpol, w *cluster.Workload) bool {
	return slices.ContainsFunc(netpols, func(n *cluster.Netpol) bool {
		return slices.ContainsFunc(w.Variants, func(v *cluster.Variant) bool { return v.Matches(n.Selector) != cluster.No })
	})
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

// chooseOne is Selection.chooseOne, and counts what the pods were before.
func (t *transition) chooseOne(s Selection, w *cluster.Workload) []*cluster.Variant {
	now := s.chooseOne(t.after.snapshot, w)
	if len(now) == len(w.Variants) {
		return now
	}
	was := t.variantsBefore(s, w)
	if len(was) == 0 {
		return now
	}
	var out []*cluster.Variant
	for _, v := range w.Variants {
		if slices.Contains(now, v) || slices.ContainsFunc(was, func(o *cluster.Variant) bool { return t.same(v, o) }) {
			out = append(out, v)
		}
	}
	return out
}

// same reports whether v, of the newer snapshot, is what o was before: its labels
// are the same, or one of its pods is, or both are what the template makes.
func (t *transition) same(v, o *cluster.Variant) bool {
	if maps.Equal(v.Labels, o.Labels) || (ofTemplate(t.after.snapshot, v) && ofTemplate(t.before.snapshot, o)) {
		return true
	}
	return slices.ContainsFunc(v.Pods, func(pod string) bool {
		_, found := slices.BinarySearch(o.Pods, pod)
		return found
	})
}

func ofTemplate(s *cluster.Snapshot, v *cluster.Variant) bool {
	template, ok := s.Template(v.Workload.Ref)
	return ok && maps.Equal(template.Labels, v.Labels)
}

// variantsBefore are the variants that a selection chose, in the earlier
// snapshot, among what w was then.
func (t *transition) variantsBefore(s Selection, w *cluster.Workload) []*cluster.Variant {
	var out []*cluster.Variant
	for _, p := range predecessors(t.before.snapshot, w) {
		out = append(out, s.chooseOne(t.before.snapshot, p)...)
	}
	return out
}
