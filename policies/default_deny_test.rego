package guardrails.default_deny_test

import data.guardrails.default_deny

netpol_request(operation) := {
	"parameters": {"directions": ["Ingress", "Egress"]},
	"request": {"operation": operation, "kind": {"kind": "NetworkPolicy"}, "namespace": "shop", "name": "default-deny"},
}

deployment_request(operation) := {
	"parameters": {"directions": ["Ingress", "Egress"]},
	"request": {"operation": operation, "kind": {"kind": "Deployment"}, "namespace": "shop", "name": "web"},
}

web := {"namespace": "shop", "kind": "Deployment", "name": "web", "labels": {"app": "web"}}

exposure(direction, by) := {"workload": web, "direction": direction, "new": false, "hostNetwork": false, "by": by}

fresh(direction) := {"workload": web, "direction": direction, "new": true, "hostNetwork": false, "by": []}

messages := {v.msg | some v in default_deny.violation}

test_nothing_exposed_is_no_violation if {
	count(messages) == 0 with input as netpol_request("CREATE") with netpol.exposed as []
}

test_the_parameter_is_what_is_asked if {
	count(messages) == 0 with input as {"parameters": {"directions": ["Egress"]}, "request": netpol_request("CREATE").request}
		with netpol.exposed as asked_for_egress
}

asked_for_egress(q) := [] if q.directions == ["Egress"]

test_delete_names_what_did_it_and_both_directions_once if {
	messages == {concat("\n", [
		"shop/Deployment/web would no longer be isolated for ingress and egress: so far NetworkPolicy shop/default-deny did that",
		"  to fix: keep NetworkPolicy shop/default-deny, or first apply another with podSelector: {} and policyTypes: [Ingress, Egress] in namespace shop (`podcullis explain default-deny -n shop` prints one)",
	])} with input as netpol_request("DELETE")
		with netpol.exposed as [exposure("ingress", ["shop/default-deny"]), exposure("egress", ["shop/default-deny"])]
}

test_update_of_a_netpol if {
	messages == {concat("\n", [
		"shop/Deployment/web would no longer be isolated for egress: so far NetworkPolicy shop/default-deny did that",
		"  to fix: leave its podSelector and policyTypes as they are, or first apply another with podSelector: {} and policyTypes: [Egress] in namespace shop (`podcullis explain default-deny -n shop` prints one)",
	])} with input as netpol_request("UPDATE")
		with netpol.exposed as [exposure("egress", ["shop/default-deny"])]
}

test_relabelled_workload_with_two_netpols if {
	messages == {concat("\n", [
		"shop/Deployment/web would no longer be isolated for ingress: so far NetworkPolicies shop/a, shop/b did that",
		"  to fix: keep the labels by which it was selected, or first apply a NetworkPolicy with podSelector: {} and policyTypes: [Ingress] in namespace shop (`podcullis explain default-deny -n shop` prints one)",
	])} with input as deployment_request("UPDATE")
		with netpol.exposed as [exposure("ingress", ["shop/b", "shop/a"])]
}

# A whole change is presented as what is there after it: what took the isolation away may be
# a netpol that is gone, or a label.
test_workload_in_a_whole_change if {
	messages == {concat("\n", [
		"shop/Deployment/web would no longer be isolated for ingress: so far NetworkPolicy shop/a did that",
		"  to fix: keep NetworkPolicy shop/a and the labels by which shop/Deployment/web is selected, or first apply a NetworkPolicy with podSelector: {} and policyTypes: [Ingress] in namespace shop (`podcullis explain default-deny -n shop` prints one)",
	])} with input as object.union(deployment_request("CREATE"), {"origin": "cli"})
		with netpol.exposed as [exposure("ingress", ["shop/a"])]
}

