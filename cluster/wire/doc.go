// Package wire reads JSON as the API server writes it, in one pass: it takes out what
// the model needs of an object and skips the rest, whose syntax is still checked.
//
// Names are case-sensitive, as they are for the API server; a name that stands twice in
// one object, invalid UTF-8 and nesting beyond a bound are errors wherever they stand, also in what
// is skipped: parsers disagree about them, and a difference between what is judged and what is
// stored is a way around a guardrail. What is read is what sigs.k8s.io/json reads into
// the types of the API; a test holds the two together.
//
// It imports nothing of ours, does no I/O and writes no log.
package wire
