package connectivity

import (
	"cmp"
	"net/netip"
	"slices"
	"sync"

	"go4.org/netipx"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/cluster/selector"
)

// Scope is which pods a query is about.
type Scope uint8

const (
	// Existing asks about the workloads that there are.
	Existing Scope = iota
	// Possible asks about every pod that could be created in the namespaces that
	// there are: with any labels that the selections choose, named ports on any
	// numbers, and any address of the pod network, but not on the host's network.
	// What is not listed is proved shut for all of them; what is listed comes with
	// a Witness for each end, a few for a pair of namespaces and not all.
	//
	// What exists and is not such a pod is answered for as under Existing: pods on
	// the host's network, pods that are chosen only by what they were before (see
	// Selection), and addresses that are known.
	Possible
)

// searchSteps bounds the search for one witness. Netpols as people write them
// take a handful; what takes more is not decided, which counts as open.
const searchSteps = 10_000

// possible lists what Opened lists, for Scope Possible: connections with
// witnesses that are open after the change and would not have been before.
func possible(before, after *cluster.Snapshot, q Query, o Options) []Connection {
	p := &possibility{
		before: newEvaluator(before, o), after: newEvaluator(after, o),
		query: q, options: o, changed: map[string]cluster.NamespaceDelta{}, readings: readings{},
		search: selector.Search{Steps: searchSteps, Interrupted: o.Interrupted},
	}
	p.requirements[source], _ = q.From.Pods.Requirements()
	p.requirements[destination], _ = q.To.Pods.Requirements()
	delta := after.Since(before)
	p.everything = delta.Everything
	for _, ns := range delta.Namespaces {
		if ns.Relabelled || len(ns.Netpols) > 0 {
			p.changed[ns.Name] = ns
		}
	}
	out := p.opened()
	q.Scope = Existing
	for _, c := range Opened(before, after, q, o) {
		if p.apart(c) || slices.ContainsFunc(c.Because, func(b Because) bool { return b.Restricted }) {
			out = append(out, c)
		}
	}
	out = q.answer(after, out)
	slices.SortStableFunc(out, compareConnections)
	return out
}

// possiblyOpen lists what Open lists, for Scope Possible: everything is new.
func possiblyOpen(s *cluster.Snapshot, q Query, o Options) []Connection {
	out := possible(&cluster.Snapshot{}, s, q, o)
	for _, c := range out {
		for i := range c.Because {
			c.Because[i].New = false
		}
	}
	return out
}

// possibility is a question about the pods that could be created.
type possibility struct {
	before, after *evaluator
	query         Query
	options       Options
	search        selector.Search
	// requirements are those of the query's pod selectors, for each end.
	requirements [2][]selector.Requirement
	// changed are the namespaces in which what is possible may differ from before.
	everything bool
	changed    map[string]cluster.NamespaceDelta
	readings   readings
}

// territory is a namespace that a selection chooses.
type territory struct {
	namespace string
	// was is set when the selection chose it before the change, too.
	was bool
	// touched is set when what is possible in it may differ from before; byNetpols when
	// nothing but netpols does that.
	touched, byNetpols bool
	// netpols are those that have changed, replaced what they were before or that went; frees
	// is set by direction when pods may be isolated no longer.
	netpols, replaced []*cluster.Netpol
	frees             [2]bool
}

func (p *possibility) territories(s Selection) []territory {
	if _, m := s.Pods.Requirements(); m == selector.No {
		return nil
	}
	var out []territory
	for ns := range p.after.snapshot.Namespaces() {
		then, ok := p.before.snapshot.Namespace(ns.Name)
		was := ok && then.Matches(s.Namespaces) != selector.No
		if was || ns.Matches(s.Namespaces) != selector.No {
			delta, changed := p.changed[ns.Name]
			t := territory{namespace: ns.Name, was: was, touched: p.everything || changed, byNetpols: !p.everything && !delta.Relabelled}
			if t.touched && t.byNetpols {
				t.compare(p, delta)
			}
			out = append(out, t)
		}
	}
	return out
}

