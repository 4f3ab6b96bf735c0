# May a frontend reach a database after this change and not before it? In plain
# Rego, over pods, namespaces and NetworkPolicies as they are replicated. What is
# above this text says where they are: netpols_in, pods_in, namespaces, request.
#
# Both sides, matchLabels and matchExpressions, namespaceSelector, ranges and named
# ports. No ipBlock over pods, no workloads without pods, no host network, no reasons.
opened contains [from, to] if {
	some [from, to] in pairs
	reaches(from, to, "after")
	not reaches(from, to, "before")
}

# pairs are those of which the changed netpol selects one end: no other can open.
pairs contains [from, to] if {
	some from in frontends
	affected(from)
	some to in databases
}

pairs contains [from, to] if {
	some to in databases
	affected(to)
	some from in frontends
}

frontends := of_tier("frontend")

databases := of_tier("db")

of_tier(tier) := {[ns, name] |
	some ns, _ in namespaces
	some name, pod in pods_in(ns)
	pod.metadata.labels.tier == tier
}

affected(ref) if {
	ref[0] == request.namespace
	some np in [request.object, request.oldObject]
	selects(np.spec.podSelector, labels_of(ref))
}

labels_of(ref) := pods_in(ref[0])[ref[1]].metadata.labels

reaches(from, to, when) if {
	some out in ranges(from, to, to, "Egress", when)
	some into in ranges(to, from, to, "Ingress", when)
	out.protocol == into.protocol
	max([out.first, into.first]) <= min([out.last, into.last])
}

# ranges are the ports of destination that one side lets through.
ranges(subject, peer, destination, direction, when) := everything if {
	count(selecting(subject, direction, when)) == 0
} else := {r |
	some np in selecting(subject, direction, when)
	some rule in object.get(np.spec, lower(direction), [])
	lets_in(np, object.get(rule, side[direction], []), peer)
	some r in ports(object.get(rule, "ports", []), destination)
}

side := {"Ingress": "from", "Egress": "to"}

everything := {{"protocol": p, "first": 1, "last": 65535} | some p in ["TCP", "UDP", "SCTP"]}

selecting(ref, direction, when) := [np |
	some np in netpols(ref[0], when)
	direction in np.spec.policyTypes
	selects(np.spec.podSelector, labels_of(ref))
]

netpols(ns, "before") := [np | some np in netpols_in(ns)]

netpols(ns, "after") := array.concat(
	[np | some name, np in netpols_in(ns); not changed(ns, name)],
	[request.object | ns == request.namespace],
)

changed(ns, name) if {
	ns == request.namespace
	name == request.name
}

lets_in(_, peers, _) if count(peers) == 0

lets_in(np, peers, ref) if {
	some p in peers
	not p.ipBlock
	in_namespace(np, p, ref[0])
	selects(object.get(p, "podSelector", {}), labels_of(ref))
}

in_namespace(np, p, ns) if {
	not p.namespaceSelector
	ns == np.metadata.namespace
}

in_namespace(_, p, ns) if selects(p.namespaceSelector, namespaces[ns].metadata.labels)

ports(list, _) := everything if count(list) == 0

ports(list, destination) := {r | some p in list; some r in port(p, destination)} if count(list) > 0

port(p, _) := {{"protocol": object.get(p, "protocol", "TCP"), "first": 1, "last": 65535}} if not p.port

port(p, _) := {{"protocol": object.get(p, "protocol", "TCP"), "first": p.port, "last": object.get(p, "endPort", p.port)}} if is_number(p.port)

port(p, destination) := {{"protocol": c.protocol, "first": c.containerPort, "last": c.containerPort} |
	some container in pods_in(destination[0])[destination[1]].spec.containers
	some c in container.ports
	c.name == p.port
	c.protocol == object.get(p, "protocol", "TCP")
} if is_string(p.port)

selects(selector, labels) if {
	every k, v in object.get(selector, "matchLabels", {}) { labels[k] == v }
	every e in object.get(selector, "matchExpressions", []) { holds(e, labels) }
}

holds(e, labels) if {
	e.operator == "In"
	listed(e, labels)
}

holds(e, labels) if {
	e.operator == "NotIn"
	not listed(e, labels)
}

holds(e, labels) if {
	e.operator == "Exists"
	has(labels, e.key)
}

holds(e, labels) if {
	e.operator == "DoesNotExist"
	not has(labels, e.key)
}

listed(e, labels) if labels[e.key] in e.values

has(labels, key) if _ = labels[key]
