package guardrail

import (
	"errors"
	"maps"

	"github.com/podcullis/podcullis/guardrail/gatekeeper"
)

// foreignSchema is the schema of a template's parameters as a JSON schema. Of OpenAPI's words
// those that JSON schema does not know are put into its own.
func foreignSchema(t *gatekeeper.Template) (*parameterSchema, error) {
	if t.Schema == nil {
		return newParameterSchema(map[string]any{"type": "object", "additionalProperties": t.Legacy})
	}
	if kind, ok := t.Schema["type"]; ok && kind != "object" {
		return nil, errors.New("want type: object")
	}
	converted := jsonSchema(t.Schema, t.Legacy)
	if converted["properties"] == nil && converted["additionalProperties"] == nil && t.Legacy {
		converted["additionalProperties"] = true
	}
	return newParameterSchema(converted)
}

// jsonSchema converts a schema and what is in it. A field that a structural schema does not
// name is pruned by the API server, which kubectl refuses to send; so it is an error.
func jsonSchema(s map[string]any, legacy bool) map[string]any {
	out := maps.Clone(s)
	for _, key := range []string{"example", "externalDocs", "format", "xml"} { // format: int32 and the like are no formats of JSON schema
		delete(out, key)
	}
	if properties, ok := s["properties"].(map[string]any); ok {
		converted := map[string]any{}
		for name, p := range properties {
			converted[name] = schemaValue(p, legacy)
		}
		out["properties"] = converted
	}
	for _, key := range []string{"items", "additionalProperties", "not"} {
		if v, ok := s[key]; ok {
			out[key] = schemaValue(v, legacy)
		}
	}
	for _, key := range []string{"allOf", "anyOf", "oneOf"} {
		if list, ok := s[key].([]any); ok {
			converted := make([]any, 0, len(list))
			for _, x := range list {
				inner, _ := x.(map[string]any)
				converted = append(converted, jsonSchema(inner, true)) // they constrain, and name not all
			}
			out[key] = converted
		}
	}
	_, closed := out["additionalProperties"]
	switch {
	case s["x-kubernetes-preserve-unknown-fields"] == true:
		out["additionalProperties"] = true
	case s["properties"] != nil && !closed && !legacy:
		out["additionalProperties"] = false
	}
	if s["x-kubernetes-int-or-string"] == true {
		delete(out, "anyOf")
		out["type"] = []any{"integer", "string"}
	}
	for _, bound := range []string{"Minimum", "Maximum"} { // a flag in OpenAPI, a number in JSON schema
		plain, flag := map[string]string{"Minimum": "minimum", "Maximum": "maximum"}[bound], "exclusive"+bound
		if exclusive, ok := s[flag].(bool); ok {
			delete(out, flag)
			if exclusive {
				out[flag] = out[plain]
				delete(out, plain)
			}
		}
	}
	if kind, ok := out["type"].(string); ok && s["nullable"] == true {
		out["type"] = []any{kind, "null"}
		if values, ok := out["enum"].([]any); ok {
			out["enum"] = append(values[:len(values):len(values)], nil)
		}
	}
	return out
}

func schemaValue(v any, legacy bool) any {
	if s, ok := v.(map[string]any); ok {
		return jsonSchema(s, legacy)
	}
	return v
}

// withDefaults fills in what a schema has defaults for, however deep, as the API server does
// when a constraint is stored.
func withDefaults(value any, schema map[string]any) any {
	switch v := value.(type) {
	case map[string]any:
		out := maps.Clone(v)
		properties, _ := schema["properties"].(map[string]any)
		for name, p := range properties {
			of, _ := p.(map[string]any)
			given, ok := out[name]
			if d, has := of["default"]; has && (!ok || given == nil && of["nullable"] != true) {
				given, ok = d, true
			}
			if ok {
				out[name] = withDefaults(given, of)
			}
		}
		if more, ok := schema["additionalProperties"].(map[string]any); ok {
			for name := range out {
				if _, named := properties[name]; !named {
					out[name] = withDefaults(out[name], more)
				}
			}
		}
		return out
	case []any:
		items, ok := schema["items"].(map[string]any)
		if !ok {
			return v
		}
		out := make([]any, 0, len(v))
		for _, x := range v {
			out = append(out, withDefaults(x, items))
		}
		return out
	}
	return value
}
