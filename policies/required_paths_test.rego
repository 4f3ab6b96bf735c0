package guardrails.required_paths_test

import data.guardrails.required_paths

web := {"namespace": "shop", "kind": "Deployment", "name": "web", "labels": {"app": "web"}}

dns := {"namespace": "kube-system", "kind": "Deployment", "name": "coredns", "labels": {"k8s-app": "kube-dns"}}

api := {"cidr": "192.0.2.10/32"}

domain := [{"protocol": "TCP", "port": 53, "endPort": 53}, {"protocol": "UDP", "port": 53, "endPort": 53}]

closed_path(from, to, because) := {"from": from, "to": to, "ports": domain, "because": because, "lost": []}

doubtful(from, to, o) := object.union(closed_path(from, to, [o]), {"unknown": o.unknown})

denied(netpol) := {"direction": "egress", "netpol": netpol, "new": true}

request(operation, kind, name) := {
	"parameters": {"from": {}, "to": {}, "unknown": "blocked", "otherAPIs": "unknown"},
	"request": {"operation": operation, "kind": {"kind": kind}, "namespace": "shop", "name": name},
}

default_deny := request("CREATE", "NetworkPolicy", "default-deny")

messages := {v.msg | some v in required_paths.violation}

causes := {regex.find_n(`blocked by: (.*)`, m, 1)[0] | some m in messages}

fixes := {regex.find_n(`to fix: (.*)$`, m, 1)[0] | some m in messages}

test_nothing_closed_is_no_violation if {
	count(messages) == 0 with input as default_deny with netpol.closed as []
}

test_only_the_question_is_passed_on if {
	count(messages) == 0 with input as default_deny with netpol.closed as no_unknown
}

no_unknown(q) := [] if object.keys(q) == {"from", "to", "otherAPIs"}

test_the_message_word_for_word if {
	lost := {"lost": [{"direction": "egress", "notIsolated": true}]}
	messages == {concat("\n", [
		"shop/Deployment/web could not reach kube-system/Deployment/coredns on TCP 53, UDP 53",
		"  blocked by: NetworkPolicy shop/default-deny, which isolates shop/Deployment/web for egress and has no rule for this",
		"  so far open by: no NetworkPolicy isolates shop/Deployment/web for egress",
		"  to fix: first apply a NetworkPolicy in namespace shop that selects shop/Deployment/web and has an egress rule to kube-system/Deployment/coredns on TCP 53, UDP 53",
	])} with input as default_deny with netpol.closed as [object.union(closed_path(web, dns, [denied("shop/default-deny")]), lost)]
}

test_a_new_workload_is_told_all_that_is_in_the_way if {
	old := [{"direction": "egress", "netpol": "shop/default-deny"}, {"direction": "ingress", "netpol": "kube-system/dns"}]
	messages == {concat("\n", [
		"shop/Deployment/web could not reach kube-system/Deployment/coredns on TCP 53, UDP 53",
		"  blocked by: NetworkPolicy shop/default-deny, which isolates shop/Deployment/web for egress and has no rule for this; NetworkPolicy kube-system/dns, which isolates kube-system/Deployment/coredns for ingress and has no rule for this",
		"  to fix: first apply a NetworkPolicy in namespace shop that selects shop/Deployment/web and has an egress rule to kube-system/Deployment/coredns on TCP 53, UDP 53, and let it in on the other side too",
	])} with input as request("CREATE", "Deployment", "web") with netpol.closed as [closed_path(web, dns, old)]
}

test_from_outside_and_a_deleted_netpol if {
	o := {"direction": "ingress", "netpol": "kube-system/default-deny", "new": true}
	fixes == {"to fix: keep NetworkPolicy shop/allow, or first apply another in namespace kube-system that selects kube-system/Deployment/coredns and has an ingress rule from 192.0.2.10/32 on TCP 53, UDP 53"} with input as request("DELETE", "NetworkPolicy", "allow")
		with netpol.closed as [closed_path(api, dns, [o])]
}

