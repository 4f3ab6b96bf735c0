// Package selfguard refuses changes that would cut Podcullis off: from the API server
// that asks it, or from being asked. They are changes in its own namespace, which is
// left out of what the guardrails judge, so that Podcullis never stands in its own way.
//
// What it answers: can the API server still reach the pods of the release, and they it,
// after this change as they can before it?
//
//	guard, err := selfguard.New(selfguard.Options{File: "self.yaml", Model: model, Rights: rights})
//	server.Register("/self", review.NewHandler(guard, options))
//
// Invariants:
//   - It never locks out recovery. Its webhook is registered with failurePolicy Ignore; who
//     may change the webhook configuration may say that a cut is meant; and that
//     configuration itself is not asked about.
//   - It judges the difference: what is cut off already stays open to every change.
//   - Who reaches whom is connectivity's answer, pod by pod; unknown counts as reached.
//   - It imports no OPA, and nothing of webhook and guardrail.
package selfguard
