// Package cluster is the model that guardrails are judged against: an immutable
// [Snapshot] of the namespaces, workloads, pods and NetworkPolicies of one
// Kubernetes cluster, and [Change], the step from one snapshot to the next.
//
// What it answers: which workloads exist and by which labels they are known, and
// what a NetworkPolicy says once the API server's defaults are applied. It does
// not answer who can talk to whom: that is package connectivity.
//
// Invariants:
//   - A Snapshot and everything reached from it never changes. Apply returns a
//     new one that shares what the change did not touch.
//   - netpol.go is the only place that reads a NetworkPolicySpec. What cannot be
//     parsed there is an error and stays in the model as "unknown", never as
//     "matches nothing".
//   - No I/O, no logging, no client-go, no controller-runtime, no OPA, no
//     Prometheus (imports_test.go holds this).
package cluster
