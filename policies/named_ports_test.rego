package guardrails.named_ports_test

import data.guardrails.named_ports

workload(name) := {"namespace": "shop", "kind": "Deployment", "name": name, "labels": {}}

review(operation, now, old) := {"request": {
	"operation": operation, "kind": {"kind": "NetworkPolicy"}, "namespace": "shop", "name": "a",
	"object": now, "oldObject": old,
}}

selected(o) := o

named := {"ingress": [{"ports": [{"port": "pg"}]}]}

port(name, resolved) := {"namedPorts": [{"name": name, "protocol": "TCP", "resolved": resolved}], "workloads": [workload("db")]}

ingress(rule, workloads) := {"spec": named, "workloads": workloads, "ingress": [rule], "egress": []}

egress(rule) := {"spec": named, "workloads": [], "ingress": [], "egress": [rule]}

messages := {v.msg | some v in named_ports.violation}

said(operation, now, old) := all if {
	all := messages with input as review(operation, now, old) with netpol.selects as selected
}

test_a_name_that_is_there_is_no_violation if {
	said("CREATE", ingress(port("pg", [workload("db")]), [workload("db")]), {}) == set()
	said("CREATE", ingress(port("pg", []), []), {}) == set()
	said("DELETE", ingress(port("pg", []), [workload("db")]), {}) == set()
}

test_numbers_ask_nothing if {
	count(messages) == 0 with input as review("CREATE", {"spec": {"ingress": [{"ports": [{"port": 80}]}]}}, {}) with netpol.selects as {}
}

test_ingress if {
	said("CREATE", ingress(port("pg", []), [workload("db"), workload("web")]), {}) == {concat("\n  ", [
		"ingress rule 1 of NetworkPolicy shop/a names port pg (TCP), which none of shop/Deployment/db, shop/Deployment/web has",
		"to fix: give the port its number, or the name that the containers give it",
	])}
}

test_egress if {
	count(said("CREATE", egress(port("pg", [])), {})) == 1
}

test_many_workloads_are_not_all_named if {
	some m in said("CREATE", ingress(port("pg", []), [workload(sprintf("w%d", [i])) | some i in numbers.range(1, 5)]), {})
	contains(m, "shop/Deployment/w3 and 2 more has")
}

test_what_was_there if {
	rule := ingress(port("pg", []), [workload("db")])
	said("UPDATE", rule, rule) == set()
	count(said("UPDATE", rule, ingress(port("other", []), [workload("db")]))) == 1
}
