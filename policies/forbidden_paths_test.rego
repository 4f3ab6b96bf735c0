package guardrails.forbidden_paths_test

import data.guardrails.forbidden_paths

web := {"namespace": "shop", "kind": "Deployment", "name": "web", "labels": {"tier": "frontend"}}

db := {"namespace": "shop", "kind": "StatefulSet", "name": "db", "labels": {"tier": "db"}}

world := {"cidr": "0.0.0.0/0"}

postgres := [{"protocol": "TCP", "port": 5432, "endPort": 5432}]

connection(from, to, because) := {"from": from, "to": to, "ports": postgres, "because": because}

doubtful(from, to, unknown, because) := object.union(connection(from, to, because), {"unknown": unknown})

ingress_rule(netpol) := {"direction": "ingress", "netpol": netpol, "rule": 0, "new": true}

egress_rule(netpol) := {"direction": "egress", "netpol": netpol, "rule": 0, "new": true}

request(operation, kind, name) := {
	"parameters": {"from": {}, "to": {}, "unknown": "open"},
	"request": {"operation": operation, "kind": {"kind": kind}, "namespace": "shop", "name": name},
}

allow_all := request("CREATE", "NetworkPolicy", "allow-all")

new_pod := request("CREATE", "Pod", "curl")

messages := {v.msg | some v in forbidden_paths.violation}

fixes := {regex.find_n(`to fix: (.*)$`, m, 1)[0] | some m in messages}

test_nothing_opened_is_no_violation if {
	count(messages) == 0 with input as allow_all with netpol.opened as []
}

test_only_the_question_is_passed_on if {
	count(messages) == 0 with input as allow_all with netpol.opened as no_unknown
}

no_unknown(q) := [] if object.keys(q) == {"from", "to"}

test_the_message_word_for_word if {
	messages == {concat("\n", [
		"shop/Deployment/web could reach shop/StatefulSet/db on TCP 5432",
		"  opened by: ingress rule 1 of NetworkPolicy shop/allow-all",
		"  to fix: narrow that rule's from to the pods that need shop/StatefulSet/db",
	])} with input as allow_all with netpol.opened as [connection(web, db, [ingress_rule("shop/allow-all")])]
}

test_what_was_there_before_is_not_told if {
	old := {"direction": "egress", "notIsolated": true}
	messages == {concat("\n", [
		"shop/Deployment/web could reach shop/StatefulSet/db on TCP 5432",
		"  opened by: ingress rule 1 of NetworkPolicy shop/allow-all",
		"  to fix: narrow that rule's from to the pods that need shop/StatefulSet/db",
	])} with input as allow_all with netpol.opened as [connection(web, db, [old, ingress_rule("shop/allow-all")])]
}

test_where_nothing_is_new_everything_is_told if {
	old := {"direction": "egress", "notIsolated": true}
	messages == {concat("\n", [
		"shop/Deployment/web could reach shop/StatefulSet/db on TCP 5432",
		"  opened by: no NetworkPolicy isolates shop/Deployment/web for egress; ingress rule 3 of NetworkPolicy shop/a",
		"  to fix: narrow the ingress rule's from to the pods that need shop/StatefulSet/db",
	])} with input as allow_all
		with netpol.opened as [connection(web, db, [old, {"direction": "ingress", "netpol": "shop/a", "rule": 2}])]
}

test_the_changed_netpol_is_what_to_mend if {
	fixes == {"to fix: let the egress rule's to name only the pods that shop/Deployment/web needs"} with input as allow_all
		with netpol.opened as [connection(web, db, [egress_rule("shop/allow-all"), ingress_rule("shop/db")])]
}

test_one_of_two_ingress_rules_is_named if {
	fixes == {"to fix: narrow ingress rule 1 of NetworkPolicy shop/allow-all's from to the pods that need shop/StatefulSet/db"} with input as allow_all
		with netpol.opened as [connection(web, db, [ingress_rule("shop/a"), ingress_rule("shop/allow-all")])]
}

test_to_the_world if {
	fixes == {"to fix: let that rule's to name only the addresses that shop/StatefulSet/db needs"} with input as allow_all
		with netpol.opened as [connection(db, world, [egress_rule("shop/allow-all")])]
}

