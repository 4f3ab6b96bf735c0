package manifest

import (
	"strconv"
	"strings"

	yamlnode "go.yaml.in/yaml/v3"
)

// found is the node that a field path leads to, or the last one on the way.
type found struct {
	line  int
	value *yamlnode.Node // nil when the path ends early
}

// lookup follows a field path as the API server's errors spell it
// ("spec.ingress[0].ports[1].port", "metadata.labels[app]").
func lookup(n *yamlnode.Node, path string) found {
	at := found{line: n.Line}
	for path != "" {
		n = resolve(n)
		var rest string
		var next *yamlnode.Node
		switch n.Kind {
		case yamlnode.MappingNode:
			var key *yamlnode.Node
			key, next, rest = child(n, path)
			if key == nil {
				return at
			}
			at.line = key.Line
		case yamlnode.SequenceNode:
			i, after, ok := index(path)
			if !ok || i >= len(n.Content) {
				return at
			}
			next, rest = n.Content[i], after
			at.line = next.Line
		default:
			return at
		}
		n, path = next, strings.TrimPrefix(rest, ".")
	}
	at.value = resolve(n)
	return at
}

// resolve follows an alias. An alias cannot hold itself in a document that the
// value parser has accepted.
func resolve(n *yamlnode.Node) *yamlnode.Node {
	for n.Kind == yamlnode.AliasNode {
		n = n.Alias
	}
	return n
}

// child finds the longest key of a mapping that the path begins with: keys may
// hold dots themselves.
func child(n *yamlnode.Node, path string) (key, value *yamlnode.Node, rest string) {
	bracketed := ""
	if strings.HasPrefix(path, "[") {
		if end := strings.IndexByte(path, ']'); end > 0 {
			bracketed = path[1:end]
		}
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		k := n.Content[i]
		after, ok := strings.CutPrefix(path, k.Value)
		if bracketed != "" {
			after, ok = path[len(bracketed)+2:], k.Value == bracketed
		}
		if !ok || (after != "" && after[0] != '.' && after[0] != '[') {
			continue
		}
		if key == nil || len(k.Value) >= len(key.Value) { // of two equal ones the last counts
			key, value, rest = k, n.Content[i+1], after
		}
	}
	return key, value, rest
}

func index(path string) (i int, rest string, ok bool) {
	inside, ok := strings.CutPrefix(path, "[")
	if !ok {
		return 0, "", false
	}
	number, rest, ok := strings.Cut(inside, "]")
	if !ok {
		return 0, "", false
	}
	i, err := strconv.Atoi(number)
	return i, rest, err == nil && i >= 0
}

// lookup finds a field in the document; the nodes of JSON are parsed on demand.
func (d *document) lookup(path string) (found, bool) {
	if d.node == nil {
		var root yamlnode.Node
		if err := yamlnode.Unmarshal(d.text, &root); err != nil || len(root.Content) == 0 {
			return found{}, false // JSON that is no YAML: a tab, an odd escape
		}
		d.node = root.Content[0]
	}
	return lookup(d.node, path), true
}

// locate is the place of a field, else that of the document.
func (d *document) locate(path string) Location {
	at := d.at
	if f, ok := d.lookup(path); ok && path != "" && f.line > 0 {
		at.Line = d.shift + f.line
	}
	return at
}
