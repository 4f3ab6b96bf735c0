package suite

import (
	"strconv"

	"go.yaml.in/yaml/v3"
)

// objectOf are the fields of an object; none where there is none, which is told.
func (p *parser) objectOf(n *yaml.Node, at string) map[string]*yaml.Node {
	out := map[string]*yaml.Node{}
	if n == nil {
		return out
	}
	n = followed(n)
	if n.ShortTag() == "!!null" {
		return out
	}
	if n.Kind != yaml.MappingNode {
		p.wrong(n, at, "want an object, got %s", kindOf(n))
		return out
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := followed(n.Content[i]), n.Content[i+1]
		switch {
		case key.ShortTag() == "!!merge":
			for _, part := range parts(value) {
				for k, v := range p.merged(part, at) {
					if out[k] == nil {
						out[k] = v
					}
				}
			}
		case seen[key.Value]:
			p.wrong(key, at, "%s is there twice", key.Value)
		default:
			seen[key.Value], out[key.Value] = true, value
		}
	}
	return out
}

// merged are the fields of what << names. It cannot name what it is in: of a YAML that does
// nothing is taken.
func (p *parser) merged(n *yaml.Node, at string) map[string]*yaml.Node {
	if p.nodes++; p.nodes > maxNodes {
		return nil
	}
	return p.objectOf(n, at)
}

// parts are what << names: an object, or several.
func parts(n *yaml.Node) []*yaml.Node {
	if n = followed(n); n.Kind == yaml.SequenceNode {
		return n.Content
	}
	return []*yaml.Node{n}
}

// list are the elements of a list; none where there is none, which is told.
func (p *parser) list(n *yaml.Node, at string) []*yaml.Node {
	if n == nil {
		return nil
	}
	n = followed(n)
	if n.ShortTag() == "!!null" {
		return nil
	}
	if n.Kind != yaml.SequenceNode {
		p.wrong(n, at, "want a list, got %s", kindOf(n))
		return nil
	}
	return n.Content
}

// text is a scalar; "" where there is none.
func (p *parser) text(n *yaml.Node, at string) string {
	if n == nil {
		return ""
	}
	n = followed(n)
	if n.Kind != yaml.ScalarNode {
		p.wrong(n, at, "want a text, got %s", kindOf(n))
		return ""
	}
	if n.ShortTag() == "!!null" {
		return ""
	}
	return n.Value
}

// amount is yes, no, or a number.
func (p *parser) amount(n *yaml.Node, at string) *Amount {
	if n == nil {
		return nil
	}
	text := p.text(n, at)
	if yes, ok := said[text]; ok {
		return &Amount{Some: yes}
	}
	if many, err := strconv.Atoi(text); err == nil && many >= 0 {
		return &Amount{N: many}
	}
	p.wrong(n, at, "got %q, want yes, no or how many", text)
	return nil
}

// yes is yes or no.
func (p *parser) yes(n *yaml.Node, at string) *bool {
	if n == nil {
		return nil
	}
	yes, ok := said[p.text(n, at)]
	if !ok {
		p.wrong(n, at, "got %q, want yes or no", followed(n).Value)
	}
	return &yes
}

var said = map[string]bool{"yes": true, "true": true, "no": false, "false": false}

func kindOf(n *yaml.Node) string {
	switch n.Kind {
	case yaml.SequenceNode:
		return "a list"
	case yaml.MappingNode:
		return "an object"
	}
	return strconv.Quote(n.Value)
}

// keyOf is where an object has a field; the object itself if that comes by an alias.
func keyOf(n *yaml.Node, field string) *yaml.Node {
	n = followed(n)
	for i := 0; i+1 < len(n.Content); i += 2 {
		if followed(n.Content[i]).Value == field {
			return n.Content[i]
		}
	}
	return n
}
