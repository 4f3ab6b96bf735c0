# METADATA
# title: Default deny
# description: |
#   Every workload is isolated: some NetworkPolicy selects it, so that only what
#   a rule names gets through. Refused are a new workload or pod that no
#   NetworkPolicy isolates, and any change (of a NetworkPolicy, a namespace,
#   labels or a template) that takes isolation away from one that had it.
#
#   Pods on the host's network cannot be isolated. A NetworkPolicy may be
#   deleted, and a namespace created, as long as no workload loses its isolation.
# custom:
#   severity: high
#   controls: [CIS Kubernetes 5.3.2, "NSA/CISA Kubernetes Hardening Guide: network separation", Kubescape C-0206, Kubescape C-0230, Kubescape C-0260, Kubescape C-0030]
#   kinds: [NetworkPolicy, Namespace, Pod, Deployment, StatefulSet, DaemonSet, ReplicaSet, ReplicationController, Job, CronJob]
#   parameters:
#     type: object
#     additionalProperties: false
#     properties:
#       directions:
#         description: The directions in which a workload must be isolated.
#         type: array
#         minItems: 1
#         uniqueItems: true
#         items: {enum: [Ingress, Egress]}
#         default: [Ingress, Egress]
package guardrails.default_deny

import data.lib.paths

violation contains {"msg": msg, "details": details(list, group)} if {
	some group in netpol.grouped([{"from": list[0].workload, "exposed": without(list)} |
		some _, exposed in exposures
		list := [x | some x in exposed]
	])
	list := [object.union(x, {"workload": group.from}) | some x in group.exposed]
	msg := concat("\n  ", [summary(group.from, list, directions_of(list)), $"to fix: {advice(list, directions_of(list))}"])
}

without(list) := [object.remove(x, {"workload"}) | some x in list]

directions_of(list) := [d | some d in ["ingress", "egress"]; some x in list; x.direction == d]

# details are for machines: the workload, and all where several lack it alike.
details(list, group) := about if {
	not group.from.many
	about := one(list, group.from)
} else := object.union(
	one(list, group.connections[0].from),
	{"workloads": [c.from | some c in group.connections]},
)

one(list, workload) := {
	"workload": workload,
	"directions": directions_of(list),
	"by": {n | some x in list; some n in x.by},
}

# exposures are the directions in which a workload lacks isolation, by its name.
exposures[name] contains x if {
	some x in netpol.exposed({"directions": input.parameters.directions})
	name := paths.peer(x.workload)
}

summary(p, list, directions) := text if {
	some x in list
	x.hostNetwork
	text := $"{paths.peer(p)} {run(p)} on the host's network, where no NetworkPolicy isolates {it(p)} for {concat(" and ", directions)}"
} else := text if {
	some x in list
	x.unknown == "generated-label"
	text := $"{paths.peer(p)} may be not isolated for {concat(" and ", directions)}: {paths.netpols(partly(list))} {verb(list, "asks", "ask")} for a label that pods get from their controller or with their node"
} else := text if {
	some x in list
	x.new
	count(partly(list)) > 0
	text := $"{paths.peer(p)} would not be isolated for {concat(" and ", directions)}: {paths.netpols(partly(list))} {verb(list, "isolates", "isolate")} only some of {its(p)} pods"
} else := text if {
	some x in list
	x.new
	text := $"{paths.peer(p)} would not be isolated for {concat(" and ", directions)}: no NetworkPolicy selects {it(p)} for {concat(" or ", directions)}"
} else := text if {
	count(by(list)) == 1
	text := $"{paths.peer(p)} would no longer be isolated for {concat(" and ", directions)}: so far NetworkPolicy {by(list)[0]} did that"
} else := $"{paths.peer(p)} would no longer be isolated for {concat(" and ", directions)}: so far NetworkPolicies {concat(", ", by(list))} did that"

it(p) := "them" if {
	p.many
} else := "it"

its(p) := "their" if {
	p.many
} else := "its"

run(p) := "run" if {
	p.many
} else := "runs"

# partly are the NetworkPolicies that isolate some of its pods now, or perhaps all.
partly(list) := sort({n | some x in list; some n in x.partly})

verb(list, one, many) := word if {
	word := {true: one, false: many}[count(partly(list)) == 1]
}

# by are the NetworkPolicies that isolated it before.
by(list) := sort({n | some x in list; some n in x.by})

advice(list, directions) := "leave out hostNetwork: true, or ask for an exemption" if {
	some x in list
	x.hostNetwork
} else := text if {
	input.request.kind.kind == "NetworkPolicy"
	input.request.operation == "DELETE"
	text := $"keep NetworkPolicy {input.request.namespace}/{input.request.name}, or first apply another {isolating(list, directions)}"
} else := text if {
	input.request.kind.kind == "NetworkPolicy"
	input.request.operation == "UPDATE"
	text := $"leave its podSelector and policyTypes as they are, or first apply another {isolating(list, directions)}"
} else := text if {
	input.origin == "cli"
	every x in list { not x.new }
	count(by(list)) > 0
	text := $"keep {paths.netpols(by(list))} and the labels by which {paths.brief(list[0].workload)} {selected(list[0].workload)}, or first apply a NetworkPolicy {isolating(list, directions)}"
} else := text if {
	every x in list { not x.new }
	text := $"keep the labels by which it was selected, or first apply a NetworkPolicy {isolating(list, directions)}"
} else := $"first apply a NetworkPolicy {isolating(list, directions)}"

selected(p) := "are selected" if {
	p.many
} else := "is selected"

isolating(list, directions) := $"with podSelector: \{} and policyTypes: [{paths.types(directions)}] in {paths.place(list[0].workload)} ({paths.default_deny(list[0].workload)})"
