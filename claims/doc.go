// Package claims asks an API server who may act for an owner that the model of the
// cluster does not hold: a custom resource, whose operator makes pods.
//
// What it answers: whether a user could be the controller of an owner. Such a one may
// update its status or its finalizers, by which the API server itself tells
// (OwnerReferencesPermissionEnforcement); one SubjectAccessReview for each.
//
// Invariants:
//   - No answer is a yes but the API server's own.
//   - Answers are kept for a minute, and only so many; the same question is asked once
//     at a time, whoever waits for it.
//   - Nobody waits longer than a second.
//   - It imports cluster, and nothing that judges (imports_test.go holds this).
package claims
