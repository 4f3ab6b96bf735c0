package guardrails.tenants_apart_test

import data.guardrails.tenants_apart

web := {"namespace": "a", "kind": "Deployment", "name": "web", "labels": {}}

db := {"namespace": "b", "kind": "StatefulSet", "name": "db", "labels": {}}

all_namespaces := [{"name": "a", "labels": {"tenant": "a"}, "terminating": false}, {"name": "none", "labels": {}, "terminating": false}]

review(kind, operation, namespace, more) := {
	"origin": "admission",
	"parameters": object.union({"label": "tenant", "shared": [], "unlabelled": "shared"}, more),
	"request": {"operation": operation, "kind": {"kind": kind}, "namespace": namespace, "name": namespace},
}

connection(because) := {"from": web, "to": db, "ports": [{"protocol": "TCP", "port": 5432, "endPort": 5432}], "because": because}

by_rule := {"direction": "ingress", "netpol": "b/a", "rule": 0, "new": true}

by_nobody := {"direction": "ingress", "notIsolated": true}

only_from_mine(list) := {"from": list}

messages := {v.msg | some v in tenants_apart.violation}

said(because) := m if {
	some m in messages with input as review("NetworkPolicy", "CREATE", "a", {}) with cluster.namespaces as all_namespaces with netpol.opened as [connection(because)]
}

test_nothing_opened_is_no_violation if {
	count(messages) == 0 with input as review("NetworkPolicy", "CREATE", "a", {}) with cluster.namespaces as all_namespaces with netpol.opened as []
}

test_opened_by_a_rule if {
	said([by_rule, object.union(by_nobody, {"direction": "egress"})]) == concat("\n  ", [
		"a/Deployment/web could reach b/StatefulSet/db on TCP 5432, and they belong to different tenants",
		"opened by: ingress rule 1 of NetworkPolicy b/a",
		"to fix: narrow ingress rule 1 of NetworkPolicy b/a to namespaces of one tenant, by their label tenant",
	])
}

test_opened_by_nobody if {
	contains(said([by_nobody]), "to fix: first apply a NetworkPolicy that isolates b/StatefulSet/db for ingress")
	contains(said([object.union(by_nobody, {"direction": "egress"})]), "isolates a/Deployment/web for egress")
}

test_on_the_network_of_the_host if {
	some m in messages with input as review("Deployment", "CREATE", "a", {}) with cluster.namespaces as all_namespaces
		with netpol.opened as [object.union(connection([by_nobody]), {"to": object.union(db, {"hostNetwork": true})})]
	contains(m, "to fix: leave out hostNetwork: true in b/StatefulSet/db")
}

test_not_proved if {
	some m in messages with input as review("NetworkPolicy", "CREATE", "a", {}) with cluster.namespaces as all_namespaces
		with netpol.opened as [object.union(connection([{"direction": "ingress", "unknown": "unmodelled-kind"}]), {"unknown": "unmodelled-kind"})]
	startswith(m, "a/Deployment/web may be able to reach b/StatefulSet/db on TCP 5432, and they belong to different tenants: not proved shut (unmodelled-kind)")
	contains(m, "to fix: have the path shut there")
}

selector(operator, values) := {"namespaceSelector": {"matchExpressions": [{"key": "tenant", "operator": operator, "values": values}]}}

test_what_is_asked if {
	tenants_apart.mine == selector("In", ["a"]) with input as review("Pod", "CREATE", "a", {}) with cluster.namespaces as all_namespaces
	tenants_apart.others.namespaceSelector.matchExpressions == [{"key": "tenant", "operator": "NotIn", "values": ["x", "a"]}, {"key": "tenant", "operator": "Exists"}] with input as review("Pod", "CREATE", "a", {"shared": ["x"]}) with cluster.namespaces as all_namespaces
}

test_what_counts_as_blocked_is_a_parameter if {
	q := tenants_apart.questions with input as review("Pod", "CREATE", "a", {"unknown": {"blocked": ["node-exception"]}}) with cluster.namespaces as all_namespaces
	every x in q {
		x.unknown == {"blocked": ["node-exception"]}
	}
	count(q) == 2
}

test_shared_tenants_and_namespaces_without_one_ask_nothing if {
	tenants_apart.questions == [] with input as review("Pod", "CREATE", "a", {"shared": ["a"]}) with cluster.namespaces as all_namespaces
	tenants_apart.questions == [] with input as review("Namespace", "CREATE", "none", {}) with cluster.namespaces as all_namespaces
}

test_without_a_tenant_and_apart if {
	q := tenants_apart.questions with input as review("Namespace", "CREATE", "none", {"unlabelled": "apart", "shared": ["x"]}) with cluster.namespaces as all_namespaces
	q[0].from.namespaceSelector.matchExpressions == [{"key": "tenant", "operator": "DoesNotExist"}]
	q[0].to.namespaceSelector.matchExpressions == [{"key": "tenant", "operator": "Exists"}, {"key": "tenant", "operator": "NotIn", "values": ["x"]}]
}

relabelled(before, after) := all if {
	all := messages with input as review("Namespace", "UPDATE", "none", {})
		with cluster.namespaces as all_namespaces
		with cluster.labels as {"of": "namespaces", "before": before, "after": after}
}

test_the_label_stays if {
	relabelled({"tenant": "a"}, {"cost": "x"}) == {"Namespace none would belong to no tenant: tenant=a is taken off\n  to fix: keep the label tenant=a"}
	relabelled({"tenant": "a"}, {"tenant": "b"}) == set()
	relabelled({}, {"cost": "x"}) == set()
}
