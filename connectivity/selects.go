package connectivity

import (
	"slices"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/cluster/selector"
)

// NetpolSelection is what a netpol is about: the workloads that it isolates, and
// whom its rules let through.
type NetpolSelection struct {
	Netpol *cluster.Netpol
	// Workloads are those with a pod that the podSelector matches, sorted.
	Workloads []Matched
	// Rules are indexed by direction and then as in the netpol. A direction that
	// the netpol does not isolate has none.
	Rules [2][]RuleSelection
}

// Matched is a workload that a selector or a block matches for at least one pod.
type Matched struct {
	Workload *cluster.Workload
	// Unknown is set when it is not certain that it matches, and says why.
	Unknown Uncertainty
	// OverPods is set when a block of addresses matches, which some network
	// plugins do not let pods through by.
	OverPods bool
}

// RuleSelection is what one rule matches.
type RuleSelection struct {
	// AnyPeer is set when the rule is for everybody, inside the cluster and
	// outside. Workloads then lists every workload, and Blocks nothing.
	AnyPeer bool
	// Workloads are those that a peer matches, sorted.
	Workloads []Matched
	// Blocks are the addresses that its peers name.
	Blocks []*cluster.IPBlock
	// BrokenPeers counts the peers that cannot be read in full.
	BrokenPeers int
	// AnyPort is set when the rule is for every port of every protocol.
	AnyPort bool
	// Ports are those that it gives by number.
	Ports PortSet
	// Named are those that it gives by name.
	Named []NamedSelection
	// BrokenPorts counts the ports that cannot be read.
	BrokenPorts int
}

// NamedSelection is a port given by name, and what the name stands for.
type NamedSelection struct {
	Name     string
	Protocol cluster.Protocol
	// Resolved are the destinations on which the name stands for a port: for an
	// ingress rule among the workloads that the netpol selects, for an egress
	// rule among those that its peers match, sorted.
	Resolved []Resolution
}

// Resolution is what a port name stands for on the pods of one workload.
type Resolution struct {
	Workload *cluster.Workload
	Ports    PortSet
}

// Selects tells what a netpol matches in a snapshot, which need not hold it.
func Selects(s *cluster.Snapshot, n *cluster.Netpol) NetpolSelection {
	e := newEvaluator(s, Options{})
	e.mentioning = n.PodSelectors()
	out := NetpolSelection{Netpol: n}
	selected := map[*cluster.Workload][]*cluster.Variant{}
	for w := range s.Workloads(n.Namespace) {
		best := matched{}
		for _, v := range e.split(w.Variants) {
			m := matched{match: v.Matches(n.Selector)}
			switch {
			case m.match == selector.No:
				continue
			case v.HostNetwork:
				m = matched{match: selector.Maybe, unknown: HostNetwork}
			case m.match == selector.Maybe:
				m.unknown = doubtOf(n.Selector, v)
			}
			selected[w] = append(selected[w], v)
			best = best.better(m)
		}
		if best.match != selector.No {
			out.Workloads = append(out.Workloads, best.of(w))
		}
	}
	for d := range n.Rules {
		for i := range n.Rules[d] {
			out.Rules[d] = append(out.Rules[d], e.ruleSelection(n, cluster.Direction(d), &n.Rules[d][i], selected))
		}
	}
	return out
}

func (m matched) of(w *cluster.Workload) Matched {
	return Matched{Workload: w, Unknown: m.unknown, OverPods: m.overPods}
}

func (e *evaluator) ruleSelection(n *cluster.Netpol, d cluster.Direction, r *cluster.NetpolRule, selected map[*cluster.Workload][]*cluster.Variant) RuleSelection {
	out := RuleSelection{AnyPeer: r.AnyPeer, AnyPort: r.AnyPort}
	destinations := selected
	if d == cluster.Egress {
		destinations = map[*cluster.Workload][]*cluster.Variant{}
	}
	for w := range e.snapshot.AllWorkloads() {
		best := matched{}
		for _, v := range e.split(w.Variants) {
			m := e.matchPods(n, r, v)
			if m.match != selector.No && d == cluster.Egress {
				destinations[w] = append(destinations[w], v)
			}
			best = best.better(m)
		}
		if best.match != selector.No {
			out.Workloads = append(out.Workloads, best.of(w))
		}
	}
	for i := range r.Peers {
		if r.Peers[i].Block != nil {
			out.Blocks = append(out.Blocks, r.Peers[i].Block)
		}
		if r.Peers[i].Broken {
			out.BrokenPeers++
		}
	}
	for _, p := range r.Ports {
		switch {
		case p.Broken:
			out.BrokenPorts++
		case p.Name != "":
			out.Named = append(out.Named, resolve(p, destinations))
		default:
			out.Ports = out.Ports.Union(Ports(PortRange{p.Protocol, p.First, p.Last}))
		}
	}
	return out
}

func resolve(p cluster.NetpolPort, destinations map[*cluster.Workload][]*cluster.Variant) NamedSelection {
	out := NamedSelection{Name: p.Name, Protocol: p.Protocol}
	for w, variants := range destinations {
		var ports PortSet
		for _, v := range variants {
			for _, number := range v.ResolvePort(p.Name, p.Protocol) {
				ports = ports.Union(Ports(PortRange{p.Protocol, number, number}))
			}
		}
		if !ports.Empty() {
			out.Resolved = append(out.Resolved, Resolution{w, ports})
		}
	}
	slices.SortFunc(out.Resolved, func(a, b Resolution) int { return a.Workload.Ref.Compare(b.Workload.Ref) })
	return out
}
