// Package scenarios tells what is refused and what passes, as stories: each
// *.txtar file is a cluster, a configuration, one change, and the words of the
// answer. A story begins with "Refused" or "Allowed". The change goes through
// the webhook's judge; one that creates an object is also judged as the command
// line does, over the state after it, and the same lines must appear.
//
// The stories of lifecycles have several steps, N-name.yaml, each of which is judged
// and then done, with the memory in between. They begin with "Passes", "Refused",
// "Refused by design" or "Has to wait", and their second line says why; the table in
// docs/semantics.md is made of them. Their cluster is lifecycles/cluster.yaml, full of
// old holes, with what cluster.yaml of the story changes. What a step can say of
// itself, and the controls that keep a story from passing because nothing is at stake,
// is at readStep.
//
// What several small changes to one cluster have in common is told by a suite (holed); the
// tests of cmd/podcullis run it.
//
// Rewrite the answers with: go test ./test/scenarios -update, and read the diff.
package scenarios
