package guardrails.consistent_labels_test

import data.guardrails.consistent_labels

request(operation, kind, user, object, old, parameters) := {
	"origin": "admission",
	"parameters": parameters,
	"request": {
		"operation": operation, "kind": {"group": "", "version": "v1", "kind": kind}, "namespace": "shop", "name": "web",
		"userInfo": user, "object": object, "oldObject": old,
	},
}

mallory := {"username": "mallory", "groups": ["devs", "system:authenticated"]}

controller := {"username": "system:serviceaccount:kube-system:replicaset-controller", "groups": ["system:serviceaccounts"]}

# workload is one with these labels on itself and in its selector.
workload(object, selector) := {"metadata": {"labels": object}, "spec": {"selector": selector}}

create(kind, user, o, parameters) := request("CREATE", kind, user, o, null, parameters)

update(kind, user, o, old, parameters) := request("UPDATE", kind, user, o, old, parameters)

pods(before, after) := {"of": "pods", "before": before, "after": after}

new_pods(after) := {"of": "pods", "after": after}

messages := {v.msg | some v in consistent_labels.violation}

said(first, fix) := {concat("\n  ", [first, $"to fix: {fix}"])}

teams := {"required": [{"keys": ["team"], "kinds": ["Deployment", "Pod"], "namespaces": ["shop"]}]}

test_a_required_label if {
	messages == said("Deployment shop/web has no label team in the pod template", "add the label team in the pod template") with input as create("Deployment", mallory, workload({}, {}), teams)
		with cluster.labels as new_pods({"app": "web"})
	messages == set() with input as create("Deployment", mallory, workload({}, {}), teams)
		with cluster.labels as new_pods({"app": "web", "team": "a"})
}

test_a_required_label_of_a_pod if {
	messages == said("Pod shop/web has no label team", "add the label team") with input as create("Pod", mallory, workload({}, {}), teams)
		with cluster.labels as new_pods({})
}

test_what_lacked_it_before_is_not_refused if {
	messages == set() with input as update("Deployment", mallory, workload({}, {}), workload({}, {}), teams)
		with cluster.labels as pods({"app": "a"}, {"app": "b"})
	messages == said("Deployment shop/web has no label team in the pod template", "add the label team in the pod template") with input as update("Deployment", mallory, workload({}, {}), workload({}, {}), teams)
		with cluster.labels as pods({"team": "a"}, {})
}

test_a_pod_that_a_controller_makes if {
	messages == set() with input as create("Pod", controller, workload({}, {}), teams) with cluster.labels as new_pods({})
	rollouts := object.union(teams, {"controllers": {"serviceAccounts": ["argo-rollouts/argo-rollouts"]}})
	messages == set() with input as create("Pod", {"username": "system:serviceaccount:argo-rollouts:argo-rollouts"}, workload({}, {}), rollouts)
		with cluster.labels as new_pods({})
}

# By whom it was made is not known to an audit: there what has a controller is its affair.
test_an_audit_reports_the_workload if {
	made := {"metadata": {"ownerReferences": [{"kind": "ReplicaSet", "name": "web", "controller": true}]}}
	audit := object.union(create("Pod", {}, made, teams), {"origin": "audit"})
	messages == set() with input as audit with cluster.labels as new_pods({})
	bare := object.union(create("Pod", {}, {"metadata": {}}, teams), {"origin": "audit"})
	count(messages) == 1 with input as bare with cluster.labels as new_pods({})
	forged := create("Pod", mallory, made, teams)
	count(messages) == 1 with input as forged with cluster.labels as new_pods({})
}

test_other_kinds_and_namespaces if {
	messages == set() with input as create("StatefulSet", mallory, workload({}, {}), teams) with cluster.labels as new_pods({})
	elsewhere := {"required": [{"keys": ["team"], "namespaces": ["crm"]}]}
	messages == set() with input as create("Pod", mallory, workload({}, {}), elsewhere) with cluster.labels as new_pods({})
	full := {"required": [{"keys": ["team"], "kinds": ["Pod."]}]}
	count(messages) == 1 with input as create("Pod", mallory, workload({}, {}), full) with cluster.labels as new_pods({})
}

test_on_the_object_itself if {
	own := {"required": [{"keys": ["team"], "on": ["object"]}]}
	messages == said("Deployment shop/web has no label team in the object's own labels", "add the label team in the object's own labels") with input as create("Deployment", mallory, workload({}, {}), own)
		with cluster.labels as new_pods({"team": "a"})
	messages == set() with input as create("Deployment", mallory, workload({"team": "a"}, {}), own)
		with cluster.labels as new_pods({})
}

tiers := {"allowed": [{"key": "tier", "values": ["web", "db"]}, {"key": "example.com/*", "pattern": "[a-z]+"}]}

