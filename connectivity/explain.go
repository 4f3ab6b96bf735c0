package connectivity

import (
	"net/netip"
	"slices"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/cluster/selector"
)

// Verdict is the answer about a connection. The zero value is Blocked.
type Verdict uint8

// The verdicts.
const (
	VerdictBlocked Verdict = iota
	VerdictUnknown
	VerdictOpen
)

// String is the verdict in lower case.
func (v Verdict) String() string {
	return [...]string{VerdictBlocked: "blocked", VerdictUnknown: "unknown", VerdictOpen: "open"}[v]
}

func verdictOf(open, unsure PortSet) Verdict {
	switch {
	case !open.Empty():
		return VerdictOpen
	case !unsure.Empty():
		return VerdictUnknown
	}
	return VerdictBlocked
}

// Explanation is the verdict on the connections from one peer to another, with
// every netpol rule that had a say.
type Explanation struct {
	From, To Peer
	// Asked are the ports that the question was about.
	Asked PortSet
	// Verdict is open when an asked port is open, for some pod of each peer or
	// some address of a block; unknown when none is and one is unknown.
	Verdict Verdict
	// Unknown says why the verdict is unknown; empty for the others.
	Unknown Uncertainty
	// Open and Unsure are the asked ports that are open, and that are unknown.
	Open, Unsure PortSet
	// Self is set for a pod that asks about itself: it always reaches itself,
	// whatever the sides say.
	Self bool
	// Barriers counts the sides that block the asked ports, between two workloads:
	// 0 when one of the ports is not proved blocked. It is -1 where a peer is outside.
	Barriers int
	// Connections are the answer as Open lists it: for a block of addresses, the
	// blocks that behave differently.
	Connections []Connection
	// Sides are indexed by direction: egress of From, ingress of To.
	Sides [2]SideExplanation
}

// Disagree reports whether each side lets an asked port through and yet there is
// none, or no pair of pods, on which they agree.
func (x Explanation) Disagree() bool {
	return x.Verdict == VerdictBlocked && !x.Sides[cluster.Egress].Blocks() && !x.Sides[cluster.Ingress].Blocks()
}

// SideExplanation is what the netpols of one end say about the other end.
type SideExplanation struct {
	Direction cluster.Direction
	// Subject is the end whose netpols these are, Peer the other one.
	Subject, Peer Peer
	// Outside is set when the subject is outside the cluster, where nothing has a
	// say: all is open.
	Outside bool
	// HostNetwork is set when a pod of the subject is on the host's network, where
	// no netpol isolates it.
	HostNetwork bool
	// Isolated is Yes when every pod of the subject is isolated in this direction.
	Isolated selector.Match
	// Open and Unsure are the asked ports that this side lets through, surely and
	// perhaps.
	Open, Unsure PortSet
	// Because is what lets them through, as in a Connection.
	Because []Because
	// Netpols are those that select a pod of the subject and isolate it in this
	// direction, by name.
	Netpols []NetpolExplanation
}

// Blocks reports whether this side by itself blocks every asked port.
func (s SideExplanation) Blocks() bool { return s.Open.Empty() && s.Unsure.Empty() }

// NetpolExplanation is what one netpol says about one side of a connection.
type NetpolExplanation struct {
	Netpol *cluster.Netpol
	// Selects is Maybe when the podSelector does not parse, or asks for a label that
	// the pods are yet to get.
	Selects selector.Match
	// Partly is set when some pods of the subject are certainly not selected.
	Partly bool
	// Rules are those of the direction, in the netpol's order.
	Rules []RuleExplanation
}

// RuleExplanation is why a rule lets a connection through, or does not.
type RuleExplanation struct {
	// Rule counts from 0.
	Rule int
	// Peer is whether a peer of the rule matches the other end, for some pod or
	// address of it; Unknown says why it is Maybe.
	Peer    selector.Match
	Unknown Uncertainty
	// Partly is set when the rule matches some addresses of a block and not others.
	Partly bool
	// OverPods is set when it matches by a block that holds a pod's address.
	OverPods bool
	// Ports are the asked ports that the rule is for, with its names resolved on
	// the destination, whether or not a peer matches.
	Ports PortSet
	// BrokenPorts is set when a port of the rule cannot be read: it may be any.
	BrokenPorts bool
	// Through are the asked ports that the rule lets through, or may let through.
	Through PortSet
}

// Explain gives the verdict on the connections from one peer to another, on the
// given ports or, when there are none, on any port. A workload is all its pods
// taken together. At most one of the peers is a block of addresses.
func Explain(s *cluster.Snapshot, from, to Peer, ports PortSet, o Options) Explanation {
	x := &explainer{evaluator: newEvaluator(s, o), asked: Query{Ports: ports}.ports()}
	out := Explanation{From: from, To: to, Asked: x.asked}
	out.Sides[cluster.Egress] = x.side(cluster.Egress, from, to)
	out.Sides[cluster.Ingress] = x.side(cluster.Ingress, to, from)
	out.Connections = x.connections(from, to)
	for _, c := range out.Connections {
		if c.Unknown == "" {
			out.Open = out.Open.Union(c.Ports)
		} else {
			out.Unsure = out.Unsure.Union(c.Ports)
		}
	}
	out.Barriers = x.barriersBetween(from, to)
	out.Self = from.Workload != nil && from.Workload == to.Workload && from.Workload.Kind == "Pod"
	if out.Self || from.Workload == nil && to.Workload == nil {
		out.Open, out.Unsure = x.asked, PortSet{}
	}
	if out.Verdict = verdictOf(out.Open, out.Unsure); out.Verdict == VerdictUnknown {
		for _, c := range out.Connections {
			if out.Unknown == "" {
				out.Unknown = c.Unknown
			}
		}
	}
	return out
}

