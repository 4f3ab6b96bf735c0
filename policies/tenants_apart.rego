# METADATA
# title: Tenants stay apart
# description: |
#   Namespaces whose label names different tenants do not reach each other, whatever opens
#   the path: a NetworkPolicy that is created, changed or deleted, a new workload, or
#   new labels on a pod, a template or a namespace.
#
#   A change is refused for the paths that it opens between two tenants, and for taking the
#   label off a namespace, by which it would belong to none. Tenants that all may reach, and
#   be reached by, are named with shared; namespaces without the label are shared as well,
#   unless unlabelled says that they are apart.
# custom:
#   severity: critical
#   controls: ["NSA/CISA Kubernetes Hardening Guide: network separation", Kubescape C-0054]
#   kinds: [NetworkPolicy, Namespace, Pod, Deployment, StatefulSet, DaemonSet, ReplicaSet, ReplicationController, Job, CronJob]
#   parameters:
#     type: object
#     additionalProperties: false
#     properties:
#       label:
#         description: The label of namespaces that names the tenant.
#         type: string
#         pattern: '^([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$'
#         default: tenant
#       shared:
#         description: Values of the label whose namespaces all may reach, and be reached by.
#         type: array
#         uniqueItems: true
#         items: {type: string, minLength: 1}
#         default: []
#       unlabelled:
#         description: Whether namespaces without the label are shared by all, or apart from all tenants.
#         enum: [shared, apart]
#         default: shared
#       unknown:
#         description: 'Reasons for which a path that is neither proved open nor proved blocked counts as blocked: {blocked: [node-exception]} for workloads on the network of their nodes.'
#         type: object
#         additionalProperties: false
#         required: [blocked]
#         properties:
#           blocked:
#             type: array
#             minItems: 1
#             items: {enum: [controller-unknown, generated-label, host-network, ip-not-assigned, namespace-unknown, node-exception, not-decided, unmodelled-kind, unparsable-selector]}
package guardrails.tenants_apart

import data.lib.paths

violation contains {"msg": msg, "details": paths.details(c)} if {
	some question in questions
	some c in netpol.grouped(netpol.opened(question))
	msg := concat("\n  ", [
		$"{paths.peer(c.from)} {could(c)} reach {paths.peer(c.to)} on {paths.ports_of(c)}, and they belong to different tenants{unsure(c)}",
		$"opened by: {concat("; ", [paths.reason_text(c, r) | some r in telling(c)])}",
		$"to fix: {advice(c, telling(c)[count(telling(c)) - 1])}",
	])
}

violation contains {"msg": msg, "details": {"label": label, "was": was}} if {
	input.request.kind.kind == "Namespace"
	input.request.operation == "UPDATE"
	was := cluster.labels().before[label]
	not cluster.labels().after[label]
	msg := concat("\n  ", [
		$"Namespace {input.request.name} would belong to no tenant: {label}={was} is taken off",
		$"to fix: keep the label {label}={was}",
	])
}

label := input.parameters.label

place := input.request.name if {
	input.request.kind.kind == "Namespace"
} else := input.request.namespace

# questions are about the tenant of the object that changes: one end of what that opens, or
# of what audit reports with it, is there.
questions := [object.union(q, object.filter(input.parameters, {"unknown"})) |
	some q in [{"from": mine, "to": others}, {"from": others, "to": mine}]
]

mine := {"namespaceSelector": {"matchExpressions": [{"key": label, "operator": "In", "values": [tenant]}]}} if {
	tenant
	not tenant in input.parameters.shared
} else := {"namespaceSelector": {"matchExpressions": [{"key": label, "operator": "DoesNotExist"}]}} if {
	not tenant
	input.parameters.unlabelled == "apart"
}

others := {"namespaceSelector": {"matchExpressions": array.concat(
	[{"key": label, "operator": "NotIn", "values": array.concat(input.parameters.shared, [tenant])}],
	[e | input.parameters.unlabelled == "shared"; e := {"key": label, "operator": "Exists"}],
)}} if {
	tenant
} else := {"namespaceSelector": {"matchExpressions": array.concat(
	[{"key": label, "operator": "Exists"}],
	[e | count(input.parameters.shared) > 0; e := {"key": label, "operator": "NotIn", "values": input.parameters.shared}],
)}}

tenant := ns.labels[label] if {
	some ns in cluster.namespaces()
	ns.name == place
}

could(c) := "may be able to" if {
	c.unknown
} else := "could"

unsure(c) := $": not proved shut ({c.unknown})" if {
	c.unknown
} else := ""

telling(c) := new if {
	new := [r | some r in c.because; r.new]
	count(new) > 0
} else := c.because

advice(c, reason) := $"leave out hostNetwork: true in {paths.subject(c, reason.direction)}" if {
	reason.notIsolated
	paths.subject_peer(c, reason.direction).hostNetwork
} else := $"first apply a NetworkPolicy that isolates {paths.subject(c, reason.direction)} for {reason.direction} ({paths.default_deny(paths.subject_peer(c, reason.direction))})" if {
	reason.notIsolated
} else := text if {
	reason.netpol
	text := $"narrow {paths.rule(reason)} to namespaces of one tenant, by their label {label}"
} else := "have the path shut there, or prove it with a NetworkPolicy of either side"
