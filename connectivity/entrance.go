package connectivity

import (
	"net/netip"
	"slices"

	"go4.org/netipx"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/cluster/selector"
)

// Through is what leads from outside the cluster to a workload.
type Through string

// What there is.
const (
	// ThroughDefault: no netpol isolates the workload.
	ThroughDefault Through = "default"
	// ThroughIPBlock: a netpol lets addresses outside the cluster in, by an ipBlock or as it
	// lets everybody in.
	ThroughIPBlock Through = "ipBlock"
	// ThroughService: a Service of type LoadBalancer or NodePort, or one with externalIPs.
	ThroughService Through = "service"
	// ThroughIngress and ThroughRoute: an Ingress, a route of the Gateway API. The pods of
	// some controller stand between.
	ThroughIngress Through = "ingress"
	ThroughRoute   Through = "route"
)

// Throughs lists all, in the order in which they are told.
func Throughs() []Through {
	return []Through{ThroughDefault, ThroughIPBlock, ThroughService, ThroughIngress, ThroughRoute}
}

// EntranceQuery asks what can be reached from outside the cluster.
type EntranceQuery struct {
	// From are the addresses that count; none means all that are outside the cluster.
	From []netip.Prefix
	To   Selection
	// Ports are those of the pods; the empty set means every port.
	Ports PortSet
	// Through limits the answer; none means all.
	Through []Through
	// Controllers are who serves Ingresses and routes: pods, or addresses outside the
	// cluster. None means that it is not known.
	Controllers []Selection
	// Blocked are the reasons for which an entrance that is unknown counts as shut.
	Blocked []Uncertainty
}

func (q EntranceQuery) throughs() []Through {
	if len(q.Through) == 0 {
		return Throughs()
	}
	return q.Through
}

// Paths are the paths that NetworkPolicies alone leave open to the addresses: none where only what
// leads in counts.
func (q EntranceQuery) Paths() []Query {
	if !slices.ContainsFunc(q.throughs(), func(t Through) bool { return t == ThroughDefault || t == ThroughIPBlock }) {
		return nil
	}
	from := q.From
	if len(from) == 0 {
		all := Anywhere()
		from = all[:]
	}
	var out []Query
	for _, block := range from {
		out = append(out, Query{From: Selection{Block: block}, To: q.To, Ports: q.Ports, Blocked: q.Blocked})
	}
	return out
}

// NeedsEntries reports whether the answer depends on Services, Ingresses and routes.
func (q EntranceQuery) NeedsEntries() bool {
	return slices.ContainsFunc(q.throughs(), func(t Through) bool { return t != ThroughDefault && t != ThroughIPBlock })
}

// query is the question about paths that comes closest.
func (q EntranceQuery) query() Query {
	return Query{From: Selection{Block: Anywhere()[0]}, To: q.To, Ports: q.Ports, Blocked: q.Blocked}
}

// Entrance is a connection from addresses outside the cluster to a workload, on ports of
// its pods.
type Entrance struct {
	Connection
	Through Through
	// Ways are the ways that it takes, the first for all where there are many; none for
	// ThroughDefault and ThroughIPBlock.
	Ways []Way
	// Controller says whose pods stand on these ways; empty where nobody's do.
	Controller string
}

// Way is through which objects an entrance leads.
type Way struct {
	Steps []Step
	ports PortSet // of the pods
}

// Step is one object on a way.
type Step struct {
	cluster.Ref
	// As says how a Service is reached from outside: "LoadBalancer".
	As string
	// Text says more of it: "host shop.example.com, path /", "port 80".
	Text string
}

// OpenedEntrances lists the entrances that a change opens, by workload and what they lead
// through, sorted. Compared is, pod by pod as in Opened, on which ports a workload can be
// reached through each: another host, Service or rule that leads to the same ports opens
// nothing. From the empty cluster it lists all that there are.
func OpenedEntrances(before, after *cluster.Snapshot, q EntranceQuery, o Options) []Entrance {
	x := entrances{
		transition: &transition{
			before: newEvaluator(before, o), after: newEvaluator(after, o), query: q.query(), options: o, delta: after.Since(before), strangers: true,
		},
		query: q,
	}
	if len(q.From) > 0 {
		x.clients = setOfAll(q.From)
	}
	affected := x.affected()
	x.mention(affected)
	x.was, x.is = newLeading(x.before, q), newLeading(x.after, q)
	var out []Entrance
	for _, c := range x.chosenAmong(q.To, affected) {
		if o.enough(len(out)) {
			break
		}
		for _, t := range q.throughs() {
			out = append(out, x.opened(t, c)...)
		}
	}
	return out
}

// entrances compares what can be reached from outside in two snapshots.
type entrances struct {
	*transition
	query   EntranceQuery
	clients *netipx.IPSet // who counts; nil is everybody
	was, is *leading
}

