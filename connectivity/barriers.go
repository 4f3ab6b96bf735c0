package connectivity

import (
	"cmp"
	"slices"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/cluster/selector"
)

// Weakening is a path that was blocked on both sides before a change, and after
// it is blocked on one side only: the next mistake opens it.
type Weakening struct {
	From, To Peer
	Ports    PortSet
	// Gone is the side that no longer blocks, and GoneBy are the netpols that
	// isolated it before. The other side still does, by LeftBy.
	Gone           cluster.Direction
	GoneBy, LeftBy []cluster.Ref
}

// Barriers counts the sides that block one port between two workloads: 0 to 2,
// as few as for the pods that come closest. 0 means that the path is open, or
// not proved blocked.
func Barriers(s *cluster.Snapshot, from, to *cluster.Workload, port PortRange, o Options) int {
	return newEvaluator(s, o).barriers(from.Variants, to.Variants).fewest(Ports(port))
}

// fewest is the number of sides that block, for the port that comes closest.
func (b barriers) fewest(asked PortSet) int {
	switch {
	case !b.none.Intersect(asked).Empty():
		return 0
	case !b.one().Intersect(asked).Empty():
		return 1
	}
	return 2
}

// barriers are the ports by the number of sides that block them.
type barriers struct {
	// lets are the ports that each side lets through, surely or not, for some pods.
	lets [2]PortSet
	// none are those that both sides let through, for the same pods.
	none PortSet
}

// one are the ports that a single side blocks, two those that both do.
func (b barriers) one() PortSet {
	return b.lets[cluster.Egress].Union(b.lets[cluster.Ingress]).Subtract(b.none)
}

func (b barriers) two() PortSet {
	return AllPorts().Subtract(b.lets[cluster.Egress].Union(b.lets[cluster.Ingress]))
}

func (e *evaluator) barriers(from, to []*cluster.Variant) barriers {
	var b barriers
	for _, source := range e.sources(from) {
		for _, destination := range e.destinations(to) {
			egress := e.towards(cluster.Egress, source, destination).possible()
			ingress := e.towards(cluster.Ingress, destination, source).possible()
			b.lets[cluster.Egress] = b.lets[cluster.Egress].Union(egress)
			b.lets[cluster.Ingress] = b.lets[cluster.Ingress].Union(ingress)
			b.none = b.none.Union(egress.Intersect(ingress))
		}
	}
	return b
}

// Weakened lists the paths between workloads that a change takes from two
// barriers to one, sorted. Peers that are new had no barriers before.
func Weakened(before, after *cluster.Snapshot, q Query, o Options) []Weakening {
	if q.From.external() || q.To.external() {
		return nil // one side only can block there
	}
	t := &transition{
		before: newEvaluator(before, o).asking(q), after: newEvaluator(after, o).asking(q),
		query: q, options: o, delta: after.Since(before),
	}
	if !t.matters() {
		return nil
	}
	w := &weakening{transition: t, seen: map[[2]*cluster.Workload]bool{}}
	w.side(cluster.Egress, q.From, q.To)
	w.side(cluster.Ingress, q.To, q.From)
	slices.SortFunc(w.found, func(a, b Weakening) int {
		return cmp.Or(a.From.Compare(b.From), a.To.Compare(b.To), cmp.Compare(a.Gone, b.Gone))
	})
	return w.found
}

// weakening is a transition in search of the barriers that went.
type weakening struct {
	*transition
	seen  map[[2]*cluster.Workload]bool
	newly map[reachKey]*reach // see newlyReached; nil for nobody
	found []Weakening
}

// side looks at the pairs whose side in direction d may have begun to let
// something through: because the subject's netpols changed, or because the peer did.
func (w *weakening) side(d cluster.Direction, subject, peer Selection) {
	affected, replaced := w.affected(), w.replaced()
	var others, byNetpols []chosen
	for _, c := range w.chosenAmong(subject, affected) {
		if w.delta.Everything || replaced[c.workload] {
			others = append(others, c)
		} else {
			byNetpols = append(byNetpols, c)
		}
	}
	if !w.towards(d, others, peer, w.after.reachOf) || !w.towards(d, byNetpols, peer, w.newlyReached) {
		return
	}
	peers := w.chosenAmong(peer, replaced)
	if len(peers) == 0 {
		return
	}
	subjects := slices.DeleteFunc(w.choose(subject, everyone), func(c chosen) bool { return affected[c.workload] })
	reaches := reachesOf(d, subjects, w.after.reachOf)
	for _, p := range peers {
		if !w.pairs(d, subjects, reaches, p) {
			return
		}
	}
}

// towards looks at some subjects with the peers in their reach.
func (w *weakening) towards(d cluster.Direction, subjects []chosen, peer Selection, reachOf func(cluster.Direction, *chosen) []*reach) bool {
	if len(subjects) == 0 {
		return true
	}
	reaches := reachesOf(d, subjects, reachOf)
	for _, p := range w.choose(peer, joint(reaches...)) {
		if !w.pairs(d, subjects, reaches, p) {
			return false
		}
	}
	return true
}

