package lib.breadth_test

import data.lib.breadth

web := {"namespace": "shop", "kind": "Deployment", "name": "web", "labels": {}}

test_names_of_ports if {
	breadth.on({"ports": [], "named": ["http/TCP"]}) == "port http/TCP"
	breadth.on({"ports": [{"protocol": "TCP", "port": 80, "endPort": 80}], "named": ["http/TCP"]}) == "TCP 80, port http/TCP"
}

test_on_the_network_of_the_host if {
	breadth.opened_by({"from": web, "by": "hostNetwork", "rules": []}) == "opened by: shop/Deployment/web runs on the host's network, where no NetworkPolicy has a say"
	breadth.opened_by({"from": {"many": true, "text": "two workloads", "brief": "them"}, "by": "hostNetwork", "rules": []}) == "opened by: two workloads run on the host's network, where no NetworkPolicy has a say"
}
