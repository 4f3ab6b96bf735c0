package gatekeeper

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
	k8syaml "sigs.k8s.io/yaml"
)

// document is one YAML document, as values and with the lines that they stand in.
type document struct {
	file  string
	first int // lines of the file before the document
	node  *yaml.Node
	value map[string]any
}

// documents are those of a file that are objects, the items of lists among them. A file that
// is no YAML is an error: of what is in it nobody could say that it is none of ours.
func documents(file string, text []byte) ([]document, error) {
	var out []document
	var errs []error
	line := 0
	for _, chunk := range split(text) {
		d, err := parse(file, line, chunk)
		switch {
		case err != nil:
			errs = append(errs, err)
		case d != nil:
			out = append(out, d.items()...)
		}
		line += bytes.Count(chunk, []byte("\n"))
	}
	return out, errors.Join(errs...)
}

// split takes a file apart at the lines that separate documents, which stay with what follows.
func split(text []byte) [][]byte {
	var out [][]byte
	var now []byte
	for line := range bytes.Lines(text) {
		if bytes.HasPrefix(line, []byte("---")) && len(bytes.TrimLeft(line[3:], " \t\r\n")) < len(line[3:]) {
			out, now = append(out, now), nil
		}
		now = append(now, line...)
	}
	return append(out, now)
}

func parse(file string, first int, text []byte) (*document, error) {
	var root yaml.Node
	if err := yaml.Unmarshal(text, &root); err != nil {
		return nil, yamlError(file, first, err)
	}
	if root.Kind != yaml.DocumentNode || len(root.Content) == 0 || root.Content[0].Kind != yaml.MappingNode {
		return nil, nil // empty, or no object: of no kind at all
	}
	d := &document{file: file, first: first, node: root.Content[0]}
	// The values are those that kubectl sends: it reads YAML 1.1.
	raw, err := k8syaml.YAMLToJSONStrict(text)
	if err != nil {
		return nil, yamlError(file, first, err)
	}
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	if err := decoder.Decode(&d.value); err != nil {
		return nil, yamlError(file, first, err)
	}
	return d, nil
}

// yamlError counts the lines of a library's error from the beginning of the file.
func yamlError(file string, first int, err error) error {
	text := strings.TrimPrefix(err.Error(), "error converting YAML to JSON: ")
	text, _, _ = strings.Cut(text, "\n  line ") // several, of which the first will do
	text = strings.TrimPrefix(text, "yaml: ")
	var line int
	if n, _ := fmt.Sscanf(text, "line %d:", &line); n == 1 {
		_, text, _ = strings.Cut(text, ": ")
		return fmt.Errorf("%s:%d: %s", file, first+line, text)
	}
	return fmt.Errorf("%s:%d: %s", file, first+1, text)
}

// items are those of a list, or the document itself.
func (d *document) items() []document {
	list, ok := d.value["items"].([]any)
	if !ok || !strings.HasSuffix(d.text("kind"), "List") {
		return []document{*d}
	}
	var out []document
	for i, item := range list {
		value, ok := item.(map[string]any)
		if node := d.at("items", i); ok && node != nil {
			one := document{d.file, d.first, node, value}
			out = append(out, one.items()...)
		}
	}
	return out
}

// at is the node at a path of keys and indices; nil if there is none.
func (d *document) at(path ...any) *yaml.Node {
	node := d.node
	for _, step := range path {
		if node = child(node, step); node == nil {
			return nil
		}
	}
	return node
}

func child(n *yaml.Node, step any) *yaml.Node {
	switch n.Kind {
	case yaml.MappingNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			if n.Content[i].Value == step {
				return n.Content[i+1]
			}
		}
	case yaml.SequenceNode:
		if i, ok := step.(int); ok && i < len(n.Content) {
			return n.Content[i]
		}
	case yaml.AliasNode:
		return child(n.Alias, step)
	}
	return nil
}

// line is that of a path, or of the nearest thing above it that is there.
func (d *document) line(path ...any) int {
	for n := len(path); n >= 0; n-- {
		if node := d.at(path[:n]...); node != nil {
			return d.first + node.Line
		}
	}
	return d.first + 1
}

// place is "file:line" of a path.
func (d *document) place(path ...any) string {
	return fmt.Sprintf("%s:%d", d.file, d.line(path...))
}

// errorf is an error about the field at a path.
func (d *document) errorf(path []any, format string, args ...any) error {
	at := ""
	for _, step := range path {
		if i, ok := step.(int); ok {
			at += fmt.Sprintf("[%d]", i)
		} else {
			at += fmt.Sprintf(".%v", step)
		}
	}
	if at != "" {
		at = strings.TrimPrefix(at, ".") + ": "
	}
	return fmt.Errorf("%s: %s%s", d.place(path...), at, fmt.Sprintf(format, args...))
}

// value of a path; nil if there is none.
func (d *document) get(path ...any) any {
	var v any = d.value
	for _, step := range path {
		switch at := v.(type) {
		case map[string]any:
			key, _ := step.(string)
			v = at[key]
		case []any:
			i, ok := step.(int)
			if !ok || i >= len(at) {
				return nil
			}
			v = at[i]
		default:
			return nil
		}
	}
	return v
}

func (d *document) text(path ...any) string {
	s, _ := d.get(path...).(string)
	return s
}

// known tells of each field of an object that is none of some names, at its own line.
func (d *document) known(path []any, names ...string) []error {
	var errs []error
	object, ok := d.get(path...).(map[string]any)
	if v := d.get(path...); !ok && v != nil {
		return []error{d.errorf(path, "want an object with %s", strings.Join(names, ", "))}
	}
	for name := range object {
		if !slices.Contains(names, name) {
			at := append(slices.Clone(path), name)
			errs = append(errs, d.errorf(at, "unknown field; known here: %s", strings.Join(names, ", ")))
		}
	}
	slices.SortFunc(errs, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	return errs
}

// strings is a list of texts.
func (d *document) strings(path ...any) ([]string, error) {
	v := d.get(path...)
	if v == nil {
		return nil, nil
	}
	list, ok := v.([]any)
	if !ok {
		return nil, d.errorf(path, "want a list of texts")
	}
	out := make([]string, 0, len(list))
	for i, x := range list {
		s, ok := x.(string)
		if !ok {
			return nil, d.errorf(append(slices.Clone(path), i), "got %v, want a text", x)
		}
		out = append(out, s)
	}
	return out, nil
}

// isString refuses what is there and no text.
func (d *document) isString(path ...any) error {
	if v := d.get(path...); v != nil {
		if _, ok := v.(string); !ok {
			return d.errorf(path, "got %v, want a text", v)
		}
	}
	return nil
}

// as decodes what is at a path strictly into a value of Go.
func (d *document) as(into any, path ...any) error {
	raw, err := json.Marshal(d.get(path...))
	if err != nil {
		return d.errorf(path, "%v", err)
	}
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		return d.errorf(path, "%s", strings.TrimPrefix(err.Error(), "json: "))
	}
	return nil
}
