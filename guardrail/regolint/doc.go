// Package regolint finds in guardrails what compiles and does not do what its author means: a
// rule that reports nothing, a parameter that nobody reads, a message that names no object. It
// is for authors, on the command line: the server does not link it, and loads what it finds
// fault with.
//
// It does no I/O: files are the caller's.
package regolint
