package guardrails.exposed_to_outside_test

import data.guardrails.exposed_to_outside

web := {"namespace": "shop", "kind": "Deployment", "name": "web", "labels": {"app": "web"}}

agent := {"namespace": "shop", "kind": "DaemonSet", "name": "agent", "labels": {}, "hostNetwork": true}

request(operation, kind, name) := {
	"parameters": {"to": {}, "through": ["default", "ipBlock", "service", "ingress", "route"], "unknown": "open"},
	"request": {"operation": operation, "kind": {"kind": kind}, "namespace": "shop", "name": name},
}

tcp(port) := [{"protocol": "TCP", "port": port, "endPort": port}]

everywhere(entrance) := [
	object.union(entrance, {"from": {"cidr": "0.0.0.0/0"}}),
	object.union(entrance, {"from": {"cidr": "::/0"}}),
]

not_isolated := {"direction": "ingress", "notIsolated": true}

rule := {"direction": "ingress", "netpol": "shop/web", "rule": 0}

direct(through, to, because) := everywhere({"to": to, "ports": tcp(8080), "because": because, "through": through})

service_step := {"kind": "Service", "namespace": "shop", "name": "web", "as": "", "text": "port 80"}

behind(through, steps, because) := everywhere({"to": web, "ports": tcp(8080), "because": because, "through": through, "way": steps})

by_service(because) := behind("service", [object.union(service_step, {"as": "LoadBalancer"})], because)

ingress_step := {"kind": "Ingress", "namespace": "shop", "name": "web", "as": "", "text": "host shop.example.com, path /"}

by_ingress(because) := [object.union(e, {"controller": "ingress-nginx/Deployment/controller"}) |
	some e in behind("ingress", [ingress_step, service_step], because)
]

served_by_nobody_known := [object.union(e, {"controller": "a controller that is not known", "unknown": "controller-unknown"}) |
	some e in behind("ingress", [ingress_step, service_step], [
		{"direction": "ingress", "netpol": "shop/web", "rule": 0, "unknown": "controller-unknown"},
		{"direction": "ingress", "unknown": "controller-unknown"},
	])
]

messages := {v.msg | some v in exposed_to_outside.violation}

fixes := {line | some m in messages; some line in split(m, "\n"); contains(line, "to fix: ")}

test_nothing_opened_is_no_violation if {
	count(messages) == 0 with input as request("CREATE", "Service", "web") with netpol.entrances as []
}

test_what_is_asked if {
	count(messages) == 0 with input as request("CREATE", "Service", "web") with netpol.entrances as asked
}

asked(q) := [] if q == {"to": {}, "through": ["default", "ipBlock", "service", "ingress", "route"]}

test_from_where_is_asked if {
	narrow := object.union(request("CREATE", "Service", "web"), {"parameters": {"from": {"cidr": "203.0.113.0/24"}}})
	count(messages) == 0 with input as narrow with netpol.entrances as asked_from
}

asked_from(q) := [] if q.from == {"cidr": "203.0.113.0/24"}

test_all_but_some_addresses if {
	messages == {concat("\n", [
		"shop/Deployment/web could be reached from anywhere outside the cluster but 10.0.0.0/8 on TCP 8080",
		"  opened by: ingress rule 1 of NetworkPolicy shop/web",
		"  to fix: narrow that rule's from to the pods that need shop/Deployment/web",
	])} with input as request("UPDATE", "NetworkPolicy", "web")
		with netpol.entrances as [object.union(direct("ipBlock", web, [object.union(rule, {"new": true})])[0], {"from": {"cidr": "anywhere but 10.0.0.0/8"}})]
}

test_what_counts_as_shut_is_asked if {
	tolerant := object.union(request("CREATE", "Service", "web"), {"parameters": {"unknown": {"blocked": ["node-exception"]}}})
	count(messages) == 0 with input as tolerant with netpol.entrances as asked_without
}

asked_without(q) := [] if q.unknown.blocked == ["node-exception"]

test_unknown_can_count_as_shut if {
	tolerant := object.union(request("CREATE", "Ingress", "web"), {"parameters": {"unknown": "blocked"}})
	count(messages) == 0 with input as tolerant with netpol.entrances as served_by_nobody_known
}

test_a_workload_that_nobody_isolates if {
	messages == {concat("\n", [
		"shop/Deployment/web could be reached from outside the cluster on TCP 8080",
		"  opened by: no NetworkPolicy isolates shop/Deployment/web for ingress",
		"  to fix: first apply a NetworkPolicy that isolates shop/Deployment/web for ingress (`podcullis explain default-deny -n shop` prints one)",
	])} with input as request("CREATE", "Deployment", "web") with netpol.entrances as direct("default", web, [not_isolated])
}

test_one_on_the_hosts_network if {
	fixes == {"  to fix: leave out hostNetwork: true in shop/DaemonSet/agent"} with input as request("CREATE", "DaemonSet", "agent")
		with netpol.entrances as direct("default", agent, [not_isolated])
}

test_a_rule_that_lets_addresses_in if {
	messages == {concat("\n", [
		"shop/Deployment/web could be reached from 203.0.113.0/24 outside the cluster on TCP 8080",
		"  opened by: ingress rule 1 of NetworkPolicy shop/web",
		"  to fix: narrow that rule's from to the pods that need shop/Deployment/web",
	])} with input as request("UPDATE", "NetworkPolicy", "web")
		with netpol.entrances as [object.union(direct("ipBlock", web, [object.union(rule, {"new": true}), not_isolated])[0], {"from": {"cidr": "203.0.113.0/24"}})]
}