test_values if {
	messages == said("Pod shop/web has tier=wbe, and tier has to be one of web, db", "give tier such a value") with input as create("Pod", mallory, workload({}, {}), tiers)
		with cluster.labels as new_pods({"tier": "wbe"})
	messages == said("Pod shop/web has example.com/a=a1, and example.com/a has to match [a-z]+", "give example.com/a such a value") with input as create("Pod", mallory, workload({}, {}), tiers)
		with cluster.labels as new_pods({"tier": "db", "example.com/a": "a1", "example.com/b": "b", "example.comx": "1"})
	messages == set() with input as update("Pod", mallory, workload({}, {}), workload({}, {}), tiers)
		with cluster.labels as pods({"tier": "wbe"}, {"tier": "wbe", "x": "y"})
}

fixed := {"immutable": [{"keys": ["tier", "example.com/*"]}, {"keys": ["team"], "mayBeAdded": true}]}

test_what_may_not_change if {
	messages == said("Pod shop/web may not change tier after its creation: there is tier=web, and would be tier=db", "keep tier=web, or make another Pod and delete this one") with input as update("Pod", mallory, workload({}, {}), workload({}, {}), fixed)
		with cluster.labels as pods({"tier": "web"}, {"tier": "db", "team": "a"})
	messages == said("Pod shop/web may not change example.com/a after its creation: there is no example.com/a, and would be example.com/a=1", "keep no example.com/a, or make another Pod and delete this one") with input as update("Pod", mallory, workload({}, {}), workload({}, {}), fixed)
		with cluster.labels as pods({}, {"example.com/a": "1"})
	messages == said("Pod shop/web may not change team after its creation: there is team=a, and would be no team", "keep team=a, or make another Pod and delete this one") with input as update("Pod", mallory, workload({}, {}), workload({}, {}), fixed)
		with cluster.labels as pods({"team": "a"}, {})
	messages == set() with input as create("Pod", mallory, workload({}, {}), fixed) with cluster.labels as new_pods({"tier": "db"})
}

test_a_deletion if {
	gone := request("DELETE", "Pod", mallory, null, workload({}, {}), object.union_n([teams, fixed, open]))
	messages == set() with input as gone with cluster.labels as {"of": "pods", "before": {"tier": "web", "team": "a"}}
}

same := {"equal": [{"keys": ["tier"]}]}

test_equal_in_selector_and_template if {
	messages == said("Deployment shop/web does not have one value for tier: no tier in the selector, tier=db in the pod template", "give tier the same value there") with input as create("Deployment", mallory, workload({}, {"matchLabels": {"app": "web"}}), same)
		with cluster.labels as new_pods({"tier": "db"})
	messages == set() with input as create("Deployment", mallory, workload({}, {"matchLabels": {"app": "web", "tier": "db"}}), same)
		with cluster.labels as new_pods({"tier": "db"})
	messages == set() with input as create("Deployment", mallory, workload({}, {"matchExpressions": [{"key": "tier", "operator": "In", "values": ["db"]}]}), same)
		with cluster.labels as new_pods({"tier": "db"})
	messages == set() with input as create("ReplicationController", mallory, workload({}, {"tier": "db"}), same)
		with cluster.labels as new_pods({"tier": "db"})
}

test_unequal_before if {
	old := workload({}, {"matchLabels": {"app": "web"}})
	messages == set() with input as update("Deployment", mallory, old, old, same)
		with cluster.labels as pods({"tier": "web"}, {"tier": "db"})
	count(messages) == 1 with input as update("Deployment", mallory, old, old, same)
		with cluster.labels as pods({}, {"tier": "db"})
}

# A CronJob has no selector, and that of a Job is the API server's.
test_equal_where_there_is_one_place if {
	every kind in ["Job", "CronJob", "Pod"] {
		messages == set() with input as create(kind, mallory, {"metadata": {}, "spec": {}}, same) with cluster.labels as new_pods({"tier": "db"})
	}
	brought := {"metadata": {}, "spec": {"manualSelector": true, "selector": {"matchLabels": {"a": "b"}}}}
	count(messages) == 1 with input as create("Job", mallory, brought, same) with cluster.labels as new_pods({"tier": "db"})
}

open := {"settable": [{"lookedAt": true, "except": ["app"], "by": {"groups": ["netops"], "users": ["alice"], "serviceAccounts": ["argocd/argocd-application-controller"]}}]}

looked_at(q) := [{"key": key, "values": ["db"], "by": ["NetworkPolicy shop/db"]} | some key in q.keys; key in ["tier", "app"]] if {
	q.of == "pods"
	q.namespace == "shop"
} else := [{"key": key, "any": true, "values": [], "by": ["guardrail x", "guardrail y"], "more": 3} | some key in q.keys; q.of == "namespaces"]

