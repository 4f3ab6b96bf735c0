package guardrails.no_ingress_from_everywhere_test

import data.guardrails.no_ingress_from_everywhere

web := {"namespace": "shop", "kind": "Deployment", "name": "web", "labels": {"app": "web"}}

db := {"namespace": "shop", "kind": "StatefulSet", "name": "db", "labels": {"app": "db"}}

tcp(port) := [{"protocol": "TCP", "port": port, "endPort": port}]

rule := {"direction": "ingress", "netpol": "shop/a", "rule": 0}

open_by(by, rules) := {"workload": web, "direction": "ingress", "by": by, "new": false, "rules": rules, "ports": tcp(80), "named": []}

review := {"parameters": {"by": ["namespaces"], "except": [{"podSelector": {}}]}}

messages := {v.msg | some v in no_ingress_from_everywhere.violation}

test_nothing_open_is_no_violation if {
	count(messages) == 0 with input as review with netpol.unbounded as []
}

test_what_is_asked if {
	count(messages) == 0 with input as review with netpol.unbounded as asked
}

asked(q) := [] if q == {"directions": ["Ingress"], "by": ["namespaces"], "except": [{"podSelector": {}}]}

test_by_a_rule if {
	messages == {concat("\n  ", [
		"shop/Deployment/web could be reached from every pod of every namespace on TCP 80",
		"opened by: ingress rule 1 of NetworkPolicy shop/a",
		"to fix: let that rule name the namespaces that need shop/Deployment/web, by kubernetes.io/metadata.name",
	])} with input as review with netpol.unbounded as [open_by("namespaces", [rule])]
}

test_by_nothing_that_isolates if {
	messages == {concat("\n  ", [
		"shop/Deployment/web could be reached from every namespace on TCP 80",
		"opened by: no NetworkPolicy isolates shop/Deployment/web for ingress",
		"to fix: first apply a NetworkPolicy that isolates shop/Deployment/web for ingress (`podcullis explain default-deny -n shop` prints one)",
	])} with input as review with netpol.unbounded as [open_by("notIsolated", [])]
}

test_a_rule_without_peers_is_said_once if {
	count(messages) == 1 with input as review with netpol.unbounded as [open_by("namespaces", [rule]), open_by("addresses", [rule])]
	count(messages) == 2 with input as review with netpol.unbounded as [open_by("namespaces", [rule]), open_by("addresses", [object.union(rule, {"rule": 1})])]
}

test_many_rules_are_not_all_named if {
	some m in messages with input as review with netpol.unbounded as [open_by("labels", [object.union(rule, {"rule": i}) | some i in numbers.range(0, 6)])]
	contains(m, "ingress rule 5 of NetworkPolicy shop/a; and 2 more")
	contains(m, "let those rules name")
}

test_details if {
	some v in no_ingress_from_everywhere.violation with input as review with netpol.unbounded as [open_by("labels", [rule])]
	v.details == {"workload": web, "by": "labels", "direction": "ingress", "ports": tcp(80), "rules": [rule]}
}

test_several_alike_are_one if {
	some v in no_ingress_from_everywhere.violation with input as review
		with netpol.unbounded as [open_by("labels", [rule]), object.union(open_by("labels", [rule]), {"workload": db})]
	v.details.workloads == [web, db]
	startswith(v.msg, "shop/Deployment/web and shop/StatefulSet/db could be reached")
}
