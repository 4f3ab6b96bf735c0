# METADATA
# title: What is open to more than somebody has named, in words
# description: How guardrails word what netpol.unbounded answers, so that every message reads alike.
package lib.breadth

import data.lib.paths

# groups are answers with the same cause as one: those that a person would mend at once.
groups(answers) := netpol.grouped([object.union({"from": x.workload}, object.remove(x, {"workload"})) |
	some x in answers
	not said(x, {object.remove(y, {"by"}) | some y in answers; y.by == "namespaces"})
])

# said tells that a rule without peers is told of as one for every namespace already.
said(x, of_every_namespace) if {
	x.by == "addresses"
	object.remove(x, {"by"}) in of_every_namespace
}

# opened_by names the rules, or says that there are none.
opened_by(g) := $"opened by: {concat("; ", [paths.rule(r) | some i, r in g.rules; i < most])}{more(g)}" if {
	count(g.rules) > 0
} else := $"opened by: {paths.peer(g.from)} {runs(g.from)} on the host's network, where no NetworkPolicy has a say" if {
	g.by == "hostNetwork"
} else := $"opened by: no NetworkPolicy isolates {paths.peer(g.from)} for {g.direction}"

most := 5

more(g) := "" if {
	count(g.rules) <= most
} else := $"; and {count(g.rules) - most} more"

# on are the ports that are open so.
on(g) := concat(", ", array.concat(numbers_of(g), [$"port {n}" | some n in g.named]))

numbers_of(g) := [paths.ports(g.ports)] if {
	count(g.ports) > 0
} else := []

runs(p) := "run" if {
	p.many
} else := "runs"

# isolate is the advice where no NetworkPolicy has a say.
isolate(g) := $"leave out hostNetwork: true in {paths.brief(g.from)}" if {
	g.by == "hostNetwork"
} else := $"first apply a NetworkPolicy that isolates {paths.brief(g.from)} for {g.direction} ({paths.default_deny(g.from)})"

# that is how the rules are named again.
that(g) := "that rule" if {
	count(g.rules) == 1
} else := "those rules"

# details are for machines: the first workload, and all where several are open alike.
details(g) := about if {
	not g.from.many
	about := one(g, g.from)
} else := object.union(one(g, g.connections[0].from), {"workloads": [c.from | some c in g.connections]})

one(g, workload) := {"workload": workload, "by": g.by, "direction": g.direction, "ports": g.ports, "rules": g.rules}
