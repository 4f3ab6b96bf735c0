// Package suite reads suites, which are tests of guardrails in YAML (kind Suite): a
// cluster, a change to it, and what the answer has to be. It says what of an answer is not
// as it should be; to have the change judged is the caller's.
//
// It does no I/O and evaluates nothing.
package suite
