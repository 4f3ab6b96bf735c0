# METADATA
# title: Exposed to outside
# description: |
#   What must not be reached from outside the cluster is not: neither because no
#   NetworkPolicy isolates it or one lets addresses outside in, nor through a
#   Service of type LoadBalancer or NodePort or with externalIPs, an Ingress, or
#   a route of the Gateway API.
#
#   A change is refused for what it opens: a Service that becomes a LoadBalancer,
#   an Ingress that leads to one more workload, a NetworkPolicy that lets the
#   world in, a label by which a Service selects a pod. Another host, Service or
#   rule by which the same ports of the same pods are reached opens nothing.
#
#   Who serves an Ingress or a route is not in these objects: name it with the
#   parameter controllers. Until then every workload behind one counts as perhaps
#   reached.
#
#   Some addresses outside may be meant to come in, such as a company's network or
#   the API servers that call a webhook: from leaves them out.
# custom:
#   severity: critical
#   controls: ["NSA/CISA Kubernetes Hardening Guide: network separation", Kubescape C-0256]
#   kinds: [NetworkPolicy, Namespace, Pod, Deployment, StatefulSet, DaemonSet, ReplicaSet, ReplicationController, Job, CronJob, Service, Ingress, HTTPRoute, GRPCRoute, TLSRoute, TCPRoute, UDPRoute]
#   parameters:
#     type: object
#     format: entrance-question
#     additionalProperties: false
#     $defs:
#       pods:
#         type: object
#         additionalProperties: false
#         properties:
#           namespaceSelector: {type: object, format: label-selector}
#           podSelector: {type: object, format: label-selector}
#       endpoint:
#         type: object
#         additionalProperties: false
#         properties:
#           namespaceSelector: {type: object, format: label-selector}
#           podSelector: {type: object, format: label-selector}
#           except: {type: array, minItems: 1, items: {$ref: "#/$defs/pods"}}
#       controller:
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
#       block:
#         type: object
#         additionalProperties: false
#         required: [cidr]
#         properties:
#           cidr: {type: string, format: cidr}
#       clients:
#         type: object
#         additionalProperties: false
#         properties:
#           cidr: {type: string, format: cidr}
#           outside: {const: true}
#           except: {type: array, minItems: 1, items: {$ref: "#/$defs/block"}}
#         oneOf: [{required: [cidr]}, {required: [outside]}]
#     properties:
#       from:
#         description: From which addresses it must not be reached. outside is all of them; except takes those away that may come in. A list adds up.
#         default: {outside: true}
#         if: {type: array}
#         then: {minItems: 1, items: {$ref: "#/$defs/clients"}}
#         else: {$ref: "#/$defs/clients"}
#       to:
#         description: Who must not be reached. A missing selector selects all; except takes those away that may be reached. A list adds up.
#         default: {}
#         if: {type: array}
#         then: {minItems: 1, items: {$ref: "#/$defs/endpoint"}}
#         else: {$ref: "#/$defs/endpoint"}
#       ports:
#         description: On which ports of the pods; missing means on any.
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
#       through:
#         description: What counts. default means that no NetworkPolicy isolates the workload, ipBlock that one lets addresses outside in.
#         type: array
#         minItems: 1
#         uniqueItems: true
#         items: {enum: [default, ipBlock, service, ingress, route]}
#         default: [default, ipBlock, service, ingress, route]
#       controllers:
#         description: Who serves Ingresses and routes, pods or, with cidr, addresses outside the cluster. Missing means that it is not known.
#         type: array
#         minItems: 1
#         items: {$ref: "#/$defs/controller"}
#       unknown:
#         description: 'How a way counts that is neither proved open nor proved shut. {blocked: [node-exception]} counts it as shut for these reasons only.'
#         default: open
#         if: {type: object}
#         then:
#           additionalProperties: false
#           required: [blocked]
#           properties:
#             blocked:
#               type: array
#               minItems: 1
#               items: {enum: [controller-unknown, generated-label, host-network, namespace-unknown, node-exception, unmodelled-kind, unparsable-selector]}
#         else: {enum: [open, blocked]}
package guardrails.exposed_to_outside

import data.lib.paths

violation contains {"msg": msg, "details": paths.details(entrance)} if {
	some entrance in netpol.grouped([e | some e in netpol.entrances(question); not tolerated(e)])
	msg := concat("\n  ", [summary(entrance), way(entrance), $"to fix: {advice(entrance)}"])
}

# question leaves out what counts as shut for a reason that the parameters name.
question := object.filter(input.parameters, {"from", "to", "ports", "through", "controllers", "unknown"}) if {
	is_object(input.parameters.unknown)
} else := object.filter(input.parameters, {"from", "to", "ports", "through", "controllers"})

tolerated(entrance) if {
	entrance.unknown
	input.parameters.unknown == "blocked"
}

summary(entrance) := $"{paths.peer(entrance.to)} may be reachable from {outside(entrance)} on {paths.ports_of(entrance)}: not proved shut ({entrance.unknown})" if {
	entrance.unknown
} else := $"{paths.peer(entrance.to)} could be reached from {outside(entrance)} on {paths.ports_of(entrance)}"

