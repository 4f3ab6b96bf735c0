// Package gatekeeper reads what people have written for Gatekeeper: ConstraintTemplates,
// Constraints, and Suites that test them. It says which objects a Constraint is about, and
// with which action; the Rego in a template is for package guardrail, which compiles it.
//
// Everything is read strictly: what Gatekeeper's own CRDs would refuse, or ignore without a
// word, is an error with file, line and field. It imports no OPA and does no I/O.
package gatekeeper
