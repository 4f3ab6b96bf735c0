// Package doctor tells what around the guardrails keeps them from being worth something: a
// webhook that nobody asks, a network that ignores NetworkPolicies, NetworkPolicies that do nothing.
//
// It answers, for each of a few questions: is it well, what speaks for that, and how is it mended?
//
//	checkup := doctor.Examine(doctor.Facts{Snapshot: s, DaemonSets: list, ...})
//
// docs/adr/0039-doctor.md says why it is done so.
//
// Invariants:
//   - It is pure: facts come from whoever has read them (package reading, the audit, files).
//   - What could not be seen is "not known", and never "ok": every reading that failed is in
//     Facts.Unseen.
//   - No and not known are two answers. What a network plugin does is in one table, each row with
//     the place where its makers say so (networks.go).
//   - It imports cluster, connectivity and drift, and no client-go (imports_test.go holds this).
package doctor
