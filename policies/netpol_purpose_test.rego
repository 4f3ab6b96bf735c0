package guardrails.netpol_purpose_test

import data.guardrails.netpol_purpose

with_annotations(a) := {"metadata": {"annotations": a}}

plain := {"metadata": {}}

review(operation, now, old) := {
	"parameters": {"annotations": [{"key": "owner", "pattern": "team-.*"}, {"key": "reason"}]},
	"request": {"operation": operation, "kind": {"kind": "NetworkPolicy"}, "namespace": "shop", "name": "a", "object": now, "oldObject": old},
}

messages := {v.msg | some v in netpol_purpose.violation}

said(operation, now, old) := all if {
	all := messages with input as review(operation, now, old)
}

whole := with_annotations({"owner": "team-shop", "reason": "orders"})

test_both_is_no_violation if {
	said("CREATE", whole, null) == set()
	said("DELETE", plain, plain) == set()
}

test_neither if {
	said("CREATE", plain, null) == {
		"NetworkPolicy shop/a does not say what it is for: it has no annotation owner\n  to fix: annotate it with owner, a value that matches team-.*",
		"NetworkPolicy shop/a does not say what it is for: it has no annotation reason\n  to fix: annotate it with reason",
	}
}

test_blank_is_none if {
	count(said("CREATE", with_annotations({"owner": "team-shop", "reason": " "}), null)) == 1
}

test_another_value if {
	said("UPDATE", with_annotations({"owner": "me", "reason": "x"}), whole) == {"NetworkPolicy shop/a has owner: \"me\", which does not match team-.*\n  to fix: annotate it with owner, a value that matches team-.*"}
}

test_what_was_so_before if {
	said("UPDATE", plain, plain) == set()
	count(said("UPDATE", plain, whole)) == 2
}
