package guardrails.no_host_network_test

import data.guardrails.no_host_network

web := {"namespace": "shop", "kind": "Deployment", "name": "web", "labels": {"app": "web"}}

db := {"namespace": "shop", "kind": "StatefulSet", "name": "db", "labels": {"app": "db"}}

host(w) := {"workload": object.union(w, {"hostNetwork": true}), "direction": "egress", "by": "hostNetwork", "new": true, "rules": [], "ports": [], "named": []}

review := {"parameters": {"except": []}}

messages := {v.msg | some v in no_host_network.violation}

test_nobody_there_is_no_violation if {
	count(messages) == 0 with input as review with netpol.unbounded as asked
}

asked(q) := [] if q == {"by": ["hostNetwork"], "except": []}

test_one if {
	messages == {concat("\n  ", [
		"shop/Deployment/web would run on the host's network, where no NetworkPolicy isolates it",
		"to fix: leave out hostNetwork: true in shop/Deployment/web; where it has to be, name it in the guardrail's except",
	])} with input as review with netpol.unbounded as [host(web)]
}

test_several if {
	some m in messages with input as review with netpol.unbounded as [host(web), host(db)]
	startswith(m, "shop/Deployment/web and shop/StatefulSet/db would run on the host's network, where no NetworkPolicy isolates them")
}
