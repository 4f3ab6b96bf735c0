package guardrails.declared_ports_test

import data.guardrails.declared_ports

web := {"namespace": "shop", "kind": "Deployment", "name": "web", "labels": {"app": "web"}}

db := {"namespace": "shop", "kind": "StatefulSet", "name": "db", "labels": {"app": "db"}}

tcp(port) := [{"protocol": "TCP", "port": port, "endPort": port}]

rule := {"direction": "ingress", "netpol": "shop/a", "rule": 0}

open_by(by, rules) := {"workload": web, "direction": "ingress", "by": by, "new": false, "rules": rules, "ports": tcp(80), "named": []}

review := {"parameters": {"manyPorts": 1000, "except": []}}

messages := {v.msg | some v in declared_ports.violation}

test_declared_ports_are_no_violation if {
	count(messages) == 0 with input as review with netpol.unbounded as asked
}

asked(q) := [] if q == {"directions": ["Ingress"], "by": ["ports"], "manyPorts": 1000, "except": []}

test_another_port if {
	messages == {concat("\n  ", [
		"shop/Deployment/web could be reached on TCP 80, which no container there declares",
		"opened by: ingress rule 1 of NetworkPolicy shop/a",
		"to fix: let that rule name the ports that the containers declare, or declare these with the containers",
	])} with input as review with netpol.unbounded as [open_by("ports", [rule])]
}

test_database_too if {
	count(messages) == 1 with input as review with netpol.unbounded as [open_by("ports", [rule]), object.union(open_by("ports", [rule]), {"workload": db})]
}
