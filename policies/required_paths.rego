# METADATA
# title: Required paths
# description: |
#   Some pods must always reach some others: everything the DNS server,
#   Prometheus the metrics ports, the API server a webhook.
#
#   A change is refused for the paths that it closes, by whatever: a
#   NetworkPolicy that is created, changed or deleted, or new labels on a pod, a
#   pod template or a namespace. A new workload is refused while it does not get
#   through. What was shut before is not the change's fault.
#
#   A path counts only when every pod of one side is proved to reach every pod of
#   the other.
# custom:
#   severity: high
#   kinds: [NetworkPolicy, Namespace, Pod, Deployment, StatefulSet, DaemonSet, ReplicaSet, ReplicationController, Job, CronJob]
#   example:
#     from: {podSelector: {matchLabels: {tier: backend}}}
#     to: {podSelector: {matchLabels: {tier: db}}}
#     ports: [{protocol: TCP, port: 5432}]
#   parameters:
#     type: object
#     format: path-question
#     additionalProperties: false
#     required: [from, to]
#     $defs:
#       place:
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
#       endpoint:
#         type: object
#         additionalProperties: false
#         properties:
#           namespaceSelector: {type: object, format: label-selector}
#           podSelector: {type: object, format: label-selector}
#           cidr: {type: string, format: cidr}
#           outside: {const: true}
#           except: {type: array, minItems: 1, items: {$ref: "#/$defs/place"}}
#         dependentSchemas:
#           cidr:
#             properties: {cidr: true, except: true}
#             additionalProperties: false
#           outside:
#             properties: {outside: true, except: true}
#             additionalProperties: false
#       endpoints:
#         if: {type: array}
#         then: {minItems: 1, items: {$ref: "#/$defs/endpoint"}}
#         else: {$ref: "#/$defs/endpoint"}
#     properties:
#       from:
#         description: Who must get through. A missing selector selects all; cidr chooses addresses, outside all of them; except takes some away. A list adds up.
#         $ref: "#/$defs/endpoints"
#       to:
#         description: To whom.
#         $ref: "#/$defs/endpoints"
#       ports:
#         description: On which ports, all of them; missing means on every port.
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
#       unknown:
#         description: 'How a path counts that is neither proved open nor proved blocked. {open: [node-exception]} counts it as open for these reasons only.'
#         default: blocked
#         if: {type: object}
#         then:
#           additionalProperties: false
#           required: [open]
#           properties:
#             open:
#               type: array
#               minItems: 1
#               items: {enum: [controller-unknown, generated-label, host-network, ip-not-assigned, namespace-unknown, node-exception, not-decided, unmodelled-kind, unparsable-selector]}
#         else: {enum: [blocked, open]}
#       otherAPIs:
#         description: How a path counts that NetworkPolicies leave open and an object of another network policy API may close. ignored takes it to be open.
#         enum: [unknown, ignored]
#         default: unknown
package guardrails.required_paths

import data.lib.paths

violation contains {"msg": msg, "details": paths.details(closed)} if {
	some closed in netpol.grouped([c | some c in netpol.closed(object.filter(input.parameters, {"from", "to", "ports", "otherAPIs"})); not tolerated(c)])
	msg := concat("\n  ", array.concat(array.concat([summary(closed), cause(closed)], so_far(closed)), [$"to fix: {advice(closed, decisive(closed))}"]))
}

tolerated(closed) if {
	closed.unknown
	input.parameters.unknown == "open"
}

# Every reason for which it is not proved has to be named.
tolerated(closed) if {
	reasons := {o.unknown | some o in closed.because; o.unknown}
	count(reasons) > 0
	every reason in reasons {
		reason in input.parameters.unknown.open
	}
}

summary(closed) := text if {
	closed.unknown
	text := $"{paths.peer(closed.from)} may be unable to reach {paths.peer(closed.to)} on {paths.ports_of(closed)}: not proved open ({closed.unknown})"
} else := $"{paths.peer(closed.from)} could not reach {paths.peer(closed.to)} on {paths.ports_of(closed)}"

# cause names what this change put in the way; where nothing of it is new,
# everything that is there.
cause(closed) := $"blocked by: {texts(closed)}" if {
	not closed.unknown
} else := $"perhaps blocked by: {texts(closed)}"

texts(closed) := concat("; ", [obstacle(closed, o) | some o in telling(closed)])

telling(closed) := new if {
	new := [o | some o in closed.because; o.new]
	count(new) > 0
} else := closed.because

obstacle(closed, o) := text if {
	o.unknown == "unmodelled-kind"
	text := $"another network policy API is in use here, and it may close what NetworkPolicies leave open ({o.direction} of {paths.subject(closed, o.direction)})"
} else := text if {
	o.unknown == "node-exception"
	text := $"only from a pod's own node is it open, as {paths.brief(closed.from)} runs on the host's network"
} else := paths.namespace_text(closed, o) if {
	o.unknown == "namespace-unknown"
	not o.netpol
} else := text if {
	o.unknown
	text := $"{o.direction} of {paths.subject(closed, o.direction)} hangs on NetworkPolicy {o.netpol}, {paths.uncertainty[o.unknown]}"
} else := $"NetworkPolicy {o.netpol}, which isolates {paths.subject(closed, o.direction)} for {o.direction} and has no rule for this"

# so_far is what let the path through until now.
so_far(closed) := [text | count(lost(closed)) > 0; text := $"so far open by: {concat("; ", lost(closed))}"]

lost(closed) := [paths.reason_text(closed, r) | some r in closed.lost]

# decisive is the obstacle to do something about: what is not certain first.
decisive(closed) := first if {
	first := [o | some o in telling(closed); o.unknown][0]
} else := telling(closed)[0]

advice(closed, o) := text if {
	o.unknown == "unmodelled-kind"
	text := "look there whether it lets this through; the guardrail's parameter otherAPIs: ignored takes it for granted"
} else := text if {
	o.unknown == "unparsable-selector"
	text := $"mend NetworkPolicy {o.netpol}, or delete it"
} else := text if {
	o.unknown == "generated-label"
	text := $"let NetworkPolicy {o.netpol} select pods by labels of their template"
} else := text if {
	o.unknown == "ip-not-assigned"
	text := $"let a rule of NetworkPolicy {o.netpol} name the pods by labels; if their addresses are known, say where as podNetwork in the configuration"
} else := text if {
	o.unknown == "namespace-unknown"
	text := paths.namespace_advice
} else := text if {
	o.unknown
	text := "give the pods a rule with their nodes' addresses, or set the guardrail's parameter unknown to open if it may stay unproved"
} else := text if {
	input.request.kind.kind == "NetworkPolicy"
	input.request.operation == "DELETE"
	text := $"keep NetworkPolicy {input.request.namespace}/{input.request.name}, or first apply another {opening(closed, o)}"
} else := $"first apply a NetworkPolicy {opening(closed, o)}"

opening(closed, o) := text if {
	o.direction == "egress"
	text := $"in {paths.place(closed.from)} that selects {paths.brief(closed.from)} and has an egress rule to {paths.brief(closed.to)} on {paths.ports(closed.ports)}{other_side(closed, o)}"
} else := $"in {paths.place(closed.to)} that selects {paths.brief(closed.to)} and has an ingress rule from {paths.brief(closed.from)} on {paths.ports(closed.ports)}"

# other_side reminds of the second side when both are shut.
other_side(closed, o) := ", and let it in on the other side too" if {
	some other in closed.because
	other.direction != o.direction
} else := ""