test_from_the_world if {
	fixes == {"to fix: narrow that rule's from to the addresses that need shop/StatefulSet/db"} with input as allow_all
		with netpol.opened as [connection(world, db, [ingress_rule("shop/allow-all")])]
}

test_labels_are_what_a_pod_can_change if {
	fixes == {"to fix: change the labels by which that rule matches, or narrow that rule's from to the pods that need shop/StatefulSet/db"} with input as new_pod
		with netpol.opened as [connection(web, db, [ingress_rule("shop/db")])]
}

test_labels_of_a_pod_on_the_hosts_network_change_nothing if {
	fixes == {"to fix: leave out hostNetwork: true in shop/Deployment/web, or narrow that rule's from to the pods that need shop/StatefulSet/db"} with input as new_pod
		with netpol.opened as [connection(object.union(web, {"hostNetwork": true}), db, [ingress_rule("shop/db")])]
}

test_deleted_isolation if {
	fixes == {"to fix: keep NetworkPolicy shop/default-deny, or first apply another that isolates shop/StatefulSet/db for ingress: podSelector: {} and policyTypes: [Ingress] in namespace shop (`podcullis explain default-deny -n shop` prints one)"} with input as request("DELETE", "NetworkPolicy", "default-deny")
		with netpol.opened as [connection(web, db, [{"direction": "ingress", "notIsolated": true, "new": true}])]
}

test_missing_isolation if {
	fixes == {"to fix: first apply a NetworkPolicy that isolates shop/Deployment/web for egress: podSelector: {} and policyTypes: [Egress] in namespace shop (`podcullis explain default-deny -n shop` prints one)"} with input as new_pod
		with netpol.opened as [connection(web, db, [{"direction": "egress", "notIsolated": true, "new": true}])]
}

test_a_target_on_the_hosts_network if {
	messages == {concat("\n", [
		"shop/Deployment/web could reach shop/StatefulSet/db on TCP 5432",
		"  opened by: shop/StatefulSet/db runs on the host's network, where no NetworkPolicy isolates it for ingress",
		"  to fix: leave out hostNetwork: true in shop/StatefulSet/db",
	])} with input as new_pod
		with netpol.opened as [connection(web, object.union(db, {"hostNetwork": true}), [{"direction": "ingress", "notIsolated": true, "new": true}])]
}

# No selector sees the labels of a pod on the host's network.
test_no_label_opens_it_to_a_source_on_the_hosts_network if {
	host := object.union(web, {"hostNetwork": true})
	reasons := [{"direction": "egress", "notIsolated": true, "new": true}, ingress_rule("shop/db")]
	fixes == {"to fix: leave out hostNetwork: true in shop/Deployment/web, or narrow the ingress rule's from to the pods that need shop/StatefulSet/db"} with input as request("CREATE", "Deployment", "web")
		with netpol.opened as [connection(host, db, reasons)]
	fixes == {"to fix: change the labels by which that rule matches, or narrow that rule's from to the pods that need shop/StatefulSet/db"} with input as request("CREATE", "StatefulSet", "db")
		with netpol.opened as [connection(host, db, [ingress_rule("shop/db")])]
}

test_no_label_opens_it_to_a_target_on_the_hosts_network if {
	host := object.union(db, {"hostNetwork": true})
	fixes == {"to fix: leave out hostNetwork: true in shop/StatefulSet/db, or let that rule's to name only the pods that shop/Deployment/web needs"} with input as request("CREATE", "StatefulSet", "db")
		with netpol.opened as [connection(web, host, [egress_rule("shop/web")])]
}

unproved(reason) := [doubtful(web, db, reason.unknown, [reason])]

test_every_doubt_has_words_and_advice if {
	every unknown, want in {
		"node-exception": "leave out hostNetwork: true in shop/Deployment/web",
		"unmodelled-kind": "prove the path shut there, or set the guardrail's parameter unknown to {blocked: [unmodelled-kind]} if it may stay unproved",
		"namespace-unknown": "give the Namespace object with its labels, too",
		"unparsable-selector": "mend NetworkPolicy shop/a, or delete it",
		"generated-label": "let NetworkPolicy shop/a select pods by labels of their template",
		"host-network": "narrow that rule's from to the pods that need shop/StatefulSet/db",
	} {
		fixes == {concat("", ["to fix: ", want])} with input as allow_all
			with netpol.opened as unproved(object.union(ingress_rule("shop/a"), {"unknown": unknown}))
	}
}