test_labels_that_open_paths if {
	messages == {concat("\n  ", [
		"Pod shop/web: tier=db may be set by group netops or service account argocd/argocd-application-controller or user alice only, and not by user mallory",
		"looked at by: NetworkPolicy shop/db",
		"to fix: leave tier out, or have it set by one who may",
	])} with input as create("Pod", mallory, workload({}, {}), open)
		with cluster.labels as new_pods({"tier": "db", "app": "web", "version": "2"})
		with netpol.label_keys as looked_at
}

test_changes_and_removals if {
	some m in messages with input as update("Pod", mallory, workload({}, {}), workload({}, {}), open)
		with cluster.labels as pods({"tier": "web"}, {})
		with netpol.label_keys as looked_at
	startswith(m, "Pod shop/web: no tier may be set by group netops")
	endswith(m, "to fix: keep tier=web, or have it changed by one who may")
	messages == set() with input as update("Pod", mallory, workload({}, {}), workload({}, {}), open)
		with cluster.labels as pods({"tier": "web"}, {"tier": "web"})
		with netpol.label_keys as looked_at
}

test_those_who_may if {
	every user in [
		{"username": "alice"}, {"username": "bob", "groups": ["devs", "netops"]},
		{"username": "system:serviceaccount:argocd:argocd-application-controller"}, controller,
	] {
		messages == set() with input as create("Pod", user, workload({}, {}), open)
			with cluster.labels as new_pods({"tier": "db"})
			with netpol.label_keys as looked_at
	}
}

# What several entries are about, one of them has to grant.
test_entries_add_up if {
	both := {"settable": array.concat(open.settable, [{"keys": ["tier"], "namespaces": ["shop"], "by": {"groups": ["devs"]}}])}
	messages == set() with input as create("Pod", mallory, workload({}, {}), both)
		with cluster.labels as new_pods({"tier": "db"})
		with netpol.label_keys as looked_at
	listed := {"settable": [{"keys": ["color"], "by": {"users": ["alice"]}}]}
	messages == said("Pod shop/web: color=red may be set by user alice only, and not by a user of whom nothing is known", "leave color out, or have it set by one who may") with input as create("Pod", {}, workload({}, {}), listed)
		with cluster.labels as new_pods({"color": "red"})
		with netpol.label_keys as looked_at
}

named := {"settable": [{"lookedAt": true, "values": "named", "by": {"users": ["alice"]}}]}

test_values_that_something_names if {
	messages == set() with input as create("Pod", mallory, workload({}, {}), named)
		with cluster.labels as new_pods({"app": "web"})
		with netpol.label_keys as looked_at
	count(messages) == 1 with input as create("Pod", mallory, workload({}, {}), named)
		with cluster.labels as new_pods({"app": "db"})
		with netpol.label_keys as looked_at
	count(messages) == 1 with input as update("Pod", mallory, workload({}, {}), workload({}, {}), named)
		with cluster.labels as pods({"app": "db"}, {"app": "web"})
		with netpol.label_keys as looked_at
}

test_namespaces if {
	namespace := object.union(create("Namespace", mallory, {"metadata": {}}, named), {"request": {"namespace": "web"}})
	some m in messages with input as namespace
		with cluster.labels as {"of": "namespaces", "after": {"kubernetes.io/metadata.name": "web", "trust": "high"}}
		with netpol.label_keys as looked_at
	m == concat("\n  ", [
		"Namespace web: trust=high may be set by user alice only, and not by user mallory",
		"looked at by: guardrail x, guardrail y and 3 more",
		"to fix: leave trust out, or have it set by one who may",
	])
}

# The API server gives these to whatever Job there is.
test_labels_of_the_api_server if {
	all := {"settable": [{"keys": ["batch.kubernetes.io/*", "job-name"], "by": {"users": ["alice"]}}]}
	given := new_pods({"batch.kubernetes.io/job-name": "web", "job-name": "web"})
	messages == set() with input as create("Job", mallory, {"metadata": {}, "spec": {}}, all) with cluster.labels as given with netpol.label_keys as []
	brought := {"metadata": {}, "spec": {"manualSelector": true}}
	count(messages) == 2 with input as create("Job", mallory, brought, all) with cluster.labels as given with netpol.label_keys as []
}

test_a_binding if {
	bound := create("Binding", mallory, {"metadata": {"labels": {"tier": "db"}}}, open)
	some m in messages with input as bound with cluster.labels as pods({"app": "web"}, {"app": "web", "tier": "db"}) with netpol.label_keys as looked_at
	startswith(m, "Pod shop/web: tier=db may be set by")
	scheduled := object.union(bound, {"request": {"userInfo": {"username": "system:kube-scheduler"}}})
	messages == set() with input as scheduled with cluster.labels as pods({"app": "web"}, {"app": "web", "tier": "db"}) with netpol.label_keys as looked_at
}

test_only_admission_knows_who_asks if {
	checked := object.union(create("Pod", {}, workload({}, {}), open), {"origin": "cli"})
	messages == set() with input as checked with cluster.labels as new_pods({"tier": "db"}) with netpol.label_keys as looked_at
}
