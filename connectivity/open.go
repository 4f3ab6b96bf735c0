package connectivity

import (
	"net/netip"
	"slices"

	"github.com/podcullis/podcullis/cluster"
)

// Options are facts about the cluster that its API objects do not tell.
type Options struct {
	// PodNetwork are the blocks from which pods get their addresses. When it is
	// known, an ipBlock elsewhere is certain not to hold a pod that has no
	// address yet; when it is empty, any ipBlock may.
	PodNetwork []netip.Prefix
	// Interrupted, when set, is asked while Open, Opened and Connections are at
	// work. Once it says yes they stop, and what they return is not the answer.
	Interrupted func() bool
	// NothingRestricts says that other policy APIs close nothing that
	// NetworkPolicies leave open. Only Closed and Blocked ask.
	NothingRestricts bool
	// Believed says that whoever makes the change may act for the owners that it
	// names and that the model does not hold: the membership of its pods counts.
	Believed bool
	// Limit, when positive, bounds how many connections are listed: an answer
	// longer than that is not complete.
	Limit int
	// Only, when set, is the namespaces that Opened, Closed and Exposed are asked about: of what
	// came to be of nothing, an empty snapshot, they list what has an end in one of them.
	Only map[string]bool
}

// enough tells whether to stop, with some connections found.
func (o Options) enough(found int) bool {
	return (o.Limit > 0 && found > o.Limit) || (o.Interrupted != nil && o.Interrupted())
}

// pause lets others go first between two steps that cannot be left out: whether it was
// interrupted is asked where there is something to leave out.
func (o Options) pause() {
	if o.Interrupted != nil {
		o.Interrupted()
	}
}

// Open lists the connections that are open or unknown in a snapshot, sorted by
// peers. A connection of a workload with itself is left out, unless the query
// tells its pods apart: who puts a frontend under the database's controller (an
// owner reference is a claim that anybody can write) has not hidden it.
func Open(s *cluster.Snapshot, q Query, o Options) []Connection {
	if q.Scope == Possible {
		return possiblyOpen(s, q, o)
	}
	e := newEvaluator(s, o).asking(q)
	var out []Connection
	switch {
	case q.From.external() && q.To.external():
		return nil // nothing in the cluster has a say
	case q.From.external():
		for _, to := range q.To.choose(s, everyone) {
			if o.enough(len(out)) {
				break
			}
			out = append(out, e.outside(cluster.Ingress, to.variants, q.From.Block).connections(cluster.Ingress, to.workload, q.ports())...)
		}
	case q.To.external():
		for _, from := range q.From.choose(s, everyone) {
			if o.enough(len(out)) {
				break
			}
			out = append(out, e.outside(cluster.Egress, from.variants, q.To.Block).connections(cluster.Egress, from.workload, q.ports())...)
		}
	default:
		out = e.openBetween(q, o)
	}
	out = q.answer(s, out)
	slices.SortStableFunc(out, compareConnections)
	return out
}

// openBetween judges the pairs of which each side may let the other through.
func (e *evaluator) openBetween(q Query, o Options) []Connection {
	return e.openAmong(q.From.choose(e.snapshot, everyone), q.To.choose(e.snapshot, everyone), q.ports(), o)
}

func (e *evaluator) openAmong(from, to []chosen, ports PortSet, o Options) []Connection {
	letIn := make([][]*reach, len(to))
	for i := range to {
		letIn[i] = e.reachOf(cluster.Ingress, &to[i])
	}
	var out []Connection
	for i := range from {
		if o.enough(len(out)) {
			break
		}
		letOut := e.reachOf(cluster.Egress, &from[i])
		for j := range to {
			if !holds(letIn[j], &from[i]) || !holds(letOut, &to[j]) {
				continue
			}
			p := e.betweenPeers(from[i], to[j])
			out = append(out, p.connections(Peer{Workload: from[i].workload}, Peer{Workload: to[j].workload}, ports)...)
		}
	}
	return out
}

