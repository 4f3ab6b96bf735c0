# METADATA
# title: Consistent labels
# description: |
#   Labels are used consistently: keys that have to be there, values that they may
#   have, keys that stay as they are, keys that have one value in the selector and
#   in the pod template of a workload, and keys that only named users may set.
#
#   Whom a NetworkPolicy lets through hangs on labels. With lookedAt those that
#   some NetworkPolicy, guardrail or exemption looks at are set by the named
#   ones only, so that nobody takes the place of another by a label.
#
#   A change is refused for what it does: what was so before is audit's. Of a
#   workload the labels of its pod template count, and who writes that is judged;
#   the controllers that make pods of it are not asked again.
# custom:
#   severity: high
#   kinds: [Namespace, Pod, Deployment, StatefulSet, DaemonSet, ReplicaSet, ReplicationController, Job, CronJob]
#   example:
#     required: [{keys: [app.kubernetes.io/name], kinds: [Deployment, StatefulSet, DaemonSet]}]
#     immutable: [{keys: [app.kubernetes.io/name], kinds: [Deployment, StatefulSet, DaemonSet]}]
#   parameters:
#     type: object
#     additionalProperties: false
#     minProperties: 1
#     $defs:
#       key: {type: string, pattern: '^([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$'}
#       keyOrPrefix: {type: string, pattern: '^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?/\*$|^([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$'}
#       keys: {type: array, minItems: 1, uniqueItems: true, items: {$ref: "#/$defs/key"}}
#       keysOrPrefixes: {type: array, minItems: 1, uniqueItems: true, items: {$ref: "#/$defs/keyOrPrefix"}}
#       names: {type: array, minItems: 1, uniqueItems: true, items: {type: string, minLength: 1}}
#       places: {type: array, minItems: 1, uniqueItems: true, items: {enum: [template, object]}}
#       who:
#         type: object
#         additionalProperties: false
#         minProperties: 1
#         properties:
#           users: {$ref: "#/$defs/names"}
#           groups: {$ref: "#/$defs/names"}
#           serviceAccounts: {type: array, minItems: 1, uniqueItems: true, items: {type: string, pattern: '^[a-z0-9]([-a-z0-9]*[a-z0-9])?/[a-z0-9]([-a-z0-9.]*[a-z0-9])?$'}}
#     properties:
#       required:
#         description: Keys that have to be there.
#         type: array
#         minItems: 1
#         items:
#           type: object
#           additionalProperties: false
#           required: [keys]
#           properties: {keys: {$ref: "#/$defs/keys"}, on: {$ref: "#/$defs/places"}, kinds: {$ref: "#/$defs/names"}, namespaces: {$ref: "#/$defs/names"}}
#       allowed:
#         description: Values that a key may have, or a pattern (RE2) that a whole value has to match.
#         type: array
#         minItems: 1
#         items:
#           type: object
#           additionalProperties: false
#           required: [key]
#           oneOf: [{required: [values]}, {required: [pattern]}]
#           properties:
#             key: {$ref: "#/$defs/keyOrPrefix"}
#             values: {type: array, minItems: 1, uniqueItems: true, items: {type: string}}
#             pattern: {type: string, minLength: 1, format: regex}
#             on: {$ref: "#/$defs/places"}
#             kinds: {$ref: "#/$defs/names"}
#             namespaces: {$ref: "#/$defs/names"}
#       immutable:
#         description: Keys that stay as they were at creation. With mayBeAdded one that was not there may be added.
#         type: array
#         minItems: 1
#         items:
#           type: object
#           additionalProperties: false
#           required: [keys]
#           properties: {keys: {$ref: "#/$defs/keysOrPrefixes"}, mayBeAdded: {type: boolean}, on: {$ref: "#/$defs/places"}, kinds: {$ref: "#/$defs/names"}, namespaces: {$ref: "#/$defs/names"}}
#       equal:
#         description: Keys that have the same value in a workload's selector and its pod template, or wherever on says.
#         type: array
#         minItems: 1
#         items:
#           type: object
#           additionalProperties: false
#           required: [keys]
#           properties:
#             keys: {$ref: "#/$defs/keys"}
#             on: {type: array, minItems: 2, uniqueItems: true, items: {enum: [template, selector, object]}}
#             kinds: {$ref: "#/$defs/names"}
#             namespaces: {$ref: "#/$defs/names"}
#       settable:
#         description: Keys that only the named ones may set, change or remove. One whom several entries are about needs to be named in one.
#         type: array
#         minItems: 1
#         items:
#           type: object
#           additionalProperties: false
#           required: [by]
#           oneOf: [{required: [keys]}, {required: [lookedAt], properties: {lookedAt: {const: true}}}]
#           dependentRequired: {except: [lookedAt], values: [lookedAt]}
#           properties:
#             keys: {$ref: "#/$defs/keysOrPrefixes"}
#             lookedAt: {type: boolean}
#             except: {$ref: "#/$defs/keysOrPrefixes"}
#             values: {enum: [all, named]}
#             by: {$ref: "#/$defs/who"}
#             kinds: {$ref: "#/$defs/names"}
#             namespaces: {$ref: "#/$defs/names"}
#       controllers:
#         description: Who makes pods and workloads out of templates that were judged, beside the controllers of Kubernetes itself. Nobody who brings templates belongs here.
#         $ref: "#/$defs/who"
package guardrails.consistent_labels