# outside names the addresses, where it is not all of them.
outside(entrance) := "outside the cluster" if {
	paths.peer(entrance.from) == "any address outside the cluster"
} else := $"anywhere outside the cluster but {substring(paths.peer(entrance.from), 13, -1)}" if {
	startswith(paths.peer(entrance.from), "anywhere but ")
} else := $"{paths.peer(entrance.from)} outside the cluster"

# way says from step to step how one gets there, and why that is open. Where nothing but
# NetworkPolicies has a say, there are no steps.
way(entrance) := $"opened by: {why(entrance)}" if {
	not entrance.way
	not entrance.unknown
} else := $"perhaps opened by: {why(entrance)}" if {
	not entrance.way
} else := $"way: outside -> {concat(" -> ", steps)}{more(entrance)}, {opened(entrance)} because {why(entrance)}" if {
	steps := array.concat([w | some s in entrance.way; some w in words(entrance, s)], [$"{paths.peer(entrance.to)} {paths.ports(entrance.ports)}"])
}

opened(entrance) := "perhaps open" if {
	entrance.unknown
} else := "open"

more(entrance) := $" (and {entrance.moreWays} other ways)" if {
	entrance.moreWays > 1
} else := " (and another way)" if {
	entrance.moreWays
} else := ""

# words are those of one step. Behind an Ingress or a route stands its controller.
words(entrance, step) := [named(step)] if {
	not served(step)
} else := [named(step), entrance.controller]

served(step) if step.kind == "Ingress"

served(step) if endswith(step.kind, "Route")

named(step) := $"{step.as} Service {step.namespace}/{step.name} {step.text}" if {
	step.as != ""
} else := $"{step.kind} {step.namespace}/{step.name} {step.text}" if {
	step.kind == "Service"
} else := $"{step.kind} {step.namespace}/{step.name}" if {
	step.text == ""
} else := $"{step.kind} {step.namespace}/{step.name} ({step.text})"

why(entrance) := concat("; ", [text |
	some r in telling(entrance)
	not idle(r)
	text := reason_text(entrance, r)
])

# idle reasons are those of the controller that nobody keeps in: they say nothing.
idle(reason) if {
	reason.direction == "egress"
	reason.notIsolated
	not reason.netpol
}

# telling are the reasons that are new, or all where none is.
telling(entrance) := new if {
	new := [r | some r in entrance.because; r.new]
	count(new) > 0
} else := entrance.because

reason_text(entrance, reason) := "a node's address may stand for the client's, and from its own node a pod is always open" if {
	reason.unknown == "node-exception"
	entrance.through == "service"
} else := "it is not known who serves it" if {
	reason.unknown == "controller-unknown"
	not reason.netpol
} else := $"{paths.rule(reason)} may let it in" if {
	reason.unknown == "controller-unknown"
} else := $"Service {service(entrance).namespace}/{service(entrance).name} asks for a label that pods get from their controller or with their node" if {
	reason.unknown == "generated-label"
	not reason.netpol
} else := $"{paths.rule(reason)} lets {entrance.controller} out" if {
	reason.direction == "egress"
	reason.netpol
	not reason.unknown
} else := $"{paths.rule(reason)} lets that in" if {
	not reason.unknown
	not reason.notIsolated
	entrance.way
} else := paths.reason_text(entrance, reason)

service(entrance) := entrance.way[count(entrance.way) - 1]

advice(entrance) := text if {
	entrance.through == "default"
	entrance.to.hostNetwork
	text := $"leave out hostNetwork: true in {paths.brief(entrance.to)}"
} else := $"first apply a NetworkPolicy that isolates {paths.brief(entrance.to)} for ingress ({paths.default_deny(entrance.to)})" if {
	entrance.through == "default"
} else := $"narrow that rule's from to the pods that need {paths.brief(entrance.to)}" if {
	entrance.through == "ipBlock"
} else := $"let Service {changed} be of type ClusterIP, without nodePorts and externalIPs, or leave {paths.brief(entrance.to)} out of its selector" if {
	entrance.through == "service"
	input.request.kind.kind == "Service"
} else := $"leave Service {service(entrance).namespace}/{service(entrance).name} out of {input.request.kind.kind} {changed}{controllers(entrance)}" if {
	input.request.kind.kind == entrance.way[_].kind
	input.request.kind.kind != "Service"
} else := $"leave {paths.brief(entrance.to)} out of the selector of Service {changed}{controllers(entrance)}" if {
	input.request.kind.kind == "Service"
} else := $"let the rules of NetworkPolicy {changed} name only the pods that need {paths.brief(entrance.to)}{controllers(entrance)}" if {
	input.request.kind.kind == "NetworkPolicy"
	input.request.operation != "DELETE"
} else := $"keep NetworkPolicy {changed}{controllers(entrance)}" if {
	input.request.kind.kind == "NetworkPolicy"
} else := $"give {paths.brief(entrance.to)} labels that Service {service(entrance).namespace}/{service(entrance).name} does not select{controllers(entrance)}"

changed := $"{input.request.namespace}/{input.request.name}"

controllers(entrance) := ", or name who serves it with the guardrail's parameter controllers" if {
	entrance.unknown == "controller-unknown"
} else := ""
