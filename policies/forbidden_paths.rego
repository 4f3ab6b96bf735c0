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
#
#   With scope possible the paths are shut for every pod that could be created
#   in the namespaces that there are, whatever its other labels. What is
#   reported then is an example: labels by which a pod gets through, and which of
#   them open it.
# custom:
#   severity: critical
#   controls: ["NSA/CISA Kubernetes Hardening Guide: network separation", Kubescape C-0054]
#   kinds: [NetworkPolicy, Namespace, Pod, Deployment, StatefulSet, DaemonSet, ReplicaSet, ReplicationController, Job, CronJob]
#   example:
#     from: {podSelector: {matchLabels: {tier: frontend}}}
#     to: {podSelector: {matchLabels: {tier: db}}}
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
#         description: Who must not reach. A missing selector selects all; cidr chooses addresses, outside all of them; except takes some away. A list adds up.
#         $ref: "#/$defs/endpoints"
#       to:
#         description: Whom they must not reach.
#         $ref: "#/$defs/endpoints"
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
#         description: Which pods are looked at. existing means the workloads that there are; possible, every pod that could be created, too.
#         enum: [existing, possible]
#         default: existing
#       unknown:
#         description: 'How a path counts that is neither proved open nor proved blocked. {blocked: [unmodelled-kind]} counts it as blocked for these reasons only.'
#         default: open
#         if: {type: object}
#         then:
#           additionalProperties: false
#           required: [blocked]
#           properties:
#             blocked:
#               type: array
#               minItems: 1
#               items: {enum: [controller-unknown, generated-label, host-network, ip-not-assigned, namespace-unknown, node-exception, not-decided, unmodelled-kind, unparsable-selector]}
#         else: {enum: [open, blocked]}
#       barriers:
#         description: Whether a change is warned about that leaves a path shut on one side only, where both did so before.
#         enum: [warn, ignore]
#         default: warn
package guardrails.forbidden_paths

import data.lib.paths
import data.lib.possible

violation contains {"msg": msg, "details": paths.details(connection)} if {
	some connection in netpol.grouped([c | some c in netpol.opened(question); not tolerated(c)])
	msg := concat("\n  ", [summary(connection), cause(connection), fix(connection)])
}

# question leaves out what counts as blocked for a reason that the parameters name.
question := object.filter(input.parameters, {"from", "to", "ports", "scope", "unknown"}) if {
	is_object(input.parameters.unknown)
} else := object.filter(input.parameters, {"from", "to", "ports", "scope"})

tolerated(connection) if {
	connection.unknown
	input.parameters.unknown == "blocked"
}

summary(connection) := text if {
	connection.unknown
	text := $"{paths.peer(connection.from)} may be able to reach {paths.peer(connection.to)} on {paths.ports_of(connection)}: not proved shut ({connection.unknown}){possible.key(connection)}"
} else := $"{paths.peer(connection.from)} could reach {paths.peer(connection.to)} on {paths.ports_of(connection)}{possible.key(connection)}"

# cause names what this change brought about; where nothing is new, everything
# that keeps the path open.
cause(connection) := $"{opened_by(connection)} {concat("; ", texts)}" if {
	texts := [paths.reason_text(connection, r) | some r in telling(connection)]
}

opened_by(connection) := "perhaps opened by:" if {
	connection.unknown
} else := "opened by:"

telling(connection) := new if {
	new := [r | some r in connection.because; r.new]
	count(new) > 0
} else := connection.because

fix(connection) := $"to fix: {advice(connection, decisive(connection))}"

# decisive is the reason to do something about: to shut one side is enough. What
# makes a path uncertain comes first, then the object that changes, then ingress,
# which says who needs the pods and not what they need.
decisive(connection) := reason if {
	ranked := sort([[rank(r), n] | some n, r in telling(connection)])
	reason := telling(connection)[ranked[0][1]]
}

rank(reason) := [doubt(reason), distance(reason), side(reason)]

doubt(reason) := 0 if reason.unknown == "node-exception"

else := 1 if reason.unknown

else := 2

distance(reason) := 0 if {
	input.request.kind.kind == "NetworkPolicy"
	reason.netpol == changed
}

else := 1

side(reason) := 0 if reason.direction == "ingress"

else := 1

