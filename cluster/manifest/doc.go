// Package manifest reads the Kubernetes objects of YAML and JSON files, so that
// the model can be built without an API server. Every object knows the file and
// line it came from.
//
// What it answers: which objects a set of files, directories and standard input
// holds, as the API server would decode them, and where.
//
// Invariants:
//   - Nothing is dropped silently. A document that cannot be read, or that the
//     API server would refuse (an unknown field, an API version that is no longer
//     served), is an error with file and line; all of them are reported together.
//     A document of a kind that the model has no use for is counted in Set.Skipped;
//     what of a directory is no manifest, and a key that is there twice, is told in
//     Set.Notes.
//   - Object.JSON is the document as written: no defaults are applied to it.
//   - Values are read by the parser that kubectl uses (YAML 1.1: a bare n is a
//     boolean); go.yaml.in/yaml/v3 is used for line numbers only.
//   - It reads files and the given reader, nothing else: no network, no client-go,
//     no controller-runtime, no OPA (imports_test.go holds this).
package manifest
