// Package sandbox is what a guardrail's Rego may call, and how much a call may take: the
// capabilities that its modules are compiled with, a bound on the operands of each of OPA's
// functions that needs one, and the size of terms.
//
// Of ours it imports nothing, and of others OPA alone (imports_test.go holds this).
package sandbox
