# METADATA
# title: Least privilege
# description: |
#   A NetworkPolicy lets nobody through that nobody needs: not every port where the
#   destinations show which ports they have, and not every namespace or address
#   where it is known who calls them.
#
#   Ports are known where the containers of every destination declare some, so that
#   a pod that declares none is never a reason. Who calls is known where a
#   NetworkPolicy isolates everybody else in the opposite direction, and at least
#   one of them lets its pods reach the workload: each says whom it calls. Else a
#   rule for everybody may be needed, and this guardrail is silent.
#
#   A change is refused for the rules that it makes wide. Pods of the cluster's own
#   namespaces, ingress controllers and monitoring are let through to everybody by
#   nature: name them with except; who takes connections from outside, with public.
#   That everybody may ask for names (port 53) is fine.
# custom:
#   severity: medium
#   controls: ["NSA/CISA Kubernetes Hardening Guide: network separation"]
#   kinds: [NetworkPolicy]
#   parameters:
#     type: object
#     additionalProperties: false
#     $defs:
#       pods:
#         type: object
#         additionalProperties: false
#         properties:
#           namespaceSelector: {type: object, format: label-selector}
#           podSelector: {type: object, format: label-selector}
#     properties:
#       wide:
#         description: 'What counts as wide. namespaces: every pod of every namespace; addresses: half of all addresses and more, which of egress rules is never judged; ports: manyPorts or more.'
#         type: array
#         minItems: 1
#         uniqueItems: true
#         items: {enum: [namespaces, addresses, ports]}
#         default: [namespaces, addresses, ports]
#       directions:
#         description: The rules that are looked at.
#         type: array
#         minItems: 1
#         uniqueItems: true
#         items: {enum: [Ingress, Egress]}
#         default: [Ingress, Egress]
#       manyPorts:
#         description: From how many ports on a rule is wide in ports.
#         type: integer
#         minimum: 2
#         maximum: 65535
#         default: 1000
#       except:
#         description: Pods that may be let in and out widely, and that need not say whom they call.
#         type: array
#         items: {$ref: "#/$defs/pods"}
#         default:
#         - namespaceSelector:
#             matchExpressions:
#             - {key: kubernetes.io/metadata.name, operator: In, values: [kube-system, ingress-nginx, monitoring]}
#       public:
#         description: Pods that take connections from outside the cluster, so that a rule for all addresses is not too wide.
#         type: array
#         items: {$ref: "#/$defs/pods"}
#         default: []
package guardrails.least_privilege

import data.lib.paths

violation contains {"msg": msg, "details": details} if {
	some rule in netpol.wide(question)
	not asks_for_names(rule)
	kinds := [k | some k in ["namespaces", "addresses", "ports"]; k in input.parameters.wide; needless(rule, k)]
	count(kinds) > 0
	msg := concat("\n  ", [
		$"{paths.rule(rule)} lets {concat(" and ", [words(rule, k) | some k in kinds])} through {whom(rule)}",
		$"needed: {needs(rule, kinds)}",
		$"to fix: {advice(rule, kinds)}",
	])
	details := object.union(object.filter(rule, {"netpol", "direction", "rule", "workloads", "shown", "others"}), {"wide": kinds})
}

question := object.filter(input.parameters, {"directions", "manyPorts", "except", "public"})

# needless tells in which way a rule lets through what is not needed.
needless(rule, "ports") if {
	rule.ports
	count(rule.shown) > 0
}

needless(rule, "namespaces") if {
	rule.namespaces
	others_known(rule)
}

needless(rule, "addresses") if {
	rule.addresses
	rule.direction == "ingress"
	others_known(rule)
}

others_known(rule) if {
	rule.known
	count(rule.others) > 0
	count(rule.shown) > 0
}

# asks_for_names is what every pod may do.
asks_for_names(rule) if {
	rule.direction == "egress"
	count(rule.through) > 0
	every r in rule.through {
		r.port == 53
		r.endPort == 53
	}
}

words(_, "namespaces") := "every namespace"

words(_, "addresses") := "all addresses"

words(rule, "ports") := paths.ports(rule.through)

whom(rule) := $"to {names(rule.workloads)}" if {
	rule.direction == "ingress"
} else := $"from {names(rule.workloads)}"

names(list) := concat(", ", [paths.peer(w) | some w in list]) if {
	count(list) < 4
} else := $"{concat(", ", [paths.peer(w) | some i, w in list; i < 3])} and {count(list) - 3} more"

needs(rule, kinds) := concat(", ", [text | some text in [paths.ports(rule.shown), ends_needed(rule, kinds)]; text != ""])

ends_needed(rule, kinds) := "" if {
	every k in kinds {
		k == "ports"
	}
} else := $"from {names(rule.others)}" if {
	rule.direction == "ingress"
} else := $"to {names(rule.others)}"

advice(rule, kinds) := $"set its ports to {paths.ports(rule.shown)}" if {
	every k in kinds {
		k == "ports"
	}
} else := $"let its {side(rule)} name {names(rule.others)}{ports_too(rule, kinds)}; `podcullis suggest` prints such NetworkPolicies"

ports_too(rule, kinds) := $", and set its ports to {paths.ports(rule.shown)}" if {
	"ports" in kinds
} else := ""

side(rule) := "from" if {
	rule.direction == "ingress"
} else := "to"
