// Package connectivity answers who can talk to whom in a [cluster.Snapshot], and
// which connections a change opens.
//
// The meaning is that of networking.k8s.io/v1: a new connection from s to d, on
// one protocol and destination port, is open when s is not isolated for egress or
// an egress rule of a netpol that selects s lets d and the port through, and the
// same holds for d's ingress. Netpols only add up; there is no order and no deny.
//
// Every answer is a proof of what is configured: open, blocked, or unknown with a
// named reason (see [Uncertainty]). What is not listed is blocked. Whether the
// network plugin enforces what is configured is another question.
//
// A question is about the workloads that exist, or about every pod that could be
// created ([Possible]): that one is a search for labels, and what it finds is
// confirmed by the evaluator of the other.
//
// Invariants:
//   - Pure functions over a snapshot: no I/O, no logging, no time, no state.
//   - Every connection says why (Because).
//   - In doubt the answer is unknown, never blocked.
//   - No client-go, controller-runtime, OPA or Prometheus (imports_test.go holds this).
package connectivity
