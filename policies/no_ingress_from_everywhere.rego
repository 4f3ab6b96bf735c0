# METADATA
# title: No ingress from every namespace
# description: |
#   Nobody is let in merely for being in the cluster: no rule of a NetworkPolicy
#   lets in pods of every namespace, one that is yet to come among them. It is the
#   same whether the rule says so with an empty selector, no peer at all, an
#   expression such as NotIn that leaves a few namespaces out, or a block of half of
#   all addresses; with labels of pods, which whoever makes pods anywhere may give
#   them, or without; and where no NetworkPolicy isolates the workload.
#
#   A change is refused for the workloads that it opens so: by a NetworkPolicy that
#   is created, changed or deleted, by labels, or as they are new. Whom to let in from
#   everywhere (a public web server, the DNS) is named with except.
# custom:
#   severity: high
#   controls: ["NSA/CISA Kubernetes Hardening Guide: network separation", Kubescape C-0054]
#   kinds: [NetworkPolicy, Namespace, Pod, Deployment, StatefulSet, DaemonSet, ReplicaSet, ReplicationController, Job, CronJob]
#   parameters:
#     type: object
#     additionalProperties: false
#     properties:
#       by:
#         description: "What counts. namespaces: a rule for every pod of every namespace; labels: one for pods with some labels there; addresses: rules for half of all addresses; notIsolated and hostNetwork: no NetworkPolicy has a say."
#         type: array
#         minItems: 1
#         uniqueItems: true
#         items: {enum: [namespaces, labels, addresses, notIsolated, hostNetwork]}
#         default: [namespaces, labels, addresses, notIsolated]
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
package guardrails.no_ingress_from_everywhere

import data.lib.breadth
import data.lib.paths

violation contains {"msg": msg, "details": breadth.details(g)} if {
	some g in breadth.groups(netpol.unbounded({"directions": ["Ingress"], "by": input.parameters.by, "except": input.parameters.except}))
	msg := concat("\n  ", [
		$"{paths.peer(g.from)} could be reached from {whence[g.by]} on {breadth.on(g)}",
		breadth.opened_by(g),
		$"to fix: {advice(g)}",
	])
}

whence := {
	"namespaces": "every pod of every namespace",
	"labels": "every namespace, by pods that wear the right labels",
	"addresses": "nearly all addresses, those of pods in every namespace among them",
	"notIsolated": "every namespace",
	"hostNetwork": "every namespace",
}

advice(g) := $"let {breadth.that(g)} name the namespaces that need {paths.brief(g.from)}, by kubernetes.io/metadata.name" if {
	count(g.rules) > 0
} else := breadth.isolate(g)
