# METADATA
# title: Canary
# description: What the test of the Helm release submits, as a dry run, must be refused. Nothing else is.
# custom:
#   severity: low
#   kinds: [NetworkPolicy]
package guardrails.podcullis_canary

violation contains {"msg": "the canary of podcullis is refused, as it has to be"} if {
	input.request.dryRun
	input.request.operation == "CREATE"
	input.request.name == "podcullis-canary"
}