test_what_is_perhaps_open if {
	some m in messages with input as request("UPDATE", "NetworkPolicy", "web")
		with netpol.entrances as [object.union(e, {"unknown": "unparsable-selector"}) | some e in direct("ipBlock", web, [object.union(rule, {"unknown": "unparsable-selector"})])]
	startswith(m, "shop/Deployment/web may be reachable from outside the cluster on TCP 8080: not proved shut (unparsable-selector)\n  perhaps opened by: ingress rule 1 of NetworkPolicy shop/web, which holds something that does not parse")
}

test_a_load_balancer if {
	messages == {concat("\n", [
		"shop/Deployment/web could be reached from outside the cluster on TCP 8080",
		"  way: outside -> LoadBalancer Service shop/web port 80 -> shop/Deployment/web TCP 8080, open because ingress rule 1 of NetworkPolicy shop/web lets that in",
		"  to fix: let Service shop/web be of type ClusterIP, without nodePorts and externalIPs, or leave shop/Deployment/web out of its selector",
	])} with input as request("UPDATE", "Service", "web") with netpol.entrances as by_service([rule])
}

test_one_through_the_nodes if {
	some m in messages with input as request("UPDATE", "Service", "web")
		with netpol.entrances as [object.union(e, {"unknown": "node-exception"}) | some e in by_service([{"direction": "ingress", "unknown": "node-exception"}])]
	contains(m, ", perhaps open because a node's address may stand for the client's, and from its own node a pod is always open\n")
}

test_one_whose_pods_are_not_certain if {
	some m in messages with input as request("UPDATE", "Service", "web")
		with netpol.entrances as [object.union(e, {"unknown": "generated-label"}) | some e in by_service([{"direction": "ingress", "unknown": "generated-label"}])]
	contains(m, ", perhaps open because Service shop/web asks for a label that pods get from their controller or with their node\n")
}

test_an_ingress if {
	messages == {concat("\n", [
		"shop/Deployment/web could be reached from outside the cluster on TCP 8080",
		"  way: outside -> Ingress shop/web (host shop.example.com, path /) -> ingress-nginx/Deployment/controller -> Service shop/web port 80 -> shop/Deployment/web TCP 8080, open because ingress rule 1 of NetworkPolicy shop/web lets that in",
		"  to fix: leave Service shop/web out of Ingress shop/web",
	])} with input as request("CREATE", "Ingress", "web") with netpol.entrances as by_ingress([rule])
}

test_the_controllers_own_side if {
	out := {"direction": "egress", "netpol": "ingress-nginx/controller", "rule": 1}
	some m in messages with input as request("CREATE", "Ingress", "web") with netpol.entrances as by_ingress([out, rule])
	contains(m, ", open because egress rule 2 of NetworkPolicy ingress-nginx/controller lets ingress-nginx/Deployment/controller out; ingress rule 1 of NetworkPolicy shop/web lets that in\n")
	some n in messages with input as request("CREATE", "Ingress", "web") with netpol.entrances as by_ingress([{"direction": "egress", "notIsolated": true}, rule])
	contains(n, ", open because ingress rule 1 of NetworkPolicy shop/web lets that in\n")
}

test_an_ingress_of_which_nobody_knows_who_serves_it if {
	messages == {concat("\n", [
		"shop/Deployment/web may be reachable from outside the cluster on TCP 8080: not proved shut (controller-unknown)",
		"  way: outside -> Ingress shop/web (host shop.example.com, path /) -> a controller that is not known -> Service shop/web port 80 -> shop/Deployment/web TCP 8080, perhaps open because ingress rule 1 of NetworkPolicy shop/web may let it in; it is not known who serves it",
		"  to fix: leave Service shop/web out of Ingress shop/web, or name who serves it with the guardrail's parameter controllers",
	])} with input as request("CREATE", "Ingress", "web") with netpol.entrances as served_by_nobody_known
}

test_a_route_and_other_ways if {
	gateway := {"kind": "Gateway", "namespace": "infra", "name": "public", "as": "", "text": ""}
	route := {"kind": "HTTPRoute", "namespace": "shop", "name": "web", "as": "", "text": "path /"}
	entrances := [object.union(e, {"controller": "a controller that is not known", "moreWays": n}) |
		some e in behind("route", [gateway, route, service_step], [not_isolated])
		some n in [1, 2]
	]
	list := messages with input as request("CREATE", "HTTPRoute", "web") with netpol.entrances as entrances
	some m in list
	contains(m, "way: outside -> Gateway infra/public -> HTTPRoute shop/web (path /) -> a controller that is not known -> Service shop/web port 80 -> shop/Deployment/web TCP 8080 (and another way), open because no NetworkPolicy isolates")
	some n in list
	contains(n, " (and 2 other ways), open because ")
}

test_what_to_do_about_other_objects if {
	fixes == {"  to fix: leave shop/Deployment/web out of the selector of Service shop/web, or name who serves it with the guardrail's parameter controllers"} with input as request("CREATE", "Service", "web")
		with netpol.entrances as served_by_nobody_known
	fixes == {"  to fix: let the rules of NetworkPolicy shop/web name only the pods that need shop/Deployment/web"} with input as request("UPDATE", "NetworkPolicy", "web")
		with netpol.entrances as by_service([rule])
	fixes == {"  to fix: keep NetworkPolicy shop/web"} with input as request("DELETE", "NetworkPolicy", "web")
		with netpol.entrances as by_service([not_isolated])
	fixes == {"  to fix: give shop/Deployment/web labels that Service shop/web does not select"} with input as request("UPDATE", "Deployment", "web")
		with netpol.entrances as by_service([not_isolated])
}
