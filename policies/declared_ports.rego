# METADATA
# title: No ports wider than the pod's
# description: |
#   A NetworkPolicy lets nobody in on ports that no container of the workload declares: a
#   range of ports, or no ports at all, opens what is listened on tomorrow, such as a
#   debugger's. Of a workload that declares no port it is not known which it has: there
#   many ports at once are refused.
#
#   A change is refused for the ports that it opens: by a NetworkPolicy, by labels that
#   make an old one select the workload, or as the workload is new. Ports of egress rules
#   are judged where they lead to.
# custom:
#   severity: medium
#   controls: ["NSA/CISA Kubernetes Hardening Guide: network separation"]
#   kinds: [NetworkPolicy, Namespace, Pod, Deployment, StatefulSet, DaemonSet, ReplicaSet, ReplicationController, Job, CronJob]
#   parameters:
#     type: object
#     additionalProperties: false
#     properties:
#       manyPorts:
#         description: From how many ports on it counts for a workload that declares none.
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
package guardrails.declared_ports

import data.lib.breadth
import data.lib.paths

violation contains {"msg": msg, "details": breadth.details(g)} if {
	some g in breadth.groups(netpol.unbounded({
		"directions": ["Ingress"],
		"by": ["ports"],
		"manyPorts": input.parameters.manyPorts,
		"except": input.parameters.except,
	}))
	msg := concat("\n  ", [
		$"{paths.peer(g.from)} could be reached on {breadth.on(g)}, which no container there declares",
		breadth.opened_by(g),
		$"to fix: let {breadth.that(g)} name the ports that the containers declare, or declare these with the containers",
	])
}
