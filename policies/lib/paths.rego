# METADATA
# title: Paths in words
# description: How guardrails name peers, ports and reasons, so that every message reads alike.
package lib.paths

import data.lib.possible

# peer names one end of a connection: "shop/Deployment/web", a block of addresses, a
# pod that could be created, or several of a kind.
peer(p) := p.text if {
	p.many
} else := possible.pod(p) if {
	p.witness
} else := $"{p.namespace}/{p.kind}/{p.name}" if {
	p.name
} else := p.cidr

# ports lists the ports of a connection: "TCP 5432, UDP 53-54", "all ports".
ports(list) := "all ports" if {
	every protocol in ["TCP", "UDP", "SCTP"] {
		{"protocol": protocol, "port": 1, "endPort": 65535} in list
	}
} else := concat(", ", [range_text(r) | some r in list])

range_text(r) := $"all {r.protocol} ports" if {
	r.port == 1
	r.endPort == 65535
} else := $"{r.protocol} {r.port}" if {
	r.port == r.endPort
} else := $"{r.protocol} {r.port}-{r.endPort}"

# subject_peer is the side of a connection that a reason is about, subject its name.
subject_peer(connection, "egress") := connection.from

subject_peer(connection, "ingress") := connection.to

subject(connection, direction) := brief(subject_peer(connection, direction))

# brief names a peer that was named before.
brief(p) := p.brief if {
	p.many
} else := peer(p)

# place is the namespace of a peer, or those of several.
place(p) := $"each of the {count(p.namespaces)} namespaces" if {
	count(p.namespaces) > 1
} else := $"namespace {namespace(p)}"

namespace(p) := p.namespaces[0] if {
	p.many
} else := p.namespace

# default_deny is the command that prints a NetworkPolicy for that place.
default_deny(p) := $"`podcullis explain default-deny -n {namespace(p)}` prints one"

# ports_of are the ports of several connections as one.
ports_of(group) := ports(group.ports) if {
	not group.mixed
} else := "all ports, some of them on fewer" if {
	ports(group.ports) == "all ports"
} else := $"{ports(group.ports)} (which of these depends on the {sort_of(group.from)})"

sort_of(p) := "address" if {
	p.cidr
} else := "pod" if {
	p.witness
} else := "workload"

# details are for machines: the connection, and beside the first one all where several
# have the same cause and target.
details(group) := group.connections[0] if {
	count(group.connections) == 1
} else := object.union(group.connections[0], object.filter(group, {"connections", "more"}))

# types are the policyTypes that isolate for the directions: "Ingress, Egress".
types(directions) := concat(", ", [t | some d in directions; t := {"ingress": "Ingress", "egress": "Egress"}[d]])

# netpols names NetworkPolicies: "NetworkPolicy shop/a", "NetworkPolicies shop/a, shop/b".
netpols(names) := $"NetworkPolicy {names[0]}" if {
	count(names) == 1
} else := $"NetworkPolicies {concat(", ", names)}"

# rule names the rule of a reason as people count: from 1.
rule(reason) := $"{reason.direction} rule {reason.rule + 1} of NetworkPolicy {reason.netpol}"

uncertainty := {
	"controller-unknown": "which may let through whoever serves what leads there from outside",
	"ip-not-assigned": "whose address block may hold the address that a pod will get",
	"host-network": "which matches a pod on the host's network, and only some network plugins see it there",
	"generated-label": "which asks for a label that pods get from their controller or with their node, so that what it matches is not known",
	"namespace-unknown": "which asks for labels of a namespace of which only the name is known",
	"not-decided": "and the search for labels by which a pod gets through it was given up",
	"unparsable-selector": "which holds something that does not parse, so that what it matches is not known",
}

# reason_text says what opens one side of a connection.
reason_text(connection, reason) := text if {
	reason.notIsolated
	subject_peer(connection, reason.direction).hostNetwork
	text := $"{subject(connection, reason.direction)} runs on the host's network, where no NetworkPolicy isolates it for {reason.direction}"
} else := text if {
	reason.notIsolated
	not reason.netpol
	text := $"no NetworkPolicy isolates {subject(connection, reason.direction)} for {reason.direction}"
} else := text if {
	reason.notIsolated
	reason.unknown == "generated-label"
	text := $"NetworkPolicy {reason.netpol} asks for a label that pods get from their controller or with their node, so that whether it isolates {subject(connection, reason.direction)} for {reason.direction} is not known"
} else := text if {
	reason.notIsolated
	text := $"NetworkPolicy {reason.netpol} does not parse, so that whether it isolates {subject(connection, reason.direction)} for {reason.direction} is not known"
} else := text if {
	reason.unknown == "node-exception"
	text := $"{brief(connection.from)} runs on the host's network, and to the pods of its own node it is always open"
} else := namespace_text(connection, reason) if {
	reason.unknown == "namespace-unknown"
	not reason.netpol
} else := text if {
	reason.restricted
	text := $"another network policy API is in use here, and it may have kept shut what NetworkPolicies left open before ({reason.direction} of {subject(connection, reason.direction)})"
} else := text if {
	reason.unknown == "unmodelled-kind"
	text := $"another network policy API is in use here, and it may open what NetworkPolicies leave blocked ({reason.direction} of {subject(connection, reason.direction)})"
} else := text if {
	reason.unknown
	text := $"{rule(reason)}, {uncertainty[reason.unknown]}"
} else := rule(reason)

# namespace_text says that it is not known whether a path is asked about.
namespace_text(connection, reason) := $"whether the guardrail is about {subject(connection, reason.direction)} hangs on labels of {place(subject_peer(connection, reason.direction))}, of which only the name is known"

namespace_advice := "give the Namespace object with its labels, too"
