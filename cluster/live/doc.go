// Package live keeps a model of a running cluster: client-go's reflectors, one a
// kind, feed one goroutine, which makes each next snapshot. The snapshot is all
// that is kept of the objects; docs/adr/0015-reflectors.md says why.
//
// What it answers: what the cluster looks like now, as a [cluster.Snapshot], as
// far as its watches have told.
//
//	source, err := live.NewSource(config)
//	model := live.New(source, live.Options{Log: log})
//	// start model; until model.Synced() nothing may be judged
//	snapshot := model.Snapshot()
//
// Invariants:
//   - A reader never waits for the writer: a snapshot is one atomic load.
//   - Before Synced the snapshot is empty; from then on it is complete. A part of
//     the initial lists is never shown.
//   - With a Probe it knows for how long the snapshot may be out of date, be the
//     watches cut off, silent or quiet ([Model.Age]).
//   - Events that gather while a snapshot is made are applied together, in the
//     order of their watch for each object, and a batch that changes nothing of
//     the model makes no snapshot.
//   - One object that cannot be read harms no other: it stays as
//     "unknown" where the model can hold that, and is logged once.
//   - However many outages there were, the next try comes within two seconds.
//   - It imports cluster, client-go and controller-runtime, but nothing that judges: no
//     connectivity, guardrail, webhook or OPA (imports_test.go holds this).
package live
