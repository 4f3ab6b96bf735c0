# METADATA
# title: NetworkPolicies name what they are for
# description: |
#   Each NetworkPolicy says in annotations whose it is and why it is there, so that
#   somebody can be asked, and that it goes when the reason does.
#
#   A change is refused that leaves one out, empties it, or gives it a value that does not
#   match. A NetworkPolicy that lacked it before may be edited. What operators make is left
#   out with match or an exemption.
# custom:
#   severity: low
#   kinds: [NetworkPolicy]
#   parameters:
#     type: object
#     additionalProperties: false
#     properties:
#       annotations:
#         description: The annotations that have to be there, and a pattern (RE2) that a whole value has to match.
#         type: array
#         minItems: 1
#         items:
#           type: object
#           additionalProperties: false
#           required: [key]
#           properties:
#             key: {type: string, pattern: '^([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$'}
#             pattern: {type: string, minLength: 1, format: regex}
#         default: [{key: podcullis.io/owner}, {key: podcullis.io/reason}]
package guardrails.netpol_purpose

violation contains {"msg": msg, "details": {"annotation": entry.key}} if {
	input.request.operation != "DELETE"
	some entry in input.parameters.annotations
	problem := problem_of(entry, input.request.object)
	not known(entry)
	msg := concat("\n  ", [
		$"NetworkPolicy {input.request.namespace}/{input.request.name} {problem}",
		$"to fix: annotate it with {entry.key}{wanted(entry)}",
	])
}

problem_of(entry, o) := $"does not say what it is for: it has no annotation {entry.key}" if {
	trim_space(value(entry, o)) == ""
} else := $"has {entry.key}: {json.marshal(value(entry, o))}, which does not match {entry.pattern}" if {
	entry.pattern
	not regex.match($"^(?:{entry.pattern})$", value(entry, o))
}

value(entry, o) := object.get(object.get(o.metadata, "annotations", {}), entry.key, "")

known(entry) if {
	input.request.operation == "UPDATE"
	problem_of(entry, input.request.oldObject)
}

wanted(entry) := $", a value that matches {entry.pattern}" if {
	entry.pattern
} else := ""
