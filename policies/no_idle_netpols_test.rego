package guardrails.no_idle_netpols_test

import data.guardrails.no_idle_netpols

web := {"namespace": "shop", "kind": "Deployment", "name": "web", "labels": {"app": "web"}}

review(operation, what, now, old) := {
	"parameters": {"what": what},
	"request": {"operation": operation, "kind": {"kind": "NetworkPolicy"}, "namespace": "shop", "name": "a", "object": {"spec": now}, "oldObject": {"spec": old}},
}

selected(o) := o.spec.answer

# Who is selected stands in the selector, for the mocked builtin to find.
chosen(q) := [w | some w in [web]; q.podSelector.matchLabels == {"app": "web"}]

of(labels, workloads, rules) := {"podSelector": {"matchLabels": labels}, "answer": {"workloads": workloads, "ingress": rules, "egress": []}}

idle := {"anyPeer": false, "workloads": [], "blocks": []}

busy := {"anyPeer": true, "workloads": [], "blocks": []}

messages := {v.msg | some v in no_idle_netpols.violation}

said(operation, what, now, old) := all if {
	all := messages with input as review(operation, what, now, old) with netpol.selects as selected with netpol.isolation as chosen with cluster.workloads as [web]
}

test_about_somebody_is_no_violation if {
	said("CREATE", ["netpols"], of({"app": "web"}, [web], []), {}) == set()
	said("CREATE", ["netpols"], of({}, [], []), {}) == set()
	said("CREATE", ["rules"], of({}, [], [busy]), {}) == set()
	said("DELETE", ["netpols", "rules"], of({"app": "x"}, [], [idle]), of({"app": "x"}, [], [idle])) == set()
}

test_about_nobody if {
	said("CREATE", ["netpols"], of({"app": "bew"}, [], []), {}) == {concat("\n  ", [
		"NetworkPolicy shop/a selects no workload in namespace shop; there are: app=web",
		"to fix: let its podSelector name labels that pods there have, or apply the workload first",
	])}
	some m in said("CREATE", ["netpols"], of({"tier": "x"}, [], []), {})
	startswith(m, "NetworkPolicy shop/a selects no workload in namespace shop\n")
}

test_rules if {
	said("CREATE", ["rules"], of({}, [], [busy, idle]), {}) == {concat("\n  ", [
		"ingress rule 2 of NetworkPolicy shop/a lets nobody through: no workload is what its from names",
		"to fix: let its from name labels that pods have, or leave the rule out",
	])}
}

test_what_was_there if {
	said("UPDATE", ["netpols", "rules"], of({"app": "x"}, [], [idle]), of({"app": "y"}, [], [idle])) == set()
	count(said("UPDATE", ["netpols", "rules"], of({"app": "x"}, [], [idle]), of({}, [web], []))) == 2
}