// affected are the workloads of the newer snapshot whose entrances can differ from before.
func (x *entrances) affected() map[*cluster.Workload]bool {
	out := x.transition.affected()
	served := x.changesControllers(out)
	all := func(namespace string) {
		for w := range x.after.snapshot.Workloads(namespace) {
			out[w] = true
		}
	}
	for _, ns := range x.delta.Namespaces {
		for _, e := range ns.Entries {
			all(ns.Name)
			if r, ok := e.(*cluster.Route); ok {
				for _, b := range r.Backends {
					all(b.Namespace)
				}
			}
		}
	}
	if served {
		for ns := range x.after.snapshot.Namespaces() {
			if len(x.after.snapshot.Ingresses(ns.Name)) > 0 {
				all(ns.Name)
			}
		}
		for r := range x.after.snapshot.Routes() {
			for _, b := range r.Backends {
				all(b.Namespace)
			}
		}
	}
	return out
}

// changesControllers tells whether one of the workloads serves Ingresses and routes.
func (x *entrances) changesControllers(affected map[*cluster.Workload]bool) bool {
	return slices.ContainsFunc(x.query.Controllers, func(s Selection) bool {
		return !s.external() && len(x.chosenAmong(s, affected)) > 0
	})
}

// mention makes labels count that only Services ask for: pods that differ in them have
// different pasts, and the pods of a StatefulSet are told apart where a Service does.
func (x *entrances) mention(affected map[*cluster.Workload]bool) {
	seen := map[string]bool{}
	var selectors []selector.Selector
	for w := range affected {
		if seen[w.Namespace] {
			continue
		}
		seen[w.Namespace] = true
		for _, s := range []*cluster.Snapshot{x.before.snapshot, x.after.snapshot} {
			for _, svc := range s.Services(w.Namespace) {
				if svc.Selects {
					selectors = append(selectors, svc.Pods)
				}
			}
		}
	}
	for _, e := range []*evaluator{x.before, x.after} {
		e.asking(x.transition.query)
		e.mentioning = append(slices.Clone(e.mentioning), selectors...)
		e.keys = map[string]*cluster.Keys{}
	}
	x.keys, x.pasts, x.to = nil, nil, nil
}

// opened are the entrances to one workload that are new.
func (x *entrances) opened(t Through, c chosen) []Entrance {
	var beyond regions
	for _, ends := range x.sidesOf(x.query.To, &x.to, c) {
		before := append(x.heldAlone(ends.gone), ends.was...)
		was := x.was.regions(t, before)
		for _, r := range x.is.regions(t, ends.now) {
			if x.clients != nil {
				r.addresses = intersection(r.addresses, x.clients)
			}
			for _, old := range was {
				if r.addresses == nil {
					break
				}
				if both := intersection(r.addresses, old.addresses); both != nil {
					beyond = beyond.overlay(region{both, r.pair.entering(old.pair)})
				}
			}
		}
	}
	if len(beyond) == 0 {
		return nil
	}
	var out []Entrance
	all := beyond.connections(cluster.Ingress, c.workload, x.transition.query.ports())
	for _, connection := range x.transition.query.answer(x.after.snapshot, all) {
		out = append(out, Entrance{Connection: connection, Through: t, Ways: x.is.waysTo(t, c.workload, connection.Ports), Controller: x.is.controllerOf(t)})
	}
	slices.SortStableFunc(out, func(a, b Entrance) int { return compareConnections(a.Connection, b.Connection) })
	return out
}

// entering is beyond, without what was unknown and is only resolved: open for a reason for
// which it may have been open before.
func (p pair) entering(was pair) pair {
	known := map[Reason]PortSet{}
	for _, b := range was.because {
		known[b.Reason] = known[b.Reason].Union(b.Ports)
	}
	out := p.beyond(was, known)
	resolved := out.open.Intersect(was.possible)
	for _, b := range p.because {
		if b.Unknown == "" {
			resolved = resolved.Subtract(b.Ports.Subtract(known[b.Reason]))
		}
	}
	return out.only(out.possible.Subtract(resolved))
}

// everywhere is every address outside the cluster.
func everywhere() *netipx.IPSet {
	all := Anywhere()
	var b netipx.IPSetBuilder
	b.AddPrefix(all[0])
	b.AddPrefix(all[1])
	return build(&b)
}

// clientsOf are the addresses from which a Service takes connections.
func clientsOf(s *cluster.Service) *netipx.IPSet {
	if len(s.Clients) == 0 || s.NodePort || s.ExternalIP { // these ask nobody where he is from
		return everywhere()
	}
	return setOfAll(s.Clients)
}

func setOfAll(blocks []netip.Prefix) *netipx.IPSet {
	var b netipx.IPSetBuilder
	for _, p := range blocks {
		b.AddPrefix(p)
	}
	return build(&b)
}
