package lib.paths_test

import data.lib.paths

web := {"namespace": "shop", "kind": "Deployment", "name": "web"}

db := {"namespace": "shop", "kind": "StatefulSet", "name": "db"}

span(protocol, port, last) := {"protocol": protocol, "port": port, "endPort": last}

test_peers if {
	paths.peer(web) == "shop/Deployment/web"
	paths.peer({"cidr": "10.0.0.0/8"}) == "10.0.0.0/8"
}

test_ports if {
	paths.ports([span("TCP", 1, 65535), span("UDP", 1, 65535), span("SCTP", 1, 65535)]) == "all ports"
	paths.ports([span("TCP", 80, 80), span("UDP", 53, 54), span("SCTP", 1, 65535)]) == "TCP 80, UDP 53-54, all SCTP ports"
}

test_rules_count_from_one if {
	paths.rule({"direction": "egress", "netpol": "shop/a", "rule": 0}) == "egress rule 1 of NetworkPolicy shop/a"
}

test_netpols if {
	paths.netpols(["shop/a"]) == "NetworkPolicy shop/a"
	paths.netpols(["shop/a", "shop/b"]) == "NetworkPolicies shop/a, shop/b"
}

test_types_in_order if paths.types(["ingress", "egress"]) == "Ingress, Egress"

said(reason) := paths.reason_text({"from": web, "to": db}, reason)

test_reasons if {
	said({"direction": "ingress", "netpol": "shop/a", "rule": 1}) == "ingress rule 2 of NetworkPolicy shop/a"
	said({"direction": "ingress", "notIsolated": true}) == "no NetworkPolicy isolates shop/StatefulSet/db for ingress"
	said({"direction": "egress", "notIsolated": true}) == "no NetworkPolicy isolates shop/Deployment/web for egress"
	said({"direction": "ingress", "netpol": "shop/a", "notIsolated": true, "unknown": "unparsable-selector"}) == "NetworkPolicy shop/a does not parse, so that whether it isolates shop/StatefulSet/db for ingress is not known"
	said({"direction": "ingress", "netpol": "shop/a", "notIsolated": true, "unknown": "generated-label"}) == "NetworkPolicy shop/a asks for a label that pods get from their controller or with their node, so that whether it isolates shop/StatefulSet/db for ingress is not known"
	said({"direction": "ingress", "netpol": "shop/a", "rule": 0, "unknown": "generated-label"}) == "ingress rule 1 of NetworkPolicy shop/a, which asks for a label that pods get from their controller or with their node, so that what it matches is not known"
	said({"direction": "ingress", "unknown": "node-exception"}) == "shop/Deployment/web runs on the host's network, and to the pods of its own node it is always open"
	said({"direction": "ingress", "unknown": "unmodelled-kind"}) == "another network policy API is in use here, and it may open what NetworkPolicies leave blocked (ingress of shop/StatefulSet/db)"
	said({"direction": "ingress", "netpol": "shop/a", "rule": 0, "unknown": "host-network"}) == "ingress rule 1 of NetworkPolicy shop/a, which matches a pod on the host's network, and only some network plugins see it there"
	said({"direction": "ingress", "netpol": "shop/a", "rule": 0, "unknown": "unparsable-selector"}) == "ingress rule 1 of NetworkPolicy shop/a, which holds something that does not parse, so that what it matches is not known"
	said({"direction": "ingress", "netpol": "shop/a", "rule": 0, "unknown": "ip-not-assigned"}) == "ingress rule 1 of NetworkPolicy shop/a, whose address block may hold the address that a pod will get"
}

mixed(from, ports) := {"from": from, "to": db, "ports": ports, "mixed": true}

test_ports_that_differ if {
	every_port := [span("TCP", 1, 65535), span("UDP", 1, 65535), span("SCTP", 1, 65535)]
	some_ports := [span("TCP", 80, 80), span("TCP", 443, 443)]
	paths.ports_of(mixed({"many": 2, "text": "a and b"}, some_ports)) == "TCP 80, TCP 443 (which of these depends on the workload)"
	paths.ports_of(mixed({"many": 2, "witness": true}, some_ports)) == "TCP 80, TCP 443 (which of these depends on the pod)"
	paths.ports_of(mixed({"many": 2, "cidr": "10.0.0.0/8, 192.0.2.0/24"}, some_ports)) == "TCP 80, TCP 443 (which of these depends on the address)"
	paths.ports_of(mixed({"many": 2, "text": "a and b"}, every_port)) == "all ports, some of them on fewer"
	paths.ports_of(object.remove(mixed(web, some_ports), {"mixed"})) == "TCP 80, TCP 443"
}