test_doubts_about_addresses if {
	messages == {concat("\n", [
		"shop/Deployment/web may be able to reach shop/StatefulSet/db on TCP 5432: not proved shut (ip-not-assigned)",
		"  perhaps opened by: ingress rule 1 of NetworkPolicy shop/a, whose address block may hold the address that a pod will get",
		"  to fix: keep the pods' addresses out of that rule's ipBlock; if they lie elsewhere, say where as podNetwork in the configuration",
	])} with input as allow_all
		with netpol.opened as unproved(object.union(ingress_rule("shop/a"), {"unknown": "ip-not-assigned"}))
}

test_doubts_may_be_tolerated if {
	tolerant := object.union(allow_all, {"parameters": {"from": {}, "to": {}, "unknown": "blocked"}})
	count(messages) == 1 with input as tolerant
		with netpol.opened as [connection(web, db, [ingress_rule("shop/a")]), doubtful(web, db, "node-exception", [{"direction": "ingress", "unknown": "node-exception"}])]
}

test_reasons_that_count_as_blocked_are_passed_on if {
	picky := {"blocked": ["unmodelled-kind"]}
	count(messages) == 0 with input as object.union(allow_all, {"parameters": {"from": {}, "to": {}, "unknown": picky}})
		with netpol.opened as no_tolerated
}

no_tolerated(q) := [] if q.unknown == {"blocked": ["unmodelled-kind"]}

test_a_doubt_that_is_left_is_told if {
	count(messages) == 1 with input as object.union(allow_all, {"parameters": {"from": {}, "to": {}, "unknown": {"blocked": ["unmodelled-kind"]}}})
		with netpol.opened as [doubtful(web, db, "node-exception", [{"direction": "ingress", "unknown": "node-exception"}])]
}

test_what_another_api_kept_shut_before if {
	messages == {concat("\n", [
		"shop/Deployment/web may be able to reach shop/StatefulSet/db on TCP 5432: not proved shut (unmodelled-kind)",
		"  perhaps opened by: another network policy API is in use here, and it may have kept shut what NetworkPolicies left open before (ingress of shop/StatefulSet/db); ingress rule 1 of NetworkPolicy shop/allow-all",
		"  to fix: prove the path shut there, or set the guardrail's parameter unknown to {blocked: [unmodelled-kind]} if it may stay unproved",
	])} with input as allow_all
		with netpol.opened as [doubtful(web, db, "unmodelled-kind", [{"direction": "ingress", "unknown": "unmodelled-kind", "restricted": true, "new": true}, ingress_rule("shop/allow-all")])]
}

test_a_namespace_that_the_guardrail_may_not_be_about if {
	messages == {concat("\n", [
		"shop/Deployment/web may be able to reach shop/StatefulSet/db on TCP 5432: not proved shut (namespace-unknown)",
		"  perhaps opened by: whether the guardrail is about shop/Deployment/web hangs on labels of namespace shop, of which only the name is known",
		"  to fix: give the Namespace object with its labels, too",
	])} with input as allow_all
		with netpol.opened as [doubtful(web, db, "namespace-unknown", [{"direction": "egress", "unknown": "namespace-unknown"}])]
}

# Words may fail; the violation must not: an undefined message would be silence.
# A template string says <undefined>, where concat and sprintf are undefined.
test_a_path_that_cannot_be_explained_is_still_a_violation if {
	odd := {"from": web, "to": db, "ports": [], "because": []}
	count(messages) == 1 with input as allow_all with netpol.opened as [odd]
}

# Pods that could be created.

backend := {"namespace": "shop", "kind": "Pod", "name": "", "labels": {"app": "backend", "tier": "frontend"}, "witness": true, "key": [{"key": "app", "operator": "In", "values": ["backend"]}], "namedPorts": []}

any_db := {"namespace": "shop", "kind": "Pod", "name": "", "labels": {"tier": "db"}, "witness": true, "key": [], "namedPorts": []}

