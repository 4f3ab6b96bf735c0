// Package remote reads a running cluster once, without watching it: what the
// command line compares files with.
//
// What it answers: which objects of the model an API server holds now, each as
// manifest.Load would give it.
//
// Invariants:
//   - It lists, and changes nothing.
//   - A kind that may not be listed is an error: what is missing could open or
//     block any path. A stored object that does not parse stays, as unknown.
//   - No controller-runtime and no informers (imports_test.go holds this); the
//     webhook follows a cluster with package live.
package remote
