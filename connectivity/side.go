package connectivity

import (
	"net/netip"
	"slices"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/cluster/selector"
)

// side is what the netpols of one end of a connection say about the other end:
// egress of the source, or ingress of the destination.
type side struct {
	// open is proved, maybe is what is not proved blocked beyond that.
	open, maybe PortSet
	because     []Because
}

func (s side) possible() PortSet { return s.open.Union(s.maybe) }

func (s *side) add(r Reason, ports PortSet) {
	if ports.Empty() {
		return
	}
	if r.Unknown == "" {
		s.open = s.open.Union(ports)
	} else {
		s.maybe = s.maybe.Union(ports)
	}
	s.because = append(s.because, Because{Reason: r, Ports: ports})
}

// settled is s without the doubts about ports that are proved open all the same.
func (s side) settled() side {
	if s.maybe.Empty() {
		return s
	}
	var because []Because
	for _, b := range s.because {
		if b.Unknown != "" {
			b.Ports = b.Ports.Subtract(s.open)
		}
		if !b.Ports.Empty() {
			because = append(because, b)
		}
	}
	s.because = because
	return s
}

// evaluator answers for one snapshot. What it remembers, it remembers for the
// length of one question.
type evaluator struct {
	snapshot   *cluster.Snapshot
	keys       map[string]*cluster.Keys // see keysIn
	mentioning []selector.Selector      // selectors of the question that count beside those in force
	asked      [2]selector.Selector     // see asking
	network    []netip.Prefix
	opening    foreignOpeners
	closing    map[string]bool // where another policy API may close what is open, by namespace, as far as asked
	guards     map[*cluster.Variant]*cluster.Isolation
	joined     map[listKey][]*cluster.Variant
	apart      map[*cluster.Variant][2]*cluster.Variant // into pods and templates
	namespaces map[string]cluster.Members
	reached    map[reachKey]*reach
	pods       map[selectorPair]variantSet
	within     map[*cluster.IPBlock]variantSet
	hosts      variantSet
	outer      map[*cluster.IPBlock]bool // whether it lies outside the pod network
	numbers    map[*cluster.NetpolRule]*numbered
}

func newEvaluator(s *cluster.Snapshot, o Options) *evaluator {
	return &evaluator{snapshot: s, network: o.PodNetwork, opening: openersOf(s)}
}

// put writes to a map that is made with its first entry: most questions need few of them.
func put[K comparable, V any](m *map[K]V, k K, v V) {
	if *m == nil {
		*m = map[K]V{}
	}
	(*m)[k] = v
}

func (e *evaluator) guard(v *cluster.Variant) *cluster.Isolation {
	g, ok := e.guards[v]
	if !ok {
		g = e.snapshot.IsolationOf(v)
		put(&e.guards, v, g)
	}
	return g
}

// netpols are those that isolate a variant in one direction.
func (e *evaluator) netpols(v *cluster.Variant, d cluster.Direction) []cluster.Isolator {
	return e.guard(v).By[d]
}

// towards evaluates one side of a connection between two pods: the netpols of
// subject, for traffic in direction d with peer.
func (e *evaluator) towards(d cluster.Direction, subject, peer *cluster.Variant) side {
	destination := subject
	if d == cluster.Egress {
		destination = peer
	}
	return e.judge(d, subject, func(n *cluster.Netpol, r *cluster.NetpolRule) matched {
		return e.matchPods(n, r, peer)
	}, destination, d == cluster.Ingress && peer.HostNetwork)
}

// matched is whether the peers of a rule match, and how sure that is.
type matched struct {
	match    selector.Match
	unknown  Uncertainty // when match is Maybe
	overPods bool
}

// better keeps the stronger of two matches.
func (m matched) better(o matched) matched {
	if o.match > m.match || (o.match == m.match && m.overPods && !o.overPods) {
		return o
	}
	return m
}

// given weakens a match of a peer that cannot be read in full.
func (m matched) given(broken bool) matched {
	if broken && m.match == selector.Yes {
		m.match, m.unknown = selector.Maybe, UnparsableSelector
	}
	return m
}

// judge adds up what the netpols that select subject let through. destination is
// the pod whose port names count; nil outside the cluster.
func (e *evaluator) judge(d cluster.Direction, subject *cluster.Variant, match func(*cluster.Netpol, *cluster.NetpolRule) matched, destination *cluster.Variant, fromNode bool) side {
	var out side
	netpols := e.netpols(subject, d)
	if subject.HostNetwork || len(netpols) == 0 {
		out.add(Reason{Direction: d, NotIsolated: true}, AllPorts())
		return out
	}
	isolated := selector.No
	for _, n := range netpols {
		isolated = isolated.Or(n.Match)
		for i := range n.Rules[d] {
			rule := &n.Rules[d][i]
			m := match(n.Netpol, rule)
			if m.match == selector.No {
				continue
			}
			if n.Match == selector.Maybe {
				m.unknown = doubtOf(n.Selector, subject)
			}
			reason := Reason{Direction: d, Netpol: n.Ref(), Rule: i, Unknown: m.unknown, OverPods: m.overPods}
			ports, broken := e.portsOf(rule, destination)
			out.add(reason, ports)
			reason.Unknown = UnparsableSelector
			out.add(reason, broken)
		}
	}
	if isolated == selector.Maybe {
		// Whether anything isolates this side depends on selectors that do not parse,
		// or on labels that are not known yet.
		for _, n := range netpols {
			out.add(Reason{Direction: d, Netpol: n.Ref(), NotIsolated: true, Unknown: doubtOf(n.Selector, subject)}, AllPorts())
		}
	}
	if fromNode {
		out.add(Reason{Direction: d, Unknown: NodeException}, AllPorts())
	}
	if e.opening.in(subject.Workload.Namespace) {
		out.add(Reason{Direction: d, Unknown: UnmodelledKind}, AllPorts())
	}
	return out.settled()
}

