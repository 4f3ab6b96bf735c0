package guardrails.least_privilege_test

import data.guardrails.least_privilege

db := {"namespace": "shop", "kind": "StatefulSet", "name": "db", "labels": {"app": "db"}}

backend := {"namespace": "shop", "kind": "Deployment", "name": "backend", "labels": {"app": "backend"}}

tcp(port) := [{"protocol": "TCP", "port": port, "endPort": port}]

every_port := [{"protocol": p, "port": 1, "endPort": 65535} | some p in ["TCP", "UDP", "SCTP"]]

request := {
	"parameters": {"wide": ["namespaces", "addresses", "ports"], "directions": ["Ingress", "Egress"], "manyPorts": 1000, "except": [], "public": []},
	"request": {"operation": "CREATE", "kind": {"kind": "NetworkPolicy"}, "namespace": "shop", "name": "db"},
}

ingress := {
	"netpol": "shop/db", "direction": "ingress", "rule": 0, "namespaces": true, "addresses": false, "ports": false,
	"through": tcp(5432), "shown": tcp(5432), "workloads": [db], "known": true, "others": [backend],
}

egress := object.union(ingress, {"netpol": "shop/backend", "direction": "egress", "workloads": [backend], "others": [db]})

with_changes(rule, changes) := [object.union(rule, changes)]

messages := {v.msg | some v in least_privilege.violation}

count_of(rules) := n if {
	n := count(messages) with input as request with netpol.wide as rules
}

test_nothing_wide_is_no_violation if {
	count_of([]) == 0
}

test_what_is_asked if {
	count(messages) == 0 with input as request with netpol.wide as asked
}

asked(q) := [] if q == {"directions": ["Ingress", "Egress"], "manyPorts": 1000, "except": [], "public": []}

test_every_namespace if {
	messages == {concat("\n  ", [
		"ingress rule 1 of NetworkPolicy shop/db lets every namespace through to shop/StatefulSet/db",
		"needed: TCP 5432, from shop/Deployment/backend",
		"to fix: let its from name shop/Deployment/backend; `podcullis suggest` prints such NetworkPolicies",
	])} with input as request with netpol.wide as [ingress]
}

test_every_port if {
	messages == {concat("\n  ", [
		"ingress rule 1 of NetworkPolicy shop/db lets all ports through to shop/StatefulSet/db",
		"needed: TCP 5432",
		"to fix: set its ports to TCP 5432",
	])} with input as request with netpol.wide as with_changes(ingress, {"namespaces": false, "ports": true, "through": every_port})
}

test_all_of_it if {
	messages == {concat("\n  ", [
		"ingress rule 1 of NetworkPolicy shop/db lets every namespace and all addresses and all ports through to shop/StatefulSet/db",
		"needed: TCP 5432, from shop/Deployment/backend",
		"to fix: let its from name shop/Deployment/backend, and set its ports to TCP 5432; `podcullis suggest` prints such NetworkPolicies",
	])} with input as request with netpol.wide as with_changes(ingress, {"addresses": true, "ports": true, "through": every_port})
}

test_egress if {
	messages == {concat("\n  ", [
		"egress rule 1 of NetworkPolicy shop/backend lets every namespace through from shop/Deployment/backend",
		"needed: TCP 5432, to shop/StatefulSet/db",
		"to fix: let its to name shop/StatefulSet/db; `podcullis suggest` prints such NetworkPolicies",
	])} with input as request with netpol.wide as [egress]
}

test_many_workloads_are_not_all_named if {
	many := [object.union(db, {"name": sprintf("db-%d", [i])}) | some i in numbers.range(1, 6)]
	some m in messages with input as request with netpol.wide as with_changes(ingress, {"workloads": many})
	contains(m, "to shop/StatefulSet/db-1, shop/StatefulSet/db-2, shop/StatefulSet/db-3 and 3 more")
}

test_who_calls_is_not_known if {
	count_of(with_changes(ingress, {"known": false, "others": []})) == 0
}

test_nobody_is_known_to_call if {
	count_of(with_changes(ingress, {"others": []})) == 0
}

test_no_ports_are_shown if {
	count_of(with_changes(ingress, {"ports": true, "shown": [], "through": every_port})) == 0
}

test_addresses_of_egress_are_not_judged if {
	count_of(with_changes(egress, {"namespaces": false, "addresses": true})) == 0
}

test_names_may_be_asked_for if {
	count_of(with_changes(egress, {"through": tcp(53)})) == 0
	count_of(with_changes(egress, {"through": [{"protocol": "TCP", "port": 53, "endPort": 54}]})) == 1
	count_of(with_changes(ingress, {"through": tcp(53)})) == 1
}

test_what_counts_as_wide_is_a_parameter if {
	only_ports := object.union(request, {"parameters": object.union(request.parameters, {"wide": ["ports"]})})
	count(messages) == 0 with input as only_ports with netpol.wide as [ingress]
}

test_details if {
	some v in least_privilege.violation with input as request with netpol.wide as [ingress]
	v.details == {"netpol": "shop/db", "direction": "ingress", "rule": 0, "workloads": [db], "shown": tcp(5432), "others": [backend], "wide": ["namespaces"]}
}
