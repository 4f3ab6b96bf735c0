// Package reading reads from an API server what a checkup needs beside the model: who enforces
// NetworkPolicies, and how the webhook is registered.
//
//	facts.Unseen = append(facts.Unseen, reading.Network(ctx, client, &facts)...)
//
// Invariants:
//   - It reads, and changes nothing. The dry run of Ask stores nothing.
//   - What it may not read is in Facts.Unseen, with the reason, and no error.
//   - It imports doctor only, and links no informers (imports_test.go holds this).
package reading
