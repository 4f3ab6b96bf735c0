# METADATA
# title: No allow-all beside default-deny
# description: |
#   NetworkPolicies add up: one that lets everything through makes every default-deny
#   beside it worth nothing. No workload is open to every pod of every namespace, or to
#   half of all addresses and more, on many ports at once. What several rules and
#   several NetworkPolicies let through together counts together, so that halves of
#   the addresses or of the ports are no way around it.
#
#   A change is refused for the workloads that it opens so, by a NetworkPolicy, by labels
#   that make an old one select them, or as they are new. That nothing isolates a
#   workload is what default-deny is for.
# custom:
#   severity: high
#   controls: [CIS Kubernetes 5.3.2, "NSA/CISA Kubernetes Hardening Guide: network separation", Kubescape C-0030]
#   kinds: [NetworkPolicy, Namespace, Pod, Deployment, StatefulSet, DaemonSet, ReplicaSet, ReplicationController, Job, CronJob]
#   parameters:
#     type: object
#     additionalProperties: false
#     properties:
#       directions:
#         description: The directions that are looked at.
#         type: array
#         minItems: 1
#         uniqueItems: true
#         items: {enum: [Ingress, Egress]}
#         default: [Ingress, Egress]
#       manyPorts:
#         description: From how many ports on it counts, those of all rules together.
#         type: integer
#         minimum: 1
#         maximum: 65535
#         default: 1000
#       except:
#         description: Workloads that may be so.
#         type: array
#         items:
#           type: object
#           additionalProperties: false
#           minProperties: 1
#           properties:
#             namespaceSelector: {type: object, format: label-selector}
#             podSelector: {type: object, format: label-selector}
#         default: []
package guardrails.no_allow_all

import data.lib.breadth
import data.lib.paths

violation contains {"msg": msg, "details": breadth.details(g)} if {
	some g in breadth.groups(netpol.unbounded({
		"directions": input.parameters.directions,
		"by": ["namespaces", "addresses"],
		"manyPorts": input.parameters.manyPorts,
		"except": input.parameters.except,
	}))
	msg := concat("\n  ", [
		$"{paths.peer(g.from)} could {verb[g.direction]} {whom[g.by]} on {breadth.on(g)}: what isolates {it(g.from)} is worth nothing then",
		breadth.opened_by(g),
		$"to fix: let {breadth.that(g)} name who is needed, and the ports; `podcullis suggest` prints such NetworkPolicies",
	])
}

verb := {"ingress": "be reached by", "egress": "reach"}

whom := {"namespaces": "every pod of every namespace", "addresses": "nearly all addresses"}

it(p) := "them" if {
	p.many
} else := "it"
