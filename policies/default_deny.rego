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

violation contains {"msg": msg, "details": details} if {
	some name, exposed in exposures
	list := [x | some x in exposed]
	directions := [d | some d in ["ingress", "egress"]; some x in list; x.direction == d]
	details := {
		"workload": list[0].workload,
		"directions": directions,
		"by": {n | some x in list; some n in x.by},
	}
	msg := concat("\n  ", [summary(name, list, directions), $"to fix: {advice(list, directions)}"])
}

# exposures are the directions in which a workload lacks isolation, by its name.
exposures[name] contains x if {
	some x in netpol.exposed({"directions": input.parameters.directions})
	name := paths.peer(x.workload)
}

summary(name, list, directions) := text if {
	some x in list
	x.hostNetwork
	text := $"{name} runs on the host's network, where no NetworkPolicy isolates it for {concat(" and ", directions)}"
} else := text if {
	some x in list
	x.unknown == "generated-label"
	text := $"{name} may be not isolated for {concat(" and ", directions)}: {paths.netpols(partly(list))} {verb(list, "asks", "ask")} for a label that pods get from their controller or with their node"
} else := text if {
	some x in list
	x.new
	count(partly(list)) > 0
	text := $"{name} would not be isolated for {concat(" and ", directions)}: {paths.netpols(partly(list))} {verb(list, "isolates", "isolate")} only some of its pods"
} else := text if {
	some x in list
	x.new
	text := $"{name} would not be isolated for {concat(" and ", directions)}: no NetworkPolicy selects it for {concat(" or ", directions)}"
} else := text if {
	count(by(list)) == 1
	text := $"{name} would no longer be isolated for {concat(" and ", directions)}: so far NetworkPolicy {by(list)[0]} did that"
} else := $"{name} would no longer be isolated for {concat(" and ", directions)}: so far NetworkPolicies {concat(", ", by(list))} did that"

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
	every x in list { not x.new }
	text := $"keep the labels by which it was selected, or first apply a NetworkPolicy {isolating(list, directions)}"
} else := $"first apply a NetworkPolicy {isolating(list, directions)}"

isolating(list, directions) := $"with podSelector: \{} and policyTypes: [{paths.types(directions)}] in namespace {list[0].workload.namespace} (`podcullis explain default-deny -n {list[0].workload.namespace}` prints one)"
