// Package report writes findings, connections, differences and explanations: as text for
// people, and as JSON for machines (apiVersion podcullis.io/v1alpha1).
//
// The functions write to the writer they are given and know no terminal, flag or
// file: whether to colour is in [Style].
//
// Invariants (imports_test.go holds the first):
//   - It imports guardrail, connectivity, cluster and policyreport; none of them imports it.
//   - The same answer gives the same bytes.
package report