advice(connection, reason) := text if {
	reason.unknown == "not-decided"
	text := "let the selectors of the NetworkPolicies there say the same in fewer words, or ask about fewer pods"
} else := text if {
	reason.notIsolated
	paths.subject_peer(connection, reason.direction).witness
	input.request.kind.kind == "Namespace"
	text := "leave out the labels by which the guardrail chooses the namespace until NetworkPolicies isolate every pod in it"
} else := text if {
	reason.unknown == "node-exception"
	text := $"leave out hostNetwork: true in {paths.brief(connection.from)}"
} else := text if {
	reason.unknown == "unmodelled-kind"
	text := "prove the path shut there, or set the guardrail's parameter unknown to {blocked: [unmodelled-kind]} if it may stay unproved"
} else := text if {
	reason.unknown == "namespace-unknown"
	text := paths.namespace_advice
} else := text if {
	reason.unknown == "unparsable-selector"
	text := $"mend NetworkPolicy {reason.netpol}, or delete it"
} else := text if {
	reason.unknown == "generated-label"
	text := $"let NetworkPolicy {reason.netpol} select pods by labels of their template"
} else := text if {
	reason.unknown == "ip-not-assigned"
	text := $"keep the pods' addresses out of {rule(connection)}'s ipBlock; if they lie elsewhere, say where as podNetwork in the configuration"
} else := text if {
	reason.notIsolated
	paths.subject_peer(connection, reason.direction).hostNetwork
	text := $"leave out hostNetwork: true in {paths.subject(connection, reason.direction)}"
} else := text if {
	reason.notIsolated
	input.request.operation == "DELETE"
	input.request.kind.kind == "NetworkPolicy"
	text := $"keep NetworkPolicy {changed}, or first apply another {isolating(connection, reason)}"
} else := text if {
	reason.notIsolated
	text := $"first apply a NetworkPolicy {isolating(connection, reason)}"
} else := text if {
	input.request.kind.kind != "NetworkPolicy"
	on_host := [end | some end in [connection.from, connection.to]; end.hostNetwork] # selectors do not see its labels
	count(on_host) > 0
	not changes(paths.subject_peer(connection, reason.direction)) # then its own labels are what to change
	text := $"leave out hostNetwork: true in {paths.brief(on_host[0])}, or {narrow(connection, reason)}"
} else := text if {
	input.request.kind.kind != "NetworkPolicy"
	text := $"change the labels by which {rule(connection)} matches, or {narrow(connection, reason)}"
} else := narrow(connection, reason)

changed := $"{input.request.namespace}/{input.request.name}"

# changes tells whether a peer is the object that changes.
changes(peer) if {
	input.request.kind.kind == peer.kind
	changed == $"{peer.namespace}/{peer.name}"
}

isolating(connection, reason) := $"that isolates {paths.subject(connection, reason.direction)} for {reason.direction}: podSelector: \{} and policyTypes: [{paths.types([reason.direction])}] in {paths.place(paths.subject_peer(connection, reason.direction))} ({paths.default_deny(paths.subject_peer(connection, reason.direction))})"

# narrow is what to aim at. Where an edit was tried that settles the whole review,
# Podcullis gives that one instead of these lines.
narrow(connection, reason) := $"keep {possible.chosen("from")} out of {rule(connection)}'s from" if {
	reason.direction == "ingress"
	connection.from.witness
} else := $"keep {possible.chosen("to")} out of {rule(connection)}'s to" if {
	connection.to.witness
	reason.direction == "egress"
} else := $"narrow {rule(connection)}'s from to the pods that need {paths.brief(connection.to)}" if {
	reason.direction == "ingress"
	connection.from.name
} else := $"narrow {rule(connection)}'s from to the addresses that need {paths.brief(connection.to)}" if {
	reason.direction == "ingress"
} else := $"let {rule(connection)}'s to name only the pods that {paths.brief(connection.from)} needs" if {
	connection.to.name
} else := $"let {rule(connection)}'s to name only the addresses that {paths.brief(connection.from)} needs"

# rule names the rule of the decisive reason, as shortly as it is clear which one is meant.
rule(connection) := "that rule" if {
	count(telling(connection)) == 1
} else := $"the {direction} rule" if {
	direction := decisive(connection).direction
	count([r | some r in telling(connection); r.direction == direction]) == 1
} else := paths.rule(decisive(connection))

# A path that both sides shut is one mistake away from being open when one of them
# no longer does. Beside a violation that would be noise.
warn contains {"msg": msg, "details": paths.details(path)} if {
	input.parameters.barriers == "warn"
	count(violation) == 0
	some path in netpol.grouped(netpol.barriers(object.filter(input.parameters, {"from", "to", "ports"})))
	msg := [text | some text in one_barrier(path); count(text) <= max_letters][0]
}

# max_letters leaves room for the guardrail's name before it: the API server cuts
# warnings at 256 letters.
max_letters := 190

# one_barrier are warnings from the most telling one to one that always fits.
one_barrier(path) := [
	$"{ends} on {brief(path.ports)} is now {held} isolation by {paths.netpols(path.left.by)}; {was} until this change",
	$"{ends} on {brief(path.ports)} is now {held} isolation by {paths.netpols(path.left.by)}; {was}",
	$"{ends} is now {held} isolation; {was}",
	$"{ends} is now {held} isolation",
	$"{paths.brief(path.from)} to {paths.brief(path.to)} is now {held} isolation",
	$"a path is now {held} isolation (`podcullis explain` names its ends)",
] if {
	ends := $"{paths.peer(path.from)} to {paths.peer(path.to)}"
	held := $"held by one side only: {path.left.direction}"
	was := $"{path.gone.direction} was blocked by {concat(", ", path.gone.by)}"
}

brief(ports) := paths.ports(ports) if {
	count(ports) <= 3
} else := $"{count(ports)} ranges of ports"
