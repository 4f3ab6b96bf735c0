package connectivity

import (
	"cmp"
	"net/netip"

	"github.com/podcullis/podcullis/cluster"
)

// Uncertainty is the named reason for which a connection is neither proved open
// nor proved blocked. Empty means certain.
type Uncertainty string

// The reasons.
const (
	// IPNotAssigned: an ipBlock may hold the address that a pod will get.
	IPNotAssigned Uncertainty = "ip-not-assigned"
	// HostNetwork: a selector matches a pod of the host's network; network
	// plugins differ in whether they see it there.
	HostNetwork Uncertainty = "host-network"
	// NodeException: the peer is on the host's network, and from a pod's own node
	// its ingress is always open.
	NodeException Uncertainty = "node-exception"
	// NamespaceUnknown: a selector asks for labels of a namespace of which only the
	// name is known.
	NamespaceUnknown Uncertainty = "namespace-unknown"
	// UnparsableSelector: a stored netpol holds something that does not parse.
	UnparsableSelector Uncertainty = "unparsable-selector"
	// GeneratedLabel: a selector asks for a label that a controller gives to pods,
	// or that they get with their node, and its value is not known yet.
	GeneratedLabel Uncertainty = "generated-label"
	// UnmodelledKind: an object of another policy API is present that may open
	// what NetworkPolicies leave blocked.
	UnmodelledKind Uncertainty = "unmodelled-kind"
	// ControllerUnknown: which pods serve an Ingress or a route is not known, so whether
	// netpols let them through is not either (Entrance).
	ControllerUnknown Uncertainty = "controller-unknown"
	// NotDecided: the search for the labels of a pod that gets through was given
	// up (Scope Possible).
	NotDecided Uncertainty = "not-decided"
)

// Peer is one end of a connection: a workload, a block of addresses outside the
// cluster, or a pod that could be created. Exactly one of them is set.
type Peer struct {
	Workload *cluster.Workload
	CIDR     netip.Prefix
	// Witness is set in answers about Scope Possible only.
	Witness *Witness
}

// String is "shop/Deployment/web", "10.0.0.0/8", or that of the Witness.
func (p Peer) String() string {
	switch {
	case p.Workload != nil:
		return p.Workload.Ref.String()
	case p.Witness != nil:
		return p.Witness.String()
	}
	return p.CIDR.String()
}

// Compare orders peers: workloads by namespace, kind and name, then pods that
// could be created, then address blocks, IPv4 first.
func (p Peer) Compare(o Peer) int {
	switch {
	case p.Workload != nil && o.Workload != nil:
		return p.Workload.Ref.Compare(o.Workload.Ref)
	case p.Workload != nil:
		return -1
	case o.Workload != nil:
		return 1
	case p.Witness != nil && o.Witness != nil:
		return p.Witness.compare(o.Witness)
	case p.Witness != nil:
		return -1
	case o.Witness != nil:
		return 1
	}
	return cmp.Or(p.CIDR.Addr().Compare(o.CIDR.Addr()), cmp.Compare(p.CIDR.Bits(), o.CIDR.Bits()))
}

// Reason is what opens one side of a connection. It is comparable.
type Reason struct {
	Direction cluster.Direction
	// Netpol and Rule name the rule that lets the connection through; Rule
	// counts from 0. Netpol is zero when no netpol has a say.
	Netpol cluster.Ref
	Rule   int
	// NotIsolated is set when no netpol isolates this side.
	NotIsolated bool
	// Unknown says why this reason is not certain.
	Unknown Uncertainty
	// OverPods is set when the rule lets a pod through by an ipBlock that holds
	// its address. Upstream's conformance tests expect that; some network
	// plugins (Cilium) do not do it.
	OverPods bool
	// Restricted is set beside UnmodelledKind, in the answer of Opened: an object of
	// another policy API may have kept shut before what NetworkPolicies left open, and
	// what lets the path through now is new.
	Restricted bool
}

// Because is a reason with the ports that it lets through.
type Because struct {
	Reason
	Ports PortSet
	// New is set, in the answer of Opened, when the reason did not hold before the change.
	New bool
}

func compareBecause(a, b Because) int {
	return cmp.Or(
		cmp.Compare(a.Direction, b.Direction),
		a.Netpol.Compare(b.Netpol),
		cmp.Compare(a.Rule, b.Rule),
		cmp.Compare(a.Unknown, b.Unknown),
	)
}

// Connection is the ports that one peer can reach on another. All its ports are
// open, or all are unknown: one pair of peers may have a connection of each sort.
type Connection struct {
	From, To Peer
	Ports    PortSet
	// Unknown is empty when the connection is proved open; else the reason, and
	// Because holds every one.
	Unknown Uncertainty
	// Because is never empty: what opens the egress side, then the ingress side.
	Because []Because
}

func compareConnections(a, b Connection) int {
	return cmp.Or(a.From.Compare(b.From), a.To.Compare(b.To), cmp.Compare(a.Unknown, b.Unknown))
}

// On is the part of the connection on some ports, if there is one.
func (c Connection) On(ports PortSet) (Connection, bool) {
	c.Ports = c.Ports.Intersect(ports)
	c.Because = within(c.Because, ports)
	return c, !c.Ports.Empty()
}