# What is there now, and was so before, is not the change's doing.
violation contains {"msg": text(p), "details": p} if {
	not copied
	some p in problems(now)
	not known(p)
}

known(p) if p in problems(was)

known(p) if {
	some q in unequal(was)
	q.label == p.label
	p.rule == "equal"
}

violation contains {"msg": text(p), "details": p} if {
	not copied
	some p in altered
}

violation contains {"msg": text(p), "details": p} if {
	not copied
	some p in taken
}

kind := "Pod" if {
	input.request.kind.kind == "Binding"
} else := input.request.kind.kind

# now and was are the labels in the places that an object has: those by which selectors
# choose it or its pods (template), its own (object), and those that its selector asks for.
now[place] := labels_in(place, input.request.object, after) if {
	input.request.operation != "DELETE"
	some place in ["template", "object", "selector"]
}

was[place] := labels_in(place, input.request.oldObject, before) if {
	some place in ["template", "object", "selector"]
}

after := cluster.labels().after

before := cluster.labels().before

labels_in("template", _, seen) := seen

labels_in("object", o, _) := object.get(o.metadata, "labels", {}) if {
	not kind in {"Pod", "Namespace"}
}

labels_in("selector", o, _) := o.spec.selector if {
	kind == "ReplicationController"
} else := object.union(object.get(o.spec.selector, "matchLabels", {}), single(o)) if {
	not generated_selector(o)
	is_object(o.spec.selector)
}

# single are the labels of which matchExpressions leave one value.
single(o) := {x.key: x.values[0] |
	some x in o.spec.selector.matchExpressions
	x.operator == "In"
	count(x.values) == 1
}

# generated_selector tells that the API server makes it, of labels that it gives.
generated_selector(o) if {
	kind == "Job"
	not o.spec.manualSelector
}

problems(state) := (missing(state) | unwanted(state)) | unequal(state)

missing(state) := {{"rule": "required", "label": key, "place": place} |
	some entry in input.parameters.required
	applies(entry)
	some place, labels in state
	place in places(entry)
	some key in entry.keys
	not has(labels, key)
}

unwanted(state) := {object.union({"rule": "allowed", "label": key, "place": place, "value": value}, object.filter(entry, {"values", "pattern"})) |
	some entry in input.parameters.allowed
	applies(entry)
	some place, labels in state
	place in places(entry)
	some key, value in labels
	names(entry.key, key)
	not fits(entry, value)
}

fits(entry, value) if value in entry.values

fits(entry, value) if regex.match($"^(?:{entry.pattern})$", value)

unequal(state) := {{"rule": "equal", "label": key, "values": values} |
	some entry in input.parameters.equal
	applies(entry)
	some key in entry.keys
	values := {place: object.get(labels, key, null) |
		some place, labels in state
		place in object.get(entry, "on", ["template", "selector"])
	}
	count({v | some v in values}) > 1
}

altered contains {"rule": "immutable", "label": key, "place": place, "was": object.get(was[place], key, null), "value": object.get(labels, key, null)} if {
	some entry in input.parameters.immutable
	applies(entry)
	some place, labels in now
	place in places(entry)
	some key in changed(was[place], labels)
	covered(entry.keys, key)
	not added(entry, was[place], key)
}

added(entry, labels, key) if {
	entry.mayBeAdded
	not has(labels, key)
}

# taken are the labels that somebody sets who may not. Only at admission is there somebody.
taken contains {"rule": "settable", "label": key, "was": object.get(previous, key, null), "value": object.get(after, key, null), "by": who(entries), "lookedAtBy": looked_at_by(key)} if {
	input.origin == "admission"
	some key in set_keys
	entries := [e | some e in input.parameters.settable; restricts(e, key)]
	count(entries) > 0
	every e in entries {
		not named(e.by)
	}
}

default previous := {}

previous := before

set_keys := changed(previous, after) - given

# given are labels that the API server gives by itself, whoever asks.
given contains "kubernetes.io/metadata.name" if kind == "Namespace"

given contains key if {
	kind == "Job"
	not input.request.object.spec.manualSelector
	some key in ["controller-uid", "job-name", "batch.kubernetes.io/controller-uid", "batch.kubernetes.io/job-name"]
}

changed(from, to) := {key |
	some key in (object.keys(from) | object.keys(to))
	object.get(from, key, null) != object.get(to, key, null)
}

restricts(entry, key) if {
	applies(entry)
	covered(entry.keys, key)
}

restricts(entry, key) if {
	applies(entry)
	entry.lookedAt
	not covered(object.get(entry, "except", []), key)
	some l in looked_at
	l.key == key
	matters(entry, l)
}

matters(entry, _) if object.get(entry, "values", "all") == "all"

