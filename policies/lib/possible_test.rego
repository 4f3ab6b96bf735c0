package lib.possible_test

import data.lib.possible

pod(labels, key) := {"namespace": "shop", "kind": "Pod", "name": "", "labels": labels, "witness": true, "key": key, "namedPorts": []}

expression(operator, values) := {"key": "app", "operator": operator, "values": values}

test_a_pod_is_named_by_its_labels if {
	possible.pod(pod({"tier": "db", "app": "x"}, [])) == "a pod in namespace shop with labels app=x,tier=db"
}

test_a_pod_without_labels if possible.pod(pod({}, [])) == "a pod in namespace shop without labels"

test_a_pod_whose_labels_are_not_known if {
	possible.pod(object.remove(pod({}, []), {"labels"})) == "some pod in namespace shop"
}

test_a_pod_with_named_ports if {
	possible.pod(object.union(pod({"tier": "db"}, []), {"namedPorts": [{"name": "a", "protocol": "TCP"}, {"name": "b", "protocol": "UDP"}]})) == "a pod in namespace shop with labels tier=db and a port named a and b"
}

test_no_label_is_the_key if possible.key({"from": pod({}, []), "to": {"cidr": "0.0.0.0/0"}}) == ""

test_keys_in_words if {
	every want in [
		[expression("In", ["a"]), "; the label app=a opens it"],
		[expression("In", ["a", "b"]), "; a label app of a, b opens it"],
		[expression("Exists", []), "; a label app opens it"],
		[expression("DoesNotExist", []), "; having no label app opens it"],
		[expression("NotIn", ["a"]), "; having no label app=a opens it"],
	] {
		possible.key({"from": pod({}, [want[0]]), "to": pod({}, [])}) == want[1]
	}
}

test_keys_on_both_sides if {
	possible.key({"from": pod({}, [expression("In", ["a"])]), "to": pod({}, [expression("DoesNotExist", [])])}) == "; the label app=a and having no label app on the other side open it"
}

test_whom_to_leave_out if {
	possible.chosen("from") == "the pods with tier=web (podSelector: {matchExpressions: [{key: tier, operator: NotIn, values: [web]}]})" with input as {"parameters": {"from": {"podSelector": {"matchLabels": {"tier": "web"}}}}}
	possible.chosen("to") == "the pods that the guardrail's to chooses" with input as {"parameters": {"to": {"podSelector": {"matchLabels": {"tier": "web", "app": "x"}}}}}
}
