// Package scenarios tells what is refused and what passes, as stories: each
// *.txtar file is a cluster, a configuration, one change, and the words of the
// answer. A story begins with "Refused" or "Allowed". The change goes through
// the webhook's judge; one that creates an object is also judged as the command
// line does, over the state after it, and the same lines must appear.
//
// Rewrite the answers with: go test ./test/scenarios -update, and read the diff.
package scenarios