func (p *possibility) opened() []Connection {
	var out []Connection
	switch {
	case p.query.From.external() && p.query.To.external():
		return nil
	case p.query.From.external():
		for _, to := range p.territories(p.query.To) {
			if to.touched && !p.options.enough(len(out)) {
				out = append(out, p.outside(cluster.Ingress, to, p.query.From.Block)...)
			}
		}
	case p.query.To.external():
		for _, from := range p.territories(p.query.From) {
			if from.touched && !p.options.enough(len(out)) {
				out = append(out, p.outside(cluster.Egress, from, p.query.To.Block)...)
			}
		}
	default:
		destinations := p.territories(p.query.To)
		for _, from := range p.territories(p.query.From) {
			for i := range destinations {
				if to := &destinations[i]; (from.touched || to.touched) && !p.options.enough(len(out)) {
					out = append(out, p.between(from, *to)...)
				}
			}
		}
	}
	return out
}

func (p *possibility) between(from, to territory) []Connection {
	if !p.hasNewWays(from, to) {
		return nil
	}
	x := &crossing{
		possibility: p,
		namespaces:  [2]string{from.namespace, to.namespace},
		now:         p.passageBetween(p.after, from, to),
		evaluate: func(e *evaluator, w [2]*cluster.Variant) (pair, map[Reason]PortSet) {
			s, d := []*cluster.Variant{w[source]}, []*cluster.Variant{w[destination]}
			return e.between(s, d), e.reasonsOf(s, d)
		},
	}
	if x.known = from.was && to.was; x.known {
		x.was = sync.OnceValue(func() passage { return p.passageBetween(p.before, from, to) })
	}
	var out []Connection
	for _, d := range x.doors() {
		out = append(out, d.connections(Peer{Witness: d.ends[source]}, Peer{Witness: d.ends[destination]}, p.query.ports())...)
	}
	return out
}

// hasNewWays is false where only netpols have changed, and every way through the sides on
// which they did was there: then nothing between the two is new. Most changes are about
// few of the other namespaces.
func (p *possibility) hasNewWays(from, to territory) bool {
	if !from.byNetpols || !to.byNetpols || !from.was || !to.was {
		return true
	}
	for d, t := range [2]territory{cluster.Egress: from, cluster.Ingress: to} {
		if !t.touched {
			continue
		}
		was := p.before.readerBetween(p.readings, cluster.Direction(d), from.namespace, to.namespace)
		now := p.after.readerBetween(p.readings, cluster.Direction(d), from.namespace, to.namespace)
		if t.frees[d] || !implied(now.ruled(t.netpols), was.ruled(t.replaced)) {
			return true
		}
	}
	return false
}

// implied reports whether each of some ways is open, by construction, where another one is.
func implied(ways, by []way) bool {
	return !slices.ContainsFunc(ways, func(w way) bool { return !slices.ContainsFunc(by, func(o way) bool { return o.impliedBy(w) }) })
}

// compare finds out what the netpols that changed in a territory are about.
func (t *territory) compare(p *possibility, delta cluster.NamespaceDelta) {
	there := p.after.snapshot.Netpols(t.namespace)
	for _, n := range delta.Netpols {
		if slices.Contains(there, n) {
			t.netpols = append(t.netpols, n)
		} else {
			t.replaced = append(t.replaced, n)
		}
	}
	for d := range t.frees {
		was := p.before.readerBetween(p.readings, cluster.Direction(d), t.namespace, t.namespace)
		now := p.after.readerBetween(p.readings, cluster.Direction(d), t.namespace, t.namespace)
		t.frees[d] = !implied(now.notIsolated(), was.notIsolated())
	}
}

func (p *possibility) passageBetween(e *evaluator, from, to territory) passage {
	return passage{
		e.waysBetween(p.readings, cluster.Egress, from.namespace, to.namespace),
		e.waysBetween(p.readings, cluster.Ingress, from.namespace, to.namespace),
	}
}

