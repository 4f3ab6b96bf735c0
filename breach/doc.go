// Package breach sees what got in: violations of guardrails that are in the cluster
// because nobody was asked, or nobody listened (the webhook was away and failurePolicy is
// Ignore, a namespace is excluded, two changes raced).
//
// What it answers: which guardrail is broken now that was not broken a moment ago, by
// which change, and together with which other one?
//
//	watcher := breach.New(breach.Options{Model: model, InForce: engine.InForce, ...})
//	go watcher.Watch(ctx)
//
// Each snapshot of the model is compared with the one that was judged last, on the engine
// and by the delta rule of admission (docs/semantics.md): what was open before is nobody's
// breach. docs/adr/0028-breach.md says why it is done so.
//
// Invariants:
//   - It is on nobody's way: few goroutines, and what takes long or is only counted gives way
//     to admission.
//   - What takes long to compare holds up nothing that does not (docs/adr/0043-pieces.md).
//   - The first snapshot is what everything is compared with, and a reload of guardrails is
//     no change of the cluster: neither is reported.
//   - What is reported is bounded, in memory and in rate, and what is left out is counted.
//   - What was let in knowingly (action warn or audit, an exemption, mode audit) is counted
//     apart and is never a breach.
//   - It imports guardrail and cluster only, and no client-go (imports_test.go holds this).
package breach
