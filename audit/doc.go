// Package audit judges everything that a snapshot holds by every guardrail.
//
// Each object is presented as if it had just been created in an empty cluster,
// so everything that is open counts; what several objects show is reported
// once, with the object that package guardrail takes for its home.
//
// Invariants (imports_test.go holds the first):
//   - It imports guardrail and cluster only, and no client-go, controller-runtime
//     or renderer.
//   - A guardrail that cannot be evaluated is an error, whatever its action.
//   - To evaluate nothing is an error: see [ErrNothing].
package audit