about_labels(r) := object.union(r, {"parameters": {"from": {"podSelector": {"matchLabels": {"tier": "frontend"}}}, "to": {"podSelector": {"matchLabels": {"tier": "db"}}}, "scope": "possible"}})

test_a_possible_path_word_for_word if {
	messages == {concat("\n", [
		"a pod in namespace shop with labels app=backend,tier=frontend could reach a pod in namespace shop with labels tier=db on TCP 5432; the label app=backend opens it",
		"  opened by: ingress rule 1 of NetworkPolicy shop/allow-all",
		"  to fix: keep the pods with tier=frontend (podSelector: {matchExpressions: [{key: tier, operator: NotIn, values: [frontend]}]}) out of that rule's from",
	])} with input as about_labels(allow_all) with netpol.opened as [connection(backend, any_db, [ingress_rule("shop/allow-all")])]
}

test_a_possible_path_by_egress if {
	fixes == {"to fix: keep the pods with tier=db (podSelector: {matchExpressions: [{key: tier, operator: NotIn, values: [db]}]}) out of that rule's to"} with input as about_labels(allow_all)
		with netpol.opened as [connection(backend, any_db, [egress_rule("shop/allow-all")])]
}

test_a_namespace_full_of_possible_pods if {
	fixes == {"to fix: leave out the labels by which the guardrail chooses the namespace until NetworkPolicies isolate every pod in it"} with input as about_labels(request("CREATE", "Namespace", "shop"))
		with netpol.opened as [connection(backend, any_db, [{"direction": "ingress", "notIsolated": true, "new": true}])]
}

test_what_was_not_decided if {
	messages == {concat("\n", [
		"some pod in namespace shop may be able to reach a pod in namespace shop with labels tier=db on TCP 5432: not proved shut (not-decided)",
		"  perhaps opened by: ingress rule 1 of NetworkPolicy shop/a, and the search for labels by which a pod gets through it was given up",
		"  to fix: let the selectors of the NetworkPolicies there say the same in fewer words, or ask about fewer pods",
	])} with input as about_labels(allow_all)
		with netpol.opened as [doubtful(object.remove(object.union(backend, {"key": []}), {"labels"}), any_db, "not-decided", [object.union(ingress_rule("shop/a"), {"unknown": "not-decided"})])]
}

weakened := {
	"from": web, "to": db, "ports": postgres,
	"gone": {"direction": "egress", "by": ["shop/default-deny"]},
	"left": {"direction": "ingress", "by": ["shop/db"]},
}

test_one_barrier_less_is_a_warning if {
	request := object.union(allow_all, {"parameters": {"from": {}, "to": {}, "unknown": "open", "barriers": "warn"}})
	warnings := forbidden_paths.warn with input as request with netpol.opened as [] with netpol.barriers as [weakened]
	{w.msg | some w in warnings} == {"shop/Deployment/web to shop/StatefulSet/db on TCP 5432 is now held by one side only: ingress isolation by NetworkPolicy shop/db; egress was blocked by shop/default-deny until this change"}
	none := forbidden_paths.warn with input as object.union(request, {"parameters": {"barriers": "ignore"}}) with netpol.opened as [] with netpol.barriers as [weakened]
	count(none) == 0
	refused := forbidden_paths.warn with input as request
		with netpol.opened as [connection(web, db, [ingress_rule("shop/a")])]
		with netpol.barriers as [weakened]
	count(refused) == 0
}

test_a_warning_is_brief if {
	ports := [{"protocol": "TCP", "port": p, "endPort": p} | some p in [1, 3, 5, 7]]
	warnings := forbidden_paths.warn with input as object.union(allow_all, {"parameters": {"barriers": "warn"}})
		with netpol.opened as []
		with netpol.barriers as [object.union(weakened, {"ports": ports})]
	some w in warnings
	contains(w.msg, "on 4 ranges of ports is now held")
}

# long is a name as long as a name may be.
long := concat("", ["n" | some _ in numbers.range(1, 63)])

