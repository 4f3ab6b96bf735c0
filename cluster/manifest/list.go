package manifest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	yamlnode "go.yaml.in/yaml/v3"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// maxListDepth bounds lists within lists.
const maxListDepth = 8

// isList tells whether a document is a v1 List or the list of some kind, as
// `kubectl get -o yaml` and the API's collections give them.
func isList(gvk schema.GroupVersionKind, fields map[string]json.RawMessage) bool {
	if gvk.Group == "" && gvk.Kind == "List" {
		return true
	}
	item, ok := strings.CutSuffix(gvk.Kind, "List")
	if !ok || item == "" {
		return false
	}
	if newAPI(gvk.GroupVersion().WithKind(item)) != nil {
		return true
	}
	return bytes.HasPrefix(fields["items"], []byte("["))
}

// list reads the items of a list document. Those of a typed list need not name
// their kind.
func (l *loader) list(d document, gvk schema.GroupVersionKind, fields map[string]json.RawMessage, depth int) {
	if depth >= maxListDepth {
		l.fail(d.at, "lists within lists, more than %d deep", maxListDepth)
		return
	}
	failed := false
	for name := range fields {
		switch name {
		case "apiVersion", "kind", "metadata", "items":
		default:
			failed = true
			l.failField(d, gvk.Kind, name, "unknown field"+didYouMean(name, []string{"items", "metadata"}))
		}
	}
	if failed {
		return
	}
	value, ok := fields["items"]
	if !ok {
		l.fail(d.at, "%s: has no items", gvk.Kind)
		return
	}
	var items []json.RawMessage
	if err := json.Unmarshal(value, &items); err != nil {
		l.failField(d, gvk.Kind, "items", "must be a list")
		return
	}
	kind := strings.TrimSuffix(gvk.Kind, "List")
	for i, item := range l.items(d, items) {
		if kind != "" {
			named, err := inherit(item.json, gvk.GroupVersion().String(), kind)
			if err != nil {
				l.fail(item.at, "items[%d]: must be an object", i)
				continue
			}
			item.json = named
		}
		l.document(item, depth+1)
	}
}

// items gives each item its place.
func (l *loader) items(d document, items []json.RawMessage) []document {
	docs := make([]document, len(items))
	if d.node == nil {
		offsets := itemOffsets(d.text)
		lines := lineCounter{text: d.text, line: 1 + d.shift}
		for i, item := range items {
			line := lines.at(offsets[i])
			docs[i] = document{at: Location{File: d.at.File, Line: line}, json: item, text: item, shift: line - 1}
		}
		return docs
	}
	for i, item := range items {
		node := lookup(d.node, fmt.Sprintf("items[%d]", i))
		docs[i] = document{at: Location{File: d.at.File, Line: d.shift + node.line}, json: item, node: node.value, shift: d.shift}
		if node.value == nil {
			docs[i].node = &yamlnode.Node{}
		}
	}
	return docs
}

// itemOffsets finds where the items of a JSON list begin. The text is known to
// be JSON with a list in its last "items".
func itemOffsets(text []byte) []int {
	dec := json.NewDecoder(bytes.NewReader(text))
	var offsets []int
	_, _ = dec.Token() // {
	for dec.More() {
		key, _ := dec.Token()
		if key != "items" {
			var skip json.RawMessage
			_ = dec.Decode(&skip)
			continue
		}
		offsets = nil
		if t, _ := dec.Token(); t != json.Delim('[') {
			continue // null
		}
		for dec.More() {
			var item json.RawMessage
			_ = dec.Decode(&item)
			offsets = append(offsets, int(dec.InputOffset())-len(item))
		}
		_, _ = dec.Token() // ]
	}
	return offsets
}

// inherit gives an item of a typed list the kind that the list has for it.
func inherit(item []byte, apiVersion, kind string) ([]byte, error) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(item, &fields); err != nil || fields == nil {
		return nil, fmt.Errorf("not an object")
	}
	_, hasVersion := fields["apiVersion"]
	_, hasKind := fields["kind"]
	if hasVersion && hasKind {
		return item, nil
	}
	if !hasVersion {
		fields["apiVersion"], _ = json.Marshal(apiVersion)
	}
	if !hasKind {
		fields["kind"], _ = json.Marshal(kind)
	}
	return json.Marshal(fields)
}
