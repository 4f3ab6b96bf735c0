package manifest

import (
	"bytes"
	"encoding/json"
	"path/filepath"
	"regexp"
	"slices"
)

// otherFile tells whether a file of a directory is no manifest at all, such as the
// values of a chart or the settings of another tool: no document of it has two of
// the fields that make an object, however spelt. What cannot be parsed is a manifest
// if it speaks of one anywhere.
func otherFile(file string, data []byte, docs []document, errs Errors) bool {
	if slices.Contains(kustomizationFiles(), filepath.Base(file)) || len(docs)+len(errs) == 0 {
		return false
	}
	if len(errs) > 0 && signOfObject.Match(bytes.ReplaceAll(data, []byte{0}, nil)) {
		return false
	}
	empty := len(errs) == 0
	for _, d := range docs {
		if likeObject(d.json) {
			return false
		}
		empty = empty && string(bytes.TrimSpace(d.json)) == "null"
	}
	return !empty
}

var signOfObject = regexp.MustCompile(`(?i)\b(apiVersion|kind)["']?\s*:`)

// likeObject tells whether a document is meant for an object, or a list of them.
func likeObject(data []byte) bool {
	var items []json.RawMessage
	if json.Unmarshal(data, &items) == nil {
		return slices.ContainsFunc(items, func(item json.RawMessage) bool { return likeObject(item) })
	}
	var fields map[string]json.RawMessage
	if json.Unmarshal(data, &fields) != nil {
		return false
	}
	likely := 0
	for name := range fields {
		if slices.ContainsFunc([]string{"apiVersion", "kind", "metadata", "spec", "items"}, func(want string) bool {
			return name == want || near(name, want)
		}) {
			likely++
		}
	}
	const enough = 2 // of which Grafana's "apiVersion: 1" or Drone's "kind: pipeline" have one
	return likely >= enough
}
