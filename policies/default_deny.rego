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
#   kinds: [NetworkPolicy, Namespace, Pod, Deployment, StatefulSet, DaemonSet, ReplicaSet, Job, CronJob]
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
	directions := {x.direction | some x in list}
	details := {
		"workload": list[0].workload,
		"directions": sort(directions),
		"by": {n | some x in list; some n in x.by},
	}
	msg := concat("\n  ", [summary(name, list, directions), fix(list[0], directions)])
}

# exposures are the directions in which a workload lacks isolation, by its name.
exposures[name] contains x if {
	some x in netpol.exposed({"directions": input.parameters.directions})
	name := paths.peer(x.workload)
}

both(directions) := concat(" and ", sort(directions))

summary(name, list, directions) := text if {
	some x in list
	x.hostNetwork
	text := $"{name} runs on the host's network, where no NetworkPolicy isolates it for {both(directions)}"
} else := text if {
	some x in list
	x.new
	text := $"{name} would not be isolated for {both(directions)}: no NetworkPolicy selects it"
} else := $"{name} would no longer be isolated for {both(directions)}: {lost(list)}"

lost(list) := text if {
	netpols := {n | some x in list; some n in x.by}
	count(netpols) == 1
	some netpol in netpols
	text := $"so far NetworkPolicy {netpol} did that"
} else := $"so far NetworkPolicies {concat(", ", sort({n | some x in list; some n in x.by}))} did that"

fix(x, directions) := text if {
	x.hostNetwork
	text := "to fix: leave out hostNetwork: true, or ask for an exemption"
} else := $"to fix: have a NetworkPolicy with podSelector: \{} and policyTypes: [{concat(", ", types(directions))}] in namespace {x.workload.namespace}: `podcullis explain default-deny -n {x.workload.namespace}` prints one"

types(directions) := [t | some d, t in {"ingress": "Ingress", "egress": "Egress"}; d in directions]
