// Package guardrail evaluates guardrails: an organisation's rules about network
// paths, written in Rego, with a title, a severity and parameters.
//
// The same [Engine] answers behind every door. The webhook asks it about one
// change; audit and the command line ask it about every object of a snapshot, as
// if each had just been created in an empty cluster.
//
// How it works: [LoadLibrary] parses and compiles the Rego once, inside a
// sandbox without host access. [ParseConfig] says which guardrails apply to
// what, with which parameters. [Engine.Evaluate] matches kind and namespace in
// Go, then runs the prepared query of each guardrail that is left. The model
// never enters Rego: guardrails ask builtins such as netpol.opened, and those
// ask package connectivity.
//
// Invariants:
//   - Only this package imports OPA (held by imports_test.go in each other package).
//   - A guardrail that fails is an error with its name, never "no violation".
//   - No clock, no I/O and no logging during an evaluation: the same review gives
//     the same decision.
package guardrail
