package guardrails.egress_blocks_test

import data.guardrails.egress_blocks

object_with(spec) := {"metadata": {"name": "a", "namespace": "shop"}, "spec": spec}

review(operation, spec, old, cidrs) := {
	"parameters": {"cidrs": cidrs},
	"request": {"operation": operation, "kind": {"kind": "NetworkPolicy"}, "namespace": "shop", "name": "a", "object": object_with(spec), "oldObject": object_with(old)},
}

tcp(port) := [{"protocol": "TCP", "port": port}]

to(cidr, except) := {"to": [{"ipBlock": {"cidr": cidr, "except": except}}], "ports": tcp(443)}

everybody := {"to": null}

messages := {v.msg | some v in egress_blocks.violation}

created(rule, cidrs) := all if {
	all := messages with input as review("CREATE", {"egress": [rule]}, {"egress": [rule]}, cidrs)
}

updated(rule, old) := all if {
	all := messages with input as review("UPDATE", {"egress": [rule]}, {"egress": [old]}, [])
}

test_within_the_list_is_no_violation if {
	created(to("10.1.0.0/16", []), ["10.0.0.0/8"]) == set()
	created(to("2001:db8::/48", []), ["2001:db8::/32"]) == set()
}

test_outside_of_it if {
	created(to("192.0.2.0/24", []), ["10.0.0.0/8"]) == {concat("\n  ", [
		"egress rule 1 of NetworkPolicy shop/a leads to 192.0.2.0/24, which is not within 10.0.0.0/8",
		"to fix: let it name addresses of that list, or pods by their labels; or have 192.0.2.0/24 added to the guardrail's cidrs",
	])}
}

test_everybody_is_all_addresses if {
	count(created(everybody, ["10.0.0.0/8"])) == 2
	some m in created(everybody, [])
	startswith(m, "egress rule 1 of NetworkPolicy shop/a leads to all addresses (0.0.0.0/0), which is not within the guardrail's cidrs, of which there are none")
}

test_a_deletion_brings_nothing_in if {
	count(messages) == 0 with input as review("DELETE", {"egress": [everybody]}, {"egress": [everybody]}, [])
}

test_what_was_there if {
	updated(to("192.0.2.0/25", []), to("192.0.2.0/24", [])) == set()
	updated(to("192.0.2.0/24", []), everybody) == set()
	updated(to("192.0.2.0/24", ["192.0.2.0/25"]), to("192.0.2.0/24", ["192.0.2.64/26"])) == set()
	updated(to("192.0.2.0/25", []), to("192.0.2.0/24", ["192.0.2.128/25"])) == set()
	count(updated(to("192.0.2.0/24", []), to("192.0.2.0/24", ["192.0.2.128/25"]))) == 1
	count(updated(object.union(to("192.0.2.0/24", []), {"ports": tcp(80)}), to("192.0.2.0/24", []))) == 1
}

test_rules_without_blocks if {
	created({"to": [{"podSelector": {}}]}, []) == set()
	count(messages) == 0 with input as review("CREATE", {"egress": null}, {}, [])
}

test_for_other_pods if {
	count(messages) == 1 with input as review("UPDATE", {"podSelector": {"matchLabels": {"app": "web"}}, "egress": [to("192.0.2.0/24", [])]}, {"egress": [to("192.0.2.0/24", [])]}, [])
}
