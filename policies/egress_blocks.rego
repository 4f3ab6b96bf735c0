# METADATA
# title: Egress by address to a list only
# description: |
#   The ipBlocks of egress rules lie within a list of addresses: an address in a
#   NetworkPolicy says nothing about who is there, so each is agreed upon once. A rule
#   without peers is one for all addresses.
#
#   Judged is what NetworkPolicies say, also of one that selects nobody yet. A change is
#   refused for the blocks that it brings in; for what was there before, for the same pods
#   and ports, it is not. Who is not isolated for egress reaches every address without a
#   rule: egress-to-known-addresses is about that.
# custom:
#   severity: medium
#   controls: ["NSA/CISA Kubernetes Hardening Guide: network separation"]
#   kinds: [NetworkPolicy]
#   example:
#     cidrs: [10.20.0.0/16, 198.51.100.0/24]
#   parameters:
#     type: object
#     additionalProperties: false
#     required: [cidrs]
#     properties:
#       cidrs:
#         description: The addresses that egress rules may name. An empty list allows none.
#         type: array
#         uniqueItems: true
#         items: {type: string, format: cidr}
package guardrails.egress_blocks

violation contains {"msg": msg, "details": {"rule": i, "cidr": block.cidr}} if {
	input.request.operation != "DELETE"
	some i, rule in rules(input.request.object)
	some block in blocks(rule)
	not agreed(block)
	not known(rule, block)
	msg := concat("\n  ", [
		$"egress rule {i + 1} of NetworkPolicy {input.request.namespace}/{input.request.name} leads to {words(rule, block)}, which is not within {list}",
		$"to fix: let it name addresses of that list, or pods by their labels; or have {block.cidr} added to the guardrail's cidrs",
	])
}

# rules are those for egress. A list that is missing may be written as null, too.
rules(o) := list_of(o.spec, "egress")

list_of(o, field) := list if {
	list := o[field]
	is_array(list)
} else := []

# blocks are those of a rule; of one without peers, all there are.
blocks(rule) := [{"cidr": c, "except": []} | some c in ["0.0.0.0/0", "::/0"]] if {
	any_peer(rule)
} else := [{"cidr": peer.ipBlock.cidr, "except": list_of(peer.ipBlock, "except")} | some peer in rule.to]

any_peer(rule) if count(list_of(rule, "to")) == 0

agreed(block) if {
	some c in input.parameters.cidrs
	net.cidr_contains(c, block.cidr)
}

# known tells that the NetworkPolicy led there before, for the same pods.
known(rule, block) if {
	input.request.operation == "UPDATE"
	object.get(input.request.oldObject.spec, "podSelector", {}) == object.get(input.request.object.spec, "podSelector", {})
	some old in rules(input.request.oldObject)
	as_many_ports(old, rule)
	some was in blocks(old)
	net.cidr_contains(was.cidr, block.cidr)
	every x in was.except {
		left_out(x, block)
	}
}

as_many_ports(old, _) if count(list_of(old, "ports")) == 0

as_many_ports(old, rule) if list_of(old, "ports") == list_of(rule, "ports")

left_out(x, block) if not net.cidr_intersects(x, block.cidr)

left_out(x, block) if {
	some e in block.except
	net.cidr_contains(e, x)
}

words(rule, block) := $"all addresses ({block.cidr})" if {
	any_peer(rule)
} else := block.cidr

list := concat(", ", input.parameters.cidrs) if {
	count(input.parameters.cidrs) > 0
} else := "the guardrail's cidrs, of which there are none"
