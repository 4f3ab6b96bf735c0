package guardrails.no_allow_all_test

import data.guardrails.no_allow_all

web := {"namespace": "shop", "kind": "Deployment", "name": "web", "labels": {"app": "web"}}

db := {"namespace": "shop", "kind": "StatefulSet", "name": "db", "labels": {"app": "db"}}

every_port := [{"protocol": p, "port": 1, "endPort": 65535} | some p in ["TCP", "UDP", "SCTP"]]

open_by(by, direction) := {"workload": web, "direction": direction, "by": by, "new": false, "rules": [{"direction": direction, "netpol": "shop/a", "rule": 0}], "ports": every_port, "named": []}

review := {"parameters": {"directions": ["Egress"], "manyPorts": 7, "except": []}}

messages := {v.msg | some v in no_allow_all.violation}

test_nothing_open_is_no_violation if {
	count(messages) == 0 with input as review with netpol.unbounded as []
}

test_what_is_asked if {
	count(messages) == 0 with input as review with netpol.unbounded as asked
}

asked(q) := [] if q == {"directions": ["Egress"], "by": ["namespaces", "addresses"], "manyPorts": 7, "except": []}

test_egress if {
	messages == {concat("\n  ", [
		"shop/Deployment/web could reach nearly all addresses on all ports: what isolates it is worth nothing then",
		"opened by: egress rule 1 of NetworkPolicy shop/a",
		"to fix: let that rule name who is needed, and the ports; `podcullis suggest` prints such NetworkPolicies",
	])} with input as review with netpol.unbounded as [open_by("addresses", "egress")]
}

test_several if {
	some m in messages with input as review with netpol.unbounded as [open_by("namespaces", "ingress"), object.union(open_by("namespaces", "ingress"), {"workload": db})]
	contains(m, "could be reached by every pod of every namespace on all ports: what isolates them is worth nothing")
}