test_new_workload if {
	messages == {concat("\n", [
		"shop/Deployment/web would not be isolated for ingress and egress: no NetworkPolicy selects it for ingress or egress",
		"  to fix: first apply a NetworkPolicy with podSelector: {} and policyTypes: [Ingress, Egress] in namespace shop (`podcullis explain default-deny -n shop` prints one)",
	])} with input as deployment_request("CREATE")
		with netpol.exposed as [fresh("egress"), fresh("ingress")]
}

test_new_workload_that_is_isolated_in_part if {
	messages == {concat("\n", [
		"shop/Deployment/web would not be isolated for ingress: NetworkPolicies shop/a, shop/b isolate only some of its pods",
		"  to fix: first apply a NetworkPolicy with podSelector: {} and policyTypes: [Ingress] in namespace shop (`podcullis explain default-deny -n shop` prints one)",
	])} with input as deployment_request("CREATE")
		with netpol.exposed as [object.union(fresh("ingress"), {"partly": ["shop/a", "shop/b"]})]
}

test_a_label_that_pods_are_yet_to_get if {
	messages == {concat("\n", [
		"shop/Deployment/web may be not isolated for ingress: NetworkPolicy shop/a asks for a label that pods get from their controller or with their node",
		"  to fix: first apply a NetworkPolicy with podSelector: {} and policyTypes: [Ingress] in namespace shop (`podcullis explain default-deny -n shop` prints one)",
	])} with input as deployment_request("CREATE")
		with netpol.exposed as [object.union(fresh("ingress"), {"partly": ["shop/a"], "unknown": "generated-label"})]
}

test_host_network if {
	messages == {concat("\n", [
		"shop/Deployment/web runs on the host's network, where no NetworkPolicy isolates it for ingress",
		"  to fix: leave out hostNetwork: true, or ask for an exemption",
	])} with input as deployment_request("CREATE")
		with netpol.exposed as [object.union(fresh("ingress"), {"hostNetwork": true})]
}

test_details_are_for_machines if {
	{v.details | some v in default_deny.violation} == {{"workload": web, "directions": ["ingress"], "by": {"shop/a"}}} with input as deployment_request("UPDATE")
		with netpol.exposed as [exposure("ingress", ["shop/a"])]
}

# many are exposures of n workloads.
many(n, more) := [object.union(x, {"workload": {"namespace": "shop", "kind": "Deployment", "name": $"w{i}", "labels": {}}}) |
	some i in numbers.range(1, n)
	x := object.union(fresh("ingress"), more)
]

test_those_that_lack_it_alike_are_one if {
	violations := default_deny.violation with input as deployment_request("CREATE") with netpol.exposed as many(4, {})
	some v in violations
	v.msg == concat("\n", [
		"4 workloads in namespace shop (such as shop/Deployment/w1, shop/Deployment/w2 and shop/Deployment/w3) would not be isolated for ingress: no NetworkPolicy selects them for ingress",
		"  to fix: first apply a NetworkPolicy with podSelector: {} and policyTypes: [Ingress] in namespace shop (`podcullis explain default-deny -n shop` prints one)",
	])
	v.details.workload.name == "w1"
	count(v.details.workloads) == 4
	count(violations) == 1
}

test_many_in_part_and_on_the_host if {
	some m in messages with input as deployment_request("CREATE") with netpol.exposed as many(2, {"partly": ["shop/a"]})
	startswith(m, "shop/Deployment/w1 and shop/Deployment/w2 would not be isolated for ingress: NetworkPolicy shop/a isolates only some of their pods")
	some n in messages with input as deployment_request("CREATE") with netpol.exposed as many(2, {"hostNetwork": true})
	startswith(n, "shop/Deployment/w1 and shop/Deployment/w2 run on the host's network, where no NetworkPolicy isolates them for ingress")
}

test_many_in_a_whole_change if {
	some m in messages with input as object.union(deployment_request("CREATE"), {"origin": "cli"})
		with netpol.exposed as many(2, {"new": false, "by": ["shop/a"]})
	contains(m, "to fix: keep NetworkPolicy shop/a and the labels by which")
	contains(m, " are selected, or first apply")
}
