// Package regotest runs the tests of guardrails (*_test.rego) and finds out why a rule
// reported nothing. It is for authors, on the command line: the server does not link it.
//
// Tests are run by OPA's own tester, inside the sandbox of guardrails. They may replace our
// builtins (`with netpol.opened as [...]`), or ask podcullis.review, which exists in tests
// alone: it has the engine judge a change to a cluster, both named by the test.
//
// It does no I/O: files are the caller's.
package regotest