func (e *evaluator) matchPods(n *cluster.Netpol, r *cluster.NetpolRule, peer *cluster.Variant) matched {
	if r.AnyPeer {
		return matched{match: selector.Yes}
	}
	var best matched
	r.MayMatch(peer, func(p *cluster.NetpolPeer) bool {
		best = best.better(e.matchPod(n, p, peer))
		return best.match != selector.Yes || best.overPods // else none is better
	})
	return best
}

func (e *evaluator) matchPod(n *cluster.Netpol, p *cluster.NetpolPeer, peer *cluster.Variant) matched {
	switch {
	case p.Block != nil:
		return e.matchAddresses(p.Block, peer).given(p.Broken)
	case p.Broken:
		return matched{match: selector.Maybe, unknown: UnparsableSelector}
	}
	m, doubt := peer.Matches(p.Pods), doubtOf(p.Pods, peer)
	if p.OwnNamespace {
		if n.Namespace != peer.Workload.Namespace {
			m = selector.No
		}
	} else if m != selector.No {
		namespace, unknown := e.matchNamespace(p, peer.Workload.Namespace)
		if m == selector.Yes && namespace == selector.Maybe {
			doubt = unknown
		}
		m = m.And(namespace)
	}
	switch {
	case m == selector.Maybe:
		return matched{match: m, unknown: doubt}
	case m == selector.Yes && peer.HostNetwork:
		return matched{match: selector.Maybe, unknown: HostNetwork}
	}
	return matched{match: m}
}

// matchAddresses tells whether a block of addresses lets a pod through. A pod
// without an address may get one in the block, unless the pod network is known
// and lies elsewhere.
func (e *evaluator) matchAddresses(b *cluster.IPBlock, peer *cluster.Variant) matched {
	if slices.ContainsFunc(peer.IPs, b.Contains) {
		return matched{match: selector.Yes, overPods: !peer.HostNetwork}
	}
	if !peer.Unaddressed {
		return matched{}
	}
	if !peer.HostNetwork && e.outsidePodNetwork(b) {
		return matched{}
	}
	return matched{match: selector.Maybe, unknown: IPNotAssigned}
}

// outsidePodNetwork reports whether it is certain that no pod gets an address in
// a block.
func (e *evaluator) outsidePodNetwork(b *cluster.IPBlock) bool {
	if len(e.network) == 0 {
		return false
	}
	outside, ok := e.outer[b]
	if !ok {
		set := setOfBlock(b)
		outside = set == nil || !slices.ContainsFunc(e.network, set.OverlapsPrefix)
		put(&e.outer, b, outside)
	}
	return outside
}

// portsOf resolves the ports of a rule on the destination pod, nil outside the
// cluster, where a name matches nothing. broken are those of entries that do not parse.
func portsOf(r *cluster.NetpolRule, destination *cluster.Variant) (ports, broken PortSet) {
	if r.AnyPort {
		return AllPorts(), PortSet{}
	}
	var numbers []PortRange
	for _, p := range r.Ports {
		switch {
		case p.Broken:
			broken = AllPorts()
		case p.Name == "":
			numbers = append(numbers, PortRange{p.Protocol, p.First, p.Last})
		case destination != nil && destination.Unread()&cluster.UnreadPorts != 0:
			broken = AllPorts()
		case destination != nil:
			for _, number := range destination.ResolvePort(p.Name, p.Protocol) {
				named := PortRange{p.Protocol, number, number}
				if number == AnyNumber {
					named.First, named.Last = minPort, maxPort
				}
				ports = ports.Union(Ports(named))
			}
		}
	}
	ports = ports.Union(Ports(numbers...))
	return ports, broken.Subtract(ports)
}

// foreignOpeners are the namespaces in which another policy API may open what
// NetworkPolicies leave blocked.
type foreignOpeners struct {
	everywhere bool
	namespaces map[string]bool
}

func (f foreignOpeners) in(namespace string) bool { return f.everywhere || f.namespaces[namespace] }

func openersOf(s *cluster.Snapshot) foreignOpeners {
	var out foreignOpeners
	for f := range s.Foreign() {
		if !f.Opens() {
			continue
		}
		if f.Namespace == "" {
			out.everywhere = true
			continue
		}
		if out.namespaces == nil {
			out.namespaces = map[string]bool{}
		}
		out.namespaces[f.Namespace] = true
	}
	return out
}