test_unknown_is_blocked_by_default if {
	o := {"direction": "egress", "netpol": "shop/allow-dns", "unknown": "ip-not-assigned"}
	messages == {concat("\n", [
		"shop/Deployment/web may be unable to reach kube-system/Deployment/coredns on TCP 53, UDP 53: not proved open (ip-not-assigned)",
		"  perhaps blocked by: egress of shop/Deployment/web hangs on NetworkPolicy shop/allow-dns, whose address block may hold the address that a pod will get",
		"  to fix: let a rule of NetworkPolicy shop/allow-dns name the pods by labels; if their addresses are known, say where as podNetwork in the configuration",
	])} with input as default_deny with netpol.closed as [doubtful(web, dns, o)]
}

test_unknown_may_be_tolerated if {
	o := {"direction": "egress", "netpol": "shop/allow-dns", "unknown": "ip-not-assigned"}
	count(messages) == 0 with input as object.union(default_deny, {"parameters": {"unknown": "open"}})
		with netpol.closed as [doubtful(web, dns, o)]
}

test_another_api if {
	o := {"direction": "ingress", "unknown": "unmodelled-kind"}
	causes == {"blocked by: another network policy API is in use here, and it may close what NetworkPolicies leave open (ingress of kube-system/Deployment/coredns)"} with input as default_deny
		with netpol.closed as [doubtful(web, dns, o)]
	fixes == {"to fix: look there whether it lets this through; the guardrail's parameter otherAPIs: ignored takes it for granted"} with input as default_deny
		with netpol.closed as [doubtful(web, dns, o)]
}

test_a_node if {
	o := {"direction": "ingress", "unknown": "node-exception"}
	causes == {"blocked by: only from a pod's own node is it open, as shop/Deployment/web runs on the host's network"} with input as default_deny
		with netpol.closed as [doubtful(web, dns, o)]
	fixes == {"to fix: give the pods a rule with their nodes' addresses, or set the guardrail's parameter unknown to open if it may stay unproved"} with input as default_deny
		with netpol.closed as [doubtful(web, dns, o)]
}

test_a_label_that_pods_are_yet_to_get if {
	o := {"direction": "egress", "netpol": "shop/odd", "unknown": "generated-label"}
	causes == {"blocked by: egress of shop/Deployment/web hangs on NetworkPolicy shop/odd, which asks for a label that pods get from their controller or with their node, so that what it matches is not known"} with input as default_deny
		with netpol.closed as [doubtful(web, dns, o)]
	fixes == {"to fix: let NetworkPolicy shop/odd select pods by labels of their template"} with input as default_deny with netpol.closed as [doubtful(web, dns, o)]
}

test_what_does_not_parse if {
	o := {"direction": "egress", "netpol": "shop/odd", "unknown": "unparsable-selector"}
	fixes == {"to fix: mend NetworkPolicy shop/odd, or delete it"} with input as default_deny with netpol.closed as [doubtful(web, dns, o)]
}

test_some_doubts_may_be_tolerated if {
	tolerant := object.union(default_deny, {"parameters": {"unknown": {"open": ["node-exception", "host-network"]}}})
	count(messages) == 0 with input as tolerant with netpol.closed as [doubtful(web, dns, {"direction": "ingress", "unknown": "node-exception"})]
	count(messages) == 1 with input as tolerant with netpol.closed as [doubtful(web, dns, {"direction": "ingress", "unknown": "unmodelled-kind"})]
	both := object.union(doubtful(web, dns, {"direction": "ingress", "unknown": "node-exception"}), {"because": [{"direction": "ingress", "unknown": "node-exception"}, {"direction": "egress", "unknown": "unmodelled-kind"}]})
	count(messages) == 1 with input as tolerant with netpol.closed as [both]
}

test_blocked_is_not_a_doubt if {
	count(messages) == 1 with input as object.union(default_deny, {"parameters": {"unknown": {"open": ["node-exception"]}}})
		with netpol.closed as [closed_path(web, dns, [{"direction": "egress", "netpol": "shop/default-deny", "new": true}])]
}

test_a_namespace_that_the_guardrail_may_not_be_about if {
	o := {"direction": "egress", "unknown": "namespace-unknown"}
	messages == {concat("\n", [
		"shop/Deployment/web may be unable to reach kube-system/Deployment/coredns on TCP 53, UDP 53: not proved open (namespace-unknown)",
		"  perhaps blocked by: whether the guardrail is about shop/Deployment/web hangs on labels of namespace shop, of which only the name is known",
		"  to fix: give the Namespace object with its labels, too",
	])} with input as default_deny with netpol.closed as [doubtful(web, dns, o)]
}
