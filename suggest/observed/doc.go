// Package observed reads connections that were seen: Hubble's flows, Calico's flow logs and
// those of Goldmane, and CSV. What was read is counted, kept or not: a flow that is lost would
// be a connection that is cut.
//
// It reads text and knows the model, to name workloads; it knows no guardrail (imports_test.go
// holds this).
package observed