// newlyReached is whom the netpols of a workload may let through that did not before,
// where nothing but netpols has changed: whom a rule of a new one lets through, and
// everybody where none isolates any more. What a netpol that stayed lets through, it did.
func (w *weakening) newlyReached(d cluster.Direction, c *chosen) []*reach {
	var out []*reach
	at := slices.IndexFunc(w.delta.Namespaces, func(n cluster.NamespaceDelta) bool { return n.Name == c.workload.Namespace })
	changed := w.delta.Namespaces[at].Netpols
	members := w.after.members(c.workload.Namespace)
	for _, at := range c.positions {
		v, g := members.Variants()[at], members.Isolation(at)
		if v.HostNetwork || !slices.ContainsFunc(changed, func(n *cluster.Netpol) bool { return n.Isolates[d] && v.Matches(n.Selector) != selector.No }) {
			continue
		}
		if r := w.newlyReachedBy(d, g, changed); r != nil {
			out = append(out, r)
		}
	}
	return out
}

func (w *weakening) newlyReachedBy(d cluster.Direction, g *cluster.Isolation, changed []*cluster.Netpol) *reach {
	r, known := w.newly[reachKey{g, d}]
	if known {
		return r
	}
	if fresh := g.Only(changed); isolates(g.By[d]) != selector.Yes || w.after.opening.in(g.Namespace) {
		r = everyone
	} else if len(fresh.By[d]) > 0 {
		r = w.after.ruledReach(d, fresh)
	}
	put(&w.newly, reachKey{g, d}, r)
	return r
}

// replaced are the workloads that are not what they were, other than by the
// netpols that select them.
func (w *weakening) replaced() map[*cluster.Workload]bool {
	out := map[*cluster.Workload]bool{}
	for _, ns := range w.delta.Namespaces {
		for _, x := range ns.Workloads {
			out[x] = true
		}
		if ns.Relabelled {
			for x := range w.after.snapshot.Workloads(ns.Name) {
				out[x] = true
			}
		}
	}
	return out
}

func (w *weakening) pairs(d cluster.Direction, subjects []chosen, reaches [][]*reach, peer chosen) bool {
	for i := range subjects {
		if w.options.enough(len(w.found)) {
			return false
		}
		if !holds(reaches[i], &peer) {
			continue
		}
		if from, to := subjects[i], peer; d == cluster.Egress {
			w.pair(from, to)
		} else {
			w.pair(to, from)
		}
	}
	return true
}

func (w *weakening) pair(from, to chosen) {
	key := [2]*cluster.Workload{from.workload, to.workload}
	if w.seen[key] || from.workload == to.workload {
		return
	}
	w.seen[key] = true
	var found [2]Weakening
	for f, g := range w.transition.pairs(from, to) {
		now := w.after.barriers(f.now, g.now)
		asked := now.one().Intersect(w.query.ports())
		if asked.Empty() {
			continue
		}
		there := false // what is new had no barriers
		w.earlier(f, g, func(from, to []*cluster.Variant) {
			there = true
			asked = asked.Intersect(w.before.barriers(from, to).two())
		})
		if !there {
			continue
		}
		for _, gone := range []cluster.Direction{cluster.Egress, cluster.Ingress} {
			ports := asked.Intersect(now.lets[gone])
			if asked = asked.Subtract(ports); ports.Empty() {
				continue
			}
			x := &found[gone]
			x.Ports = x.Ports.Union(ports)
			if gone == cluster.Egress {
				x.GoneBy, x.LeftBy = append(x.GoneBy, w.before.isolating(gone, f.was)...), append(x.LeftBy, w.after.isolating(cluster.Ingress, g.now)...)
			} else {
				x.GoneBy, x.LeftBy = append(x.GoneBy, w.before.isolating(gone, g.was)...), append(x.LeftBy, w.after.isolating(cluster.Egress, f.now)...)
			}
		}
	}
	// Some pods may lose the one side and others the other: the port is told of once.
	found[cluster.Ingress].Ports = found[cluster.Ingress].Ports.Subtract(found[cluster.Egress].Ports)
	for gone, x := range found {
		if x.Ports.Empty() {
			continue
		}
		x.From, x.To, x.Gone = Peer{Workload: from.workload}, Peer{Workload: to.workload}, cluster.Direction(gone)
		x.GoneBy, x.LeftBy = distinct(x.GoneBy), distinct(x.LeftBy)
		w.found = append(w.found, x)
	}
}

func distinct(refs []cluster.Ref) []cluster.Ref {
	slices.SortFunc(refs, cluster.Ref.Compare)
	return slices.Compact(refs)
}

// isolating are the netpols that isolate one of the pods, sorted.
func (e *evaluator) isolating(d cluster.Direction, variants []*cluster.Variant) []cluster.Ref {
	var out []cluster.Ref
	for _, v := range e.classes(variants) {
		for _, n := range e.netpols(v, d) {
			if !v.HostNetwork && !slices.Contains(out, n.Ref()) {
				out = append(out, n.Ref())
			}
		}
	}
	slices.SortFunc(out, cluster.Ref.Compare)
	return out
}
