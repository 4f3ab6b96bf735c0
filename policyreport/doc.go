// Package policyreport makes the reports that dashboards read in a cluster: of OpenReports,
// or of the policy working group's API that was before.
//
// It answers: which objects say what is wrong in each namespace, however much that is?
//
// Invariants (imports_test.go holds the first):
//   - It imports guardrail and cluster only, and does no I/O.
//   - A report lists at most MaxResults results of a bounded size, the worst first, and counts
//     the rest: it is one object in etcd.
//   - The same findings give the same bytes.
package policyreport
