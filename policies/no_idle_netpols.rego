# METADATA
# title: No NetworkPolicy that selects nothing
# description: |
#   A NetworkPolicy selects somebody, and its rules let somebody through: a label that is
#   misspelt protects nobody, and nobody notices. An empty podSelector is about all that is
#   yet to come, and always fine.
#
#   Judged is what a change brings in, at that moment: what applies NetworkPolicies before
#   the workloads, as Helm does, is told too early. So take it with action warn or audit;
#   `podcullis check` sees everything at once.
# custom:
#   severity: low
#   kinds: [NetworkPolicy]
#   parameters:
#     type: object
#     additionalProperties: false
#     properties:
#       what:
#         description: "What has to find somebody. netpols: the podSelector; rules: the pods that each rule names."
#         type: array
#         minItems: 1
#         uniqueItems: true
#         items: {enum: [netpols, rules]}
#         default: [netpols]
package guardrails.no_idle_netpols

violation contains {"msg": msg, "details": {"podSelector": selector}} if {
	"netpols" in input.parameters.what
	input.request.operation != "DELETE"
	not empty(selector)
	count(selected(selector)) == 0
	not was_idle
	msg := concat("\n  ", [
		$"NetworkPolicy {subject} selects no workload in namespace {input.request.namespace}{there_are}",
		"to fix: let its podSelector name labels that pods there have, or apply the workload first",
	])
}

violation contains {"msg": msg, "details": {"direction": direction, "rule": i}} if {
	"rules" in input.parameters.what
	some direction in ["ingress", "egress"]
	some i, rule in now[direction]
	idle(rule)
	not known(direction)
	msg := concat("\n  ", [
		$"{direction} rule {i + 1} of NetworkPolicy {subject} lets nobody through: no workload is what its {side[direction]} names",
		$"to fix: let its {side[direction]} name labels that pods have, or leave the rule out",
	])
}

subject := $"{input.request.namespace}/{input.request.name}"

side := {"ingress": "from", "egress": "to"}

now := netpol.selects(input.request.object) if input.request.operation != "DELETE"

selector := object.get(input.request.object.spec, "podSelector", {})

empty(s) if {
	count(object.get(s, "matchLabels", {})) == 0
	count(object.get(s, "matchExpressions", [])) == 0
}

was_idle if {
	input.request.operation == "UPDATE"
	was := object.get(input.request.oldObject.spec, "podSelector", {})
	not empty(was)
	count(selected(was)) == 0
}

selected(pods) := netpol.isolation({"namespace": input.request.namespace, "podSelector": pods})

idle(rule) if {
	not rule.anyPeer
	count(rule.workloads) == 0
	count(rule.blocks) == 0
}

# known tells that as many rules of that direction let nobody through before.
known(direction) if {
	input.request.operation == "UPDATE"
	count([r | some r in netpol.selects(input.request.oldObject)[direction]; idle(r)]) >= count([r | some r in now[direction]; idle(r)])
}

# there_are are values that pods have for the labels that it asks for.
there_are := $"; there are: {concat(", ", values)}" if {
	values := {$"{key}={value}" |
		some key, _ in selector.matchLabels
		some w in cluster.workloads(input.request.namespace)
		value := w.labels[key]
	}
	count(values) > 0
	count(values) < 11
} else := ""