matters(_, l) if l.any

matters(_, l) if object.get(after, l.key, null) in l.values

matters(_, l) if object.get(previous, l.key, null) in l.values

looked_at := netpol.label_keys({"of": "pods", "namespace": input.request.namespace, "keys": [key | some key in set_keys]}) if {
	cluster.labels().of == "pods"
	count(set_keys) > 0
} else := netpol.label_keys({"of": "namespaces", "keys": [key | some key in set_keys]}) if {
	count(set_keys) > 0
}

looked_at_by(key) := [l.by, object.get(l, "more", 0)] if {
	some l in looked_at
	l.key == key
} else := [[], 0]

named(by) if input.request.userInfo.username in by.users

named(by) if {
	some group in by.groups
	group in input.request.userInfo.groups
}

named(by) if {
	some account in by.serviceAccounts
	input.request.userInfo.username == $"system:serviceaccount:{replace(account, "/", ":")}"
}

who(entries) := {name |
	some e in entries
	some sort, word in {"users": "user", "groups": "group", "serviceAccounts": "service account"}
	some x in e.by[sort]
	name := $"{word} {x}"
}

# copied tells that it is made out of a template: whoever wrote that was judged.
copied if {
	input.origin == "admission"
	input.request.userInfo.username in controllers
}

copied if {
	input.origin == "admission"
	named(input.parameters.controllers)
}

# The scheduler's Binding brings labels of the node (PodTopologyLabels).
copied if {
	input.origin == "admission"
	input.request.kind.kind == "Binding"
	input.request.userInfo.username == "system:kube-scheduler"
}

copied if {
	input.origin != "admission"
	some owner in input.request.object.metadata.ownerReferences
	owner.controller
}

controllers := {"system:kube-controller-manager"} | {$"system:serviceaccount:kube-system:{name}-controller" |
	some name in ["cronjob", "daemon-set", "deployment", "job", "replicaset", "replication", "statefulset"]
}

applies(entry) if {
	kind_named(object.get(entry, "kinds", [kind]))
	input.request.namespace in object.get(entry, "namespaces", [input.request.namespace])
}

kind_named(kinds) if kind in kinds

kind_named(kinds) if $"{input.request.kind.kind}.{input.request.kind.group}" in kinds

# places are where an entry looks. What is no workload has its labels in one place.
places(entry) := ["template"] if {
	kind in {"Pod", "Namespace"}
} else := object.get(entry, "on", ["template"])

has(labels, key) if object.get(labels, key, null) != null

covered(list, key) if {
	some x in list
	names(x, key)
}

names(x, key) if x == key

names(x, key) if {
	endswith(x, "/*")
	startswith(key, trim_suffix(x, "*"))
}

# What is said.

text(p) := concat("\n  ", [$"{kind} {subject}{said(p)}", $"to fix: {advice(p)}"])

subject := input.request.name if {
	kind == "Namespace"
} else := $"{input.request.namespace}/{input.request.name}"

said(p) := $" has no label {p.label}{place(p)}" if {
	p.rule == "required"
} else := $" has {p.label}={p.value}{place(p)}, and {p.label} has to {wanted(p)}" if {
	p.rule == "allowed"
} else := $" does not have one value for {p.label}: {concat(", ", [$"{written(p.label, v)} in {place_names[at]}" | some at, v in p.values])}" if {
	p.rule == "equal"
} else := $" may not change {p.label}{place(p)} after its creation: there is {written(p.label, p.was)}, and would be {written(p.label, p.value)}" if {
	p.rule == "immutable"
} else := $": {written(p.label, p.value)} may be set by {concat(" or ", p.by)} only, and not by {asker}{looks(p)}"

asker := $"user {input.request.userInfo.username}" if {
	input.request.userInfo.username != ""
} else := "a user of whom nothing is known"

looks(p) := "" if {
	count(p.lookedAtBy[0]) == 0
} else := $"\n  looked at by: {concat(", ", p.lookedAtBy[0])}" if {
	p.lookedAtBy[1] == 0
} else := $"\n  looked at by: {concat(", ", p.lookedAtBy[0])} and {p.lookedAtBy[1]} more"

wanted(p) := $"be one of {concat(", ", p.values)}" if {
	p.values
} else := $"match {p.pattern}"

place_names := {"template": "the pod template", "selector": "the selector", "object": "the object's own labels"}

place(p) := "" if {
	kind in {"Pod", "Namespace"}
} else := $" in {place_names[p.place]}"

written(key, value) := $"no {key}" if {
	value == null
} else := $"{key}={value}"

advice(p) := $"add the label {p.label}{place(p)}" if {
	p.rule == "required"
} else := $"give {p.label} such a value" if {
	p.rule == "allowed"
} else := $"give {p.label} the same value there" if {
	p.rule == "equal"
} else := $"keep {written(p.label, p.was)}, or make another {kind} and delete this one" if {
	p.rule == "immutable"
} else := $"leave {p.label} out, or have it set by one who may" if {
	p.was == null
} else := $"keep {p.label}={p.was}, or have it changed by one who may"
