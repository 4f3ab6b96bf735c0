# METADATA
# title: No host network
# description: |
#   No pod runs on its node's network: there no NetworkPolicy isolates it, it reaches
#   what the node reaches, and the rules of others take it for the node.
#
#   A change is refused that brings a workload there, by its template or as a pod. One
#   that is there already may be edited, and its pods come and go; so may the DaemonSets
#   of the cluster itself in namespaces that are excluded. Who else may is named with
#   except.
# custom:
#   severity: high
#   controls: [CIS Kubernetes 5.2.5, "NSA/CISA Kubernetes Hardening Guide: pod security", Kubescape C-0041]
#   kinds: [Pod, Deployment, StatefulSet, DaemonSet, ReplicaSet, ReplicationController, Job, CronJob]
#   parameters:
#     type: object
#     additionalProperties: false
#     properties:
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
package guardrails.no_host_network

import data.lib.breadth
import data.lib.paths

violation contains {"msg": msg, "details": breadth.details(g)} if {
	some g in breadth.groups(netpol.unbounded({"by": ["hostNetwork"], "except": input.parameters.except}))
	msg := concat("\n  ", [
		$"{paths.peer(g.from)} would run on the host's network, where no NetworkPolicy isolates {it(g.from)}",
		$"to fix: {breadth.isolate(g)}; where it has to be, name it in the guardrail's except",
	])
}

it(p) := "them" if {
	p.many
} else := "it"