// outside cuts the addresses along every block that a rule names, before or
// after, and asks about one address of each piece.
func (p *possibility) outside(d cluster.Direction, t territory, block netip.Prefix) []Connection {
	pieces := regions{{addresses: setOf(block)}}
	for _, e := range []*evaluator{p.before, p.after} {
		for _, n := range e.snapshot.Netpols(t.namespace) {
			for i := range n.Rules[d] {
				for peer := range n.Rules[d][i].AddressPeers() {
					if peer.Block != nil {
						pieces = pieces.cut(setOfBlock(peer.Block))
					}
				}
			}
		}
	}
	var found []outsideDoor
	for _, piece := range pieces {
		for _, door := range p.crossingAt(d, t, piece.addresses.Ranges()[0].From()).doors() {
			found = addOutside(found, door, piece.addresses)
		}
	}
	var out []Connection
	inside, _ := subjectOf(d)
	for _, f := range found {
		for _, block := range f.addresses.Prefixes() {
			from, to := Peer{Witness: f.ends[inside]}, Peer{CIDR: block}
			if d == cluster.Ingress {
				from, to = to, from
			}
			out = append(out, f.connections(from, to, p.query.ports())...)
		}
	}
	return out
}

func (p *possibility) crossingAt(d cluster.Direction, t territory, a netip.Addr) *crossing {
	inside, _ := subjectOf(d)
	through := func(e *evaluator) passage {
		out := passage{anyWay(), anyWay()}
		out[d] = e.waysOutside(p.readings, d, t.namespace, a)
		return out
	}
	x := &crossing{
		possibility: p, now: through(p.after), known: t.was,
		evaluate: func(e *evaluator, w [2]*cluster.Variant) (pair, map[Reason]PortSet) {
			var pod *cluster.Variant
			if d == cluster.Ingress {
				pod = w[inside]
			}
			s := e.judge(d, w[inside], func(_ *cluster.Netpol, r *cluster.NetpolRule) matched { return matchAddress(r, a) }, pod, false)
			var out pair
			out.add(s.open, s.possible(), s.because)
			known := map[Reason]PortSet{}
			for _, b := range s.because {
				known[b.Reason] = b.Ports
			}
			return out, known
		},
	}
	x.namespaces[inside] = t.namespace
	if x.known {
		x.was = sync.OnceValue(func() passage { return through(p.before) })
	}
	return x
}

// outsideDoor is a door with the addresses outside the cluster that it is open for.
type outsideDoor struct {
	door
	addresses *netipx.IPSet
}

func addOutside(list []outsideDoor, d door, addresses *netipx.IPSet) []outsideDoor {
	for i := range list {
		if o := &list[i]; o.open.Equal(d.open) && o.possible.Equal(d.possible) && o.sameEnds(d) {
			o.addresses = union(o.addresses, addresses)
			o.add(d.open, d.possible, d.because)
			return list
		}
	}
	return append(list, outsideDoor{d, addresses})
}

// apart reports whether a connection of workloads is one that the proof is not
// about, so that it has to be told beside the witnesses.
func (p *possibility) apart(c Connection) bool {
	return p.isApart(p.query.From, c.From) || p.isApart(p.query.To, c.To) ||
		slices.ContainsFunc(c.Because, func(b Because) bool { return b.OverPods })
}

func (p *possibility) isApart(s Selection, end Peer) bool {
	if end.Workload == nil {
		return false
	}
	ns, ok := p.after.snapshot.Namespace(end.Workload.Namespace)
	if !ok || ns.Matches(s.Namespaces) == selector.No {
		return true
	}
	return slices.ContainsFunc(end.Workload.Variants, func(v *cluster.Variant) bool {
		return v.HostNetwork || v.Matches(s.Pods) == selector.No
	})
}

// connections of a door for which no labels were found list why.
func (d door) connections(from, to Peer, ports PortSet) []Connection {
	out := d.pair.connections(from, to, ports)
	for i := range out {
		out[i].Unknown = cmp.Or(d.undecided, out[i].Unknown)
	}
	return out
}
