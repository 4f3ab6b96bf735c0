# METADATA
# title: No named port that no pod has
# description: |
#   A port that a NetworkPolicy gives by name is one that some pod has at the destination.
#   Else the rule opens nothing today, which is seldom what was meant, and something
#   unknown on the day when a pod with that name for a port comes.
#
#   A change is refused for the names that it brings in. Where no workload is at the
#   destination yet, nothing is said.
# custom:
#   severity: low
#   kinds: [NetworkPolicy]
package guardrails.named_ports

import data.lib.paths

violation contains {"msg": msg, "details": {"direction": direction, "rule": i, "port": p.name, "protocol": p.protocol}} if {
	input.request.operation != "DELETE"
	some_name(input.request.object.spec)
	now := netpol.selects(input.request.object)
	some direction in ["ingress", "egress"]
	some i, rule in now[direction]
	some p in rule.namedPorts
	count(p.resolved) == 0
	there := destinations(now, direction, rule)
	count(there) > 0
	not known(direction, p)
	msg := concat("\n  ", [
		$"{direction} rule {i + 1} of NetworkPolicy {input.request.namespace}/{input.request.name} names port {p.name} ({p.protocol}), which none of {names(there)} has",
		"to fix: give the port its number, or the name that the containers give it",
	])
}

# some_name tells whether a port has a name: to ask who is selected takes longer.
some_name(spec) if {
	some direction in ["ingress", "egress"]
	some rule in spec[direction]
	some p in rule.ports
	is_string(p.port)
}

destinations(now, "ingress", _) := now.workloads

destinations(_, "egress", rule) := rule.workloads

known(direction, p) if {
	input.request.operation == "UPDATE"
	some rule in netpol.selects(input.request.oldObject)[direction]
	some old in rule.namedPorts
	[old.name, old.protocol, count(old.resolved)] == [p.name, p.protocol, 0]
}

names(list) := concat(", ", [paths.peer(w) | some w in list]) if {
	count(list) < 4
} else := $"{concat(", ", [paths.peer(w) | some i, w in list; i < 3])} and {count(list) - 3} more"
