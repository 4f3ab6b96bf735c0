package guardrail

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
)

// Parameter is one top-level parameter of a guardrail, as its # METADATA
// describes it.
type Parameter struct {
	Name        string
	Description string
	// Type is "string", "object" and so on; "one of a, b" where the schema lists the values.
	Type string
	// Default is what holds when the parameter is not given, as JSON; empty when there is none.
	Default  string
	Required bool
}

// Parameters lists what the guardrail can be told, by name.
func (g *Guardrail) Parameters() []Parameter {
	properties, _ := g.schema.document["properties"].(map[string]any)
	required, _ := g.schema.document["required"].([]any)
	var out []Parameter
	for _, name := range slices.Sorted(maps.Keys(properties)) {
		p, _ := properties[name].(map[string]any)
		description, _ := p["description"].(string)
		out = append(out, Parameter{
			Name:        name,
			Description: description,
			Type:        typeOf(p),
			Default:     jsonText(p["default"]),
			Required:    slices.Contains(required, any(name)),
		})
	}
	return out
}

func typeOf(p map[string]any) string {
	if values, ok := p["enum"]; ok {
		return "one of " + jsonText(values)
	}
	if otherwise, ok := p["else"].(map[string]any); ok { // an object, or something simple
		return typeOf(otherwise) + ", or " + fields(p["then"])
	}
	if items, ok := p["items"].(map[string]any); ok {
		return "list, " + typeOf(items)
	}
	if t, ok := p["type"].(string); ok {
		return t
	}
	return "object"
}

// fields are those of an object: "{blocked: list, one of ...}".
func fields(schema any) string {
	s, _ := schema.(map[string]any)
	properties, _ := s["properties"].(map[string]any)
	var out []string
	for _, name := range slices.Sorted(maps.Keys(properties)) {
		p, _ := properties[name].(map[string]any)
		out = append(out, name+": "+typeOf(p))
	}
	return "{" + strings.Join(out, "; ") + "}"
}

func jsonText(v any) string {
	if v == nil {
		return ""
	}
	text, err := json.Marshal(v)
	if err != nil {
		return ""
	}
	return string(text)
}
