# METADATA
# title: Possible pods in words
# description: How guardrails name pods that could be created, and what opens a path for them.
package lib.possible

# pod names a pod that could be created, by the labels with which it gets through.
pod(p) := $"some pod in namespace {p.namespace}" if {
	not p.labels
} else := $"a pod in namespace {p.namespace} without labels{ports(p)}" if {
	count(p.labels) == 0
} else := $"a pod in namespace {p.namespace} with labels {concat(",", sort([$"{k}={v}" | some k, v in p.labels]))}{ports(p)}"

ports(p) := "" if {
	count(p.namedPorts) == 0
} else := $" and a port named {concat(" and ", [n.name | some n in p.namedPorts])}"

# key says what of the labels opens the path beyond what the guardrail asks for:
# "; the label app=backend opens it". It is empty when no label is.
key(connection) := "" if {
	count(keys(connection)) == 0
} else := $"; {keys(connection)[0]} opens it" if {
	count(keys(connection)) == 1
} else := $"; {concat(" and ", keys(connection))} open it"

keys(connection) := array.concat(
	[words(e) | some e in connection.from.key],
	[$"{words(e)} on the other side" | some e in connection.to.key],
)

words(e) := $"the label {e.key}={e.values[0]}" if {
	e.operator == "In"
	count(e.values) == 1
} else := $"a label {e.key} of {concat(", ", e.values)}" if {
	e.operator == "In"
} else := $"a label {e.key}" if {
	e.operator == "Exists"
} else := $"having no label {e.key}" if {
	e.operator == "DoesNotExist"
} else := $"having no label {e.key}={concat(", ", e.values)}"

# chosen names the pods that one side of the guardrail's question is about, and
# how a rule leaves them out where one label decides.
chosen(side) := $"the pods with {label}={value} (podSelector: \{matchExpressions: [\{key: {label}, operator: NotIn, values: [{value}]}]})" if {
	selector := input.parameters[side].podSelector
	count(selector.matchLabels) == 1
	count(object.get(selector, "matchExpressions", [])) == 0
	some label, value in selector.matchLabels
} else := $"the pods that the guardrail's {side} chooses"
