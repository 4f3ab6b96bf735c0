// Package rounds audits a running cluster again and again: at the start, whenever something
// changes that a connection can depend on, and at a slow interval.
//
// It answers: what is wrong now, and what of that was not there a moment ago? Package breach
// sees what a change breaks, at once and by admission's delta rule; this sees what is there,
// however it came.
//
//	r := rounds.New(rounds.Options{Model: model, InForce: engine.InForce, ...})
//	go r.Watch(ctx)
//
// docs/adr/0035-rounds.md says why it is done so.
//
// Invariants:
//   - It is on nobody's way: one goroutine, one round at a time, and an evaluation takes
//     turns with those of admission. Between two rounds it rests for longer than a round takes.
//   - What it holds is bounded, whatever the cluster does: counts, what reports may list, and
//     fingerprints.
//   - A round that could not judge everything says so, and takes nothing back: no report is
//     written that would claim that something is mended.
//   - It imports guardrail, cluster and policyreport only, and no client-go
//     (imports_test.go holds this).
package rounds
