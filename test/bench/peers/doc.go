// Command peers asks others what Podcullis is asked, in the same run and about the
// same town: Gatekeeper's constraint client, OPA's server, and cyclonus' matcher.
//
//	make bench-peers
//	go run -C test/bench/peers . -scale 1 -o json
//
// It is a module of its own, so that what they depend on is nothing of Podcullis.
//
// The question to the admission engines is that of forbidden-paths: does this
// change of a NetworkPolicy let a frontend reach a database that it could not reach
// before? reach.rego answers it in plain Rego over the replicated cluster, as well
// as it can be done there: it is tuned to look only at pods that the changed netpol
// selects. What an answer leaves out stands beside it.
package main