// explainer asks the evaluator rule by rule.
type explainer struct {
	*evaluator
	asked PortSet
}

func (x *explainer) connections(from, to Peer) []Connection {
	switch {
	case from.Workload == nil && to.Workload == nil:
		return nil
	case from.Workload == nil:
		return x.outside(cluster.Ingress, to.Workload.Variants, from.CIDR).connections(cluster.Ingress, to.Workload, x.asked)
	case to.Workload == nil:
		return x.outside(cluster.Egress, from.Workload.Variants, to.CIDR).connections(cluster.Egress, from.Workload, x.asked)
	}
	return x.between(from.Workload.Variants, to.Workload.Variants).connections(from, to, x.asked)
}

func (x *explainer) barriersBetween(from, to Peer) int {
	if from.Workload == nil || to.Workload == nil {
		return -1
	}
	return x.barriers(from.Workload.Variants, to.Workload.Variants).fewest(x.asked)
}

func (x *explainer) side(d cluster.Direction, subject, peer Peer) SideExplanation {
	out := SideExplanation{Direction: d, Subject: subject, Peer: peer}
	if subject.Workload == nil {
		out.Outside, out.Open = true, x.asked
		return out
	}
	isolation := x.isolation(subject.Workload)
	out.Isolated = isolation.Isolated[d]
	var sum pair
	for _, v := range x.classes(subject.Workload.Variants) {
		out.HostNetwork = out.HostNetwork || v.HostNetwork
		for _, end := range x.ends(d, v, peer) {
			s := x.towardsEnd(d, v, end)
			sum.add(s.open, s.possible(), s.because)
		}
	}
	out.Open, out.Unsure = sum.open.Intersect(x.asked), sum.possible.Subtract(sum.open).Intersect(x.asked)
	out.Because = sum.reasons(out.Open.Union(out.Unsure), true)
	for _, ref := range isolation.By[d] {
		if n, ok := x.snapshot.Netpol(ref.Namespace, ref.Name); ok {
			out.Netpols = append(out.Netpols, x.netpol(d, n, subject.Workload, peer))
		}
	}
	return out
}

// end is one pod of a peer, or one address of it for all that behave alike.
type end struct {
	variant *cluster.Variant
	address netip.Addr
}

// ends are the pods of a peer, or an address of every part of it that the rules
// of subject tell apart.
func (x *explainer) ends(d cluster.Direction, subject *cluster.Variant, peer Peer) []end {
	var out []end
	if peer.Workload != nil {
		for _, v := range x.classes(peer.Workload.Variants) {
			out = append(out, end{variant: v})
		}
		return out
	}
	for _, r := range x.outside(d, []*cluster.Variant{subject}, peer.CIDR) {
		out = append(out, end{address: r.addresses.Ranges()[0].From()})
	}
	return out
}

func (x *explainer) towardsEnd(d cluster.Direction, subject *cluster.Variant, peer end) side {
	if peer.variant != nil {
		return x.towards(d, subject, peer.variant)
	}
	return x.judge(d, subject, func(_ *cluster.Netpol, r *cluster.NetpolRule) matched {
		return matchAddress(r, peer.address)
	}, destinationOf(d, subject, peer), false)
}

// destinationOf is the pod whose port names count; nil outside the cluster.
func destinationOf(d cluster.Direction, subject *cluster.Variant, peer end) *cluster.Variant {
	if d == cluster.Ingress {
		return subject
	}
	return peer.variant
}

func (x *explainer) netpol(d cluster.Direction, n *cluster.Netpol, subject *cluster.Workload, peer Peer) NetpolExplanation {
	out := NetpolExplanation{Netpol: n}
	var variants []*cluster.Variant
	for _, v := range x.classes(subject.Variants) {
		m := v.Matches(n.Selector)
		out.Partly = out.Partly || m == selector.No
		if m != selector.No && !v.HostNetwork {
			variants = append(variants, v)
			out.Selects = out.Selects.Or(m)
		}
	}
	for i := range n.Rules[d] {
		out.Rules = append(out.Rules, x.rule(d, n, i, variants, peer))
	}
	return out
}

func (x *explainer) rule(d cluster.Direction, n *cluster.Netpol, i int, subjects []*cluster.Variant, peer Peer) RuleExplanation {
	r := &n.Rules[d][i]
	out := RuleExplanation{Rule: i}
	out.BrokenPorts = slices.ContainsFunc(r.Ports, func(p cluster.NetpolPort) bool { return p.Broken })
	var best matched
	for _, subject := range subjects {
		missed := false
		for _, end := range x.ends(d, subject, peer) {
			m := x.matchEnd(n, r, end)
			best = best.better(m)
			missed = missed || m.match == selector.No
			ports, broken := portsOf(r, destinationOf(d, subject, end))
			out.Ports = out.Ports.Union(ports.Intersect(x.asked))
			if m.match != selector.No {
				out.Through = out.Through.Union(ports.Union(broken).Intersect(x.asked))
			}
		}
		out.Partly = out.Partly || missed && peer.Workload == nil
	}
	out.Peer, out.Unknown, out.OverPods = best.match, best.unknown, best.overPods
	out.Partly = out.Partly && best.match != selector.No
	return out
}

func (x *explainer) matchEnd(n *cluster.Netpol, r *cluster.NetpolRule, e end) matched {
	if e.variant != nil {
		return x.matchPods(n, r, e.variant)
	}
	return matchAddress(r, e.address)
}
