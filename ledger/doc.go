// Package ledger keeps the changes that were allowed and may not have happened yet,
// in one object that all replicas share. It answers two questions: which of them have
// to be taken into account by whoever judges another change (Book.View, Worlds), and
// whether a change may be allowed now (Book.Commit: only after a write that holds it).
//
// The promise: of the changes that are in the ledger, no subset, persisted in any
// order, opens a path that was shut, provided that each was judged in every world that
// Worlds names. docs/adr/0021-ledger.md has the argument, and the tests of this package
// a simulator that looks for holes in it.
//
// How it is built: core is a state machine without goroutines, clocks or I/O; Book is
// the thin shell that does for it what it asks for. The simulator drives the same core.
//
// Invariants (imports_test.go): the standard library, cluster and types of apimachinery
// only. No client-go, no guardrail, no log, no clock but Options.Now.
package ledger
