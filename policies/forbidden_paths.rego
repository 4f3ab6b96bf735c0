# METADATA
# title: Forbidden paths
# description: |
#   Some pods must never reach some others, whatever opens the path: a
#   NetworkPolicy that is created, changed or deleted, a new pod or workload, or
#   new labels on a pod, a pod template or a namespace.
#
#   A change is refused for the paths that it opens. What was open before is
#   not its fault: a new pod of a workload that already exists opens nothing
#   that its siblings had, so drains, scale-ups and rollouts pass.
# custom:
#   severity: critical
#   kinds: [NetworkPolicy, Namespace, Pod, Deployment, StatefulSet, DaemonSet, ReplicaSet, Job, CronJob]
#   parameters:
#     type: object
#     additionalProperties: false
#     required: [from, to]
#     $defs:
#       endpoint:
#         type: object
#         additionalProperties: false
#         properties:
#           namespaceSelector: {type: object, format: label-selector}
#           podSelector: {type: object, format: label-selector}
#           cidr: {type: string, format: cidr}
#         dependentSchemas:
#           cidr:
#             properties: {cidr: true}
#             additionalProperties: false
#     properties:
#       from:
#         description: Who must not reach. A missing selector selects all.
#         $ref: "#/$defs/endpoint"
#       to:
#         description: Whom they must not reach.
#         $ref: "#/$defs/endpoint"
#       ports:
#         description: On which ports; missing means on any.
#         type: array
#         minItems: 1
#         items:
#           type: object
#           additionalProperties: false
#           properties:
#             protocol: {enum: [TCP, UDP, SCTP]}
#             port: {type: integer, minimum: 1, maximum: 65535}
#             endPort: {type: integer, minimum: 1, maximum: 65535}
#           dependentRequired: {endPort: [port]}
#       scope:
#         description: Which pods are looked at. existing means the workloads that there are.
#         enum: [existing]
#         default: existing
#       unknown:
#         description: How a path counts that is neither proved open nor proved blocked.
#         enum: [open, blocked]
#         default: open
package guardrails.forbidden_paths

import data.lib.paths

violation contains {"msg": msg, "details": connection} if {
	some connection in netpol.opened(object.filter(input.parameters, {"from", "to", "ports", "scope"}))
	not tolerated(connection)
	msg := concat("\n  ", [summary(connection), cause(connection), fix(connection)])
}

tolerated(connection) if {
	connection.unknown
	input.parameters.unknown == "blocked"
}

summary(connection) := text if {
	connection.unknown
	text := $"{paths.peer(connection.from)} may be able to reach {paths.peer(connection.to)} on {paths.ports(connection.ports)}: not proved shut ({connection.unknown})"
} else := $"{paths.peer(connection.from)} could reach {paths.peer(connection.to)} on {paths.ports(connection.ports)}"

# cause names what this change brought about; where nothing is new, everything
# that keeps the path open.
cause(connection) := $"opened by: {concat("; ", texts)}" if {
	texts := [paths.reason_text(connection, r) | some r in telling(connection)]
}

telling(connection) := new if {
	new := [r | some r in connection.because; r.new]
	count(new) > 0
} else := connection.because

fix(connection) := $"to fix: {advice(connection, telling(connection)[0])}"

# advice is about the first of the reasons that the change brought about.
advice(connection, reason) := text if {
	reason.notIsolated
	input.request.operation == "DELETE"
	input.request.kind.kind == "NetworkPolicy"
	text := $"keep {object_name}, or first apply another NetworkPolicy that isolates {paths.subject(connection, reason.direction)} for {reason.direction}"
} else := text if {
	reason.notIsolated
	text := $"isolate {paths.subject(connection, reason.direction)} for {reason.direction}: `podcullis explain default-deny -n {subject_namespace(connection, reason.direction)}` prints a NetworkPolicy that does"
} else := text if {
	reason.netpol == $"{input.request.namespace}/{input.request.name}"
	input.request.kind.kind == "NetworkPolicy"
	text := narrow(connection, reason)
} else := text if {
	reason.netpol
	input.request.kind.kind != "NetworkPolicy"
	text := $"leave out the labels by which that rule lets {paths.peer(connection.from)} and {paths.peer(connection.to)} talk, or {narrow(connection, reason)}"
} else := text if {
	reason.netpol
	text := narrow(connection, reason)
} else := text if {
	reason.unknown == "node-exception"
	text := $"run {paths.peer(connection.from)} without hostNetwork"
} else := "prove the path shut, or set the guardrail's parameter unknown to blocked if it may stay unproved"

narrow(connection, reason) := $"narrow that rule's from to the pods that need {paths.peer(connection.to)}" if {
	reason.direction == "ingress"
} else := $"narrow that rule's to to the pods that {paths.peer(connection.from)} needs"

subject_namespace(connection, "egress") := connection.from.namespace

subject_namespace(connection, "ingress") := connection.to.namespace

object_name := $"{input.request.kind.kind} {input.request.namespace}/{input.request.name}"