test_a_warning_fits_whatever_the_names if {
	some from in [
		{"namespace": "shop", "kind": "Deployment", "name": long},
		{"namespace": long, "kind": "Deployment", "name": long},
	]
	some by in [["shop/default-deny"], ["shop/a", "shop/b", $"shop/{long}"]]
	path := object.union(weakened, {"from": from, "to": from, "gone": {"direction": "egress", "by": by}})
	warnings := forbidden_paths.warn with input as object.union(allow_all, {"parameters": {"barriers": "warn"}})
		with netpol.opened as []
		with netpol.barriers as [path]
	every w in warnings {
		count(w.msg) <= 190
		contains(w.msg, "held by one side only: ingress isolation")
	}
	count(warnings) == 1
}

# from_many are connections of n workloads in two namespaces.
from_many(n, because) := [c |
	some i in numbers.range(1, n)
	from := {"namespace": ["a", "b"][i % 2], "kind": "Deployment", "name": $"w{i}", "labels": {"tier": "frontend"}}
	c := {"from": from, "to": db, "ports": postgres, "because": because}
]

test_one_cause_and_target_is_one_violation if {
	connections := from_many(78, [object.union(ingress_rule("shop/a"), {"new": true})])
	violations := forbidden_paths.violation with input as allow_all with netpol.opened as connections
	count(violations) == 1
	some v in violations
	v.msg == concat("\n", [
		"78 workloads in 2 namespaces (such as b/Deployment/w1, a/Deployment/w2 and b/Deployment/w3) could reach shop/StatefulSet/db on TCP 5432",
		"  opened by: ingress rule 1 of NetworkPolicy shop/a",
		"  to fix: narrow that rule's from to the pods that need shop/StatefulSet/db",
	])
	v.details.from == connections[0].from
	count(v.details.connections) == 78
}

test_what_is_named_once_is_not_named_again if {
	connections := [c |
		some c in from_many(4, [
			{"direction": "egress", "notIsolated": true, "new": true},
			{"direction": "ingress", "notIsolated": true, "new": true},
		])
	]
	messages == {concat("\n", [
		"4 workloads in 2 namespaces (such as b/Deployment/w1, a/Deployment/w2 and b/Deployment/w3) could reach shop/StatefulSet/db on TCP 5432",
		"  opened by: no NetworkPolicy isolates the 4 workloads for egress; no NetworkPolicy isolates shop/StatefulSet/db for ingress",
		"  to fix: first apply a NetworkPolicy that isolates shop/StatefulSet/db for ingress: podSelector: {} and policyTypes: [Ingress] in namespace shop (`podcullis explain default-deny -n shop` prints one)",
	])} with input as request("CREATE", "Deployment", "db") with netpol.opened as connections
}

test_several_namespaces_are_isolated_each if {
	fixes == {"to fix: first apply a NetworkPolicy that isolates the 4 workloads for egress: podSelector: {} and policyTypes: [Egress] in each of the 2 namespaces (`podcullis explain default-deny -n a` prints one)"} with input as request("CREATE", "Deployment", "db")
		with netpol.opened as from_many(4, [{"direction": "egress", "notIsolated": true, "new": true}])
}

test_ports_that_differ_are_said_to if {
	other := {"from": {"namespace": "a", "kind": "Deployment", "name": "x", "labels": {}}, "to": db, "ports": [{"protocol": "TCP", "port": 80, "endPort": 80}], "because": [ingress_rule("shop/a")]}
	some m in messages with input as allow_all with netpol.opened as array.concat(from_many(2, [ingress_rule("shop/a")]), [other])
	startswith(m, "b/Deployment/w1, a/Deployment/w2 and a/Deployment/x could reach shop/StatefulSet/db on TCP 80, TCP 5432 (which of these depends on the workload)")
}

test_two_causes_are_two if {
	count(messages) == 2 with input as allow_all
		with netpol.opened as array.concat(from_many(2, [ingress_rule("shop/a")]), from_many(2, [ingress_rule("shop/b")]))
}

test_addresses_are_one_set if {
	blocks := [{"from": {"cidr": c}, "to": db, "ports": postgres, "because": [ingress_rule("shop/a")]} | some c in ["0.0.0.0/1", "128.0.0.0/2"]]
	some m in messages with input as allow_all with netpol.opened as blocks
	startswith(m, "anywhere but 192.0.0.0/2 could reach shop/StatefulSet/db on TCP 5432")
	endswith(m, "to fix: narrow that rule's from to the addresses that need shop/StatefulSet/db")
}
