package suite

import (
	"encoding/json"
	"fmt"
	"strconv"

	"go.yaml.in/yaml/v3"
)

// maxNodes bounds what a value holds once its aliases are followed.
const maxNodes = 100_000

// reader turns YAML into JSON, where it stands in a file.
type reader struct {
	file  string
	nodes int
}

// value is a node as JSON; of none it is the zero Value.
func (r *reader) value(n *yaml.Node) (Value, error) {
	if n == nil || n.IsZero() {
		return Value{}, nil
	}
	plain, err := r.plain(n)
	if err != nil {
		return Value{}, err
	}
	text, err := json.Marshal(plain)
	return Value{n.Line, text}, err
}

// plain is a node as JSON has it. What looks like a day is text, as in a configuration.
func (r *reader) plain(n *yaml.Node) (any, error) {
	if r.nodes++; r.nodes > maxNodes {
		return nil, fmt.Errorf("%s:%d: more than %d values, aliases followed", r.file, n.Line, maxNodes)
	}
	switch n.Kind {
	case yaml.AliasNode:
		return r.plain(n.Alias)
	case yaml.SequenceNode:
		out := []any{}
		for _, c := range n.Content {
			v, err := r.plain(c)
			if err != nil {
				return nil, err
			}
			out = append(out, v)
		}
		return out, nil
	case yaml.MappingNode:
		return r.object(n)
	}
	return r.scalar(n)
}

func (r *reader) scalar(n *yaml.Node) (any, error) {
	switch n.ShortTag() {
	case "!!str", "!!timestamp", "!!binary":
		return n.Value, nil
	case "!!null":
		return nil, nil
	case "!!int":
		if i, err := strconv.ParseInt(n.Value, 10, 64); err == nil {
			return i, nil
		}
	}
	var v any
	if err := n.Decode(&v); err != nil {
		return nil, fmt.Errorf("%s:%d: %q cannot be read", r.file, n.Line, n.Value)
	}
	if _, err := json.Marshal(v); err != nil { // not a number
		return nil, fmt.Errorf("%s:%d: %s is nothing that JSON has", r.file, n.Line, n.Value)
	}
	return v, nil
}

func (r *reader) object(n *yaml.Node) (any, error) {
	out, own := map[string]any{}, map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		if key.ShortTag() == "!!merge" {
			if err := r.merge(out, own, value); err != nil {
				return nil, err
			}
			continue
		}
		for key.Kind == yaml.AliasNode {
			key = key.Alias
		}
		switch {
		case key.Kind != yaml.ScalarNode:
			return nil, fmt.Errorf("%s:%d: a key is a text, and no list or object", r.file, key.Line)
		case own[key.Value]:
			return nil, fmt.Errorf("%s:%d: %s is there twice", r.file, key.Line, key.Value)
		}
		v, err := r.plain(value)
		if err != nil {
			return nil, err
		}
		own[key.Value], out[key.Value] = true, v
	}
	return out, nil
}

// merge lays what << names under the fields of an object; of several the first counts.
func (r *reader) merge(out map[string]any, own map[string]bool, from *yaml.Node) error {
	plain, err := r.plain(from)
	if err != nil {
		return err
	}
	list, ok := plain.([]any)
	if !ok {
		list = []any{plain}
	}
	merged := map[string]bool{}
	for _, one := range list {
		fields, ok := one.(map[string]any)
		if !ok {
			return fmt.Errorf("%s:%d: << wants an object", r.file, from.Line)
		}
		for k, v := range fields {
			if !own[k] && !merged[k] {
				merged[k], out[k] = true, v
			}
		}
	}
	return nil
}