// betweenPeers is between for two choices. Of one workload only the pairs count
// that the query tells apart: those whose ends it does not choose for the same sides.
func (e *evaluator) betweenPeers(from, to chosen) pair {
	if from.workload != to.workload {
		return e.between(from.variants, to.variants)
	}
	if keys := e.keysIn(from.workload.Namespace); keys.Split(from.workload.Variants) {
		from.variants = e.parts(source, cluster.Split(from.variants, keys))
		to.variants = e.parts(destination, cluster.Split(to.variants, keys))
	}
	onlyFrom, onlyTo := from.without(to), to.without(from)
	p := e.between(onlyFrom.variants, to.variants)
	rest := e.between(from.without(onlyFrom).variants, onlyTo.variants)
	p.add(rest.open, rest.possible, rest.because)
	return p
}

// Connections is the whole picture of a snapshot: between all workloads, and
// between each of them and the outside, sorted by peers.
func Connections(s *cluster.Snapshot, o Options) []Connection {
	out := Open(s, Query{From: Everyone(), To: Everyone()}, o)
	for _, block := range Anywhere() {
		out = append(out, Open(s, Query{From: Everyone(), To: Selection{Block: block}}, o)...)
		out = append(out, Open(s, Query{From: Selection{Block: block}, To: Everyone()}, o)...)
	}
	slices.SortStableFunc(out, compareConnections)
	return out
}

// pair is what the pods of one peer can reach on those of another.
type pair struct {
	open PortSet
	// possible is open plus what is unknown.
	possible PortSet
	because  []Because
}

// between adds up over the pods of two workloads. Both sides must agree on one
// port, pod by pod. Pods of a variant differ in their addresses only, and egress
// depends on the destination's address alone, ingress on the source's: so the
// sum over pods of each side may be taken before the two are brought together.
func (e *evaluator) between(from, to []*cluster.Variant) pair {
	var p pair
	for _, source := range e.sources(from) {
		for _, destination := range e.destinations(to) {
			egress := e.towards(cluster.Egress, source, destination)
			if egress.open.Empty() && egress.maybe.Empty() {
				continue
			}
			ingress := e.towards(cluster.Ingress, destination, source)
			p.add(egress.open.Intersect(ingress.open), egress.possible().Intersect(ingress.possible()), egress.because, ingress.because)
		}
	}
	return p
}

func (p *pair) add(open, possible PortSet, because ...[]Because) {
	p.open = p.open.Union(open)
	p.possible = p.possible.Union(possible)
	if possible.Empty() {
		return
	}
	for _, list := range because {
		p.because = slices.Grow(p.because, len(list))
		for _, b := range list {
			b.Ports = b.Ports.Intersect(possible)
			if !b.Ports.Empty() {
				p.because = mergeBecause(p.because, b)
			}
		}
	}
}

func mergeBecause(list []Because, b Because) []Because {
	for i := range list {
		if list[i].Reason == b.Reason {
			list[i].Ports = list[i].Ports.Union(b.Ports)
			list[i].New = list[i].New || b.New
			return list
		}
	}
	return append(list, b)
}

// connections splits the pair into what is open and what is unknown.
func (p pair) connections(from, to Peer, ports PortSet) []Connection {
	var out []Connection
	if open := p.open.Intersect(ports); !open.Empty() {
		out = append(out, Connection{From: from, To: to, Ports: open, Because: p.reasons(open, false)})
	}
	if unknown := p.possible.Subtract(p.open).Intersect(ports); !unknown.Empty() {
		c := Connection{From: from, To: to, Ports: unknown, Because: p.reasons(unknown, true)}
		for _, b := range c.Because {
			if c.Unknown == "" {
				c.Unknown = b.Unknown
			}
		}
		out = append(out, c)
	}
	return out
}

// reasons are those that let one of the ports through.
func (p pair) reasons(ports PortSet, uncertain bool) []Because {
	out := make([]Because, 0, len(p.because))
	for _, b := range p.because {
		if b.Unknown != "" && !uncertain {
			continue
		}
		b.Ports = b.Ports.Intersect(ports)
		if !b.Ports.Empty() {
			out = append(out, b)
		}
	}
	slices.SortStableFunc(out, compareBecause)
	return out
}
