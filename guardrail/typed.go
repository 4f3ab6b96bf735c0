package guardrail

import (
	"maps"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
)

// noParameter is the only parameter of a guardrail that takes none: OPA takes an object
// without fields for one with any.
const noParameter = "no parameter at all"

// typeModules tells the compiler what input.parameters and the objects under review are in
// each guardrail, by its # METADATA: a misspelt path is undefined, and the rule would never
// report.
func typeModules(modules map[string]*ast.Module) *ast.SchemaSet {
	set := inputSchema()
	for _, file := range slices.Sorted(maps.Keys(modules)) {
		m := modules[file]
		parts := packagePath(m)
		if len(parts) != 2 || parts[0] != "guardrails" {
			continue
		}
		about := packageAnnotations(m)
		if about == nil {
			continue
		}
		about.Schemas = slices.DeleteFunc(about.Schemas, func(s *ast.SchemaAnnotation) bool {
			return s.Schema != nil // they are for opa check and editors, which have the file
		})
		put := func(name, key string, schema any, paths ...string) {
			at := ast.SchemaRootRef.Append(ast.StringTerm(name)).Append(ast.StringTerm(key))
			set.Put(at, schema)
			for _, path := range paths {
				about.Schemas = append(about.Schemas, &ast.SchemaAnnotation{Path: ast.MustParseRef(path), Schema: at})
			}
		}
		if schema, ok := parametersType(about.Custom["parameters"]); ok {
			put("parameters", parts[1], schema, "input.parameters")
		}
		if kind, ok := onlyKind(about); ok && !comparesNull(m) {
			if schema, ok := objectType(kind); ok {
				put("objects", kind, schema, "input.request.object", "input.request.oldObject", "input.review.object", "input.review.oldObject")
			}
		}
	}
	return set
}

// packageAnnotations is the # METADATA above the package; nil where there is none.
func packageAnnotations(m *ast.Module) *ast.Annotations {
	for _, a := range m.Annotations {
		if a.Scope == "package" {
			return a
		}
	}
	return nil
}

// onlyKind is the kind of a guardrail that judges one.
func onlyKind(a *ast.Annotations) (string, bool) {
	kinds, _ := a.Custom["kinds"].([]any)
	if len(kinds) != 1 {
		return "", false
	}
	kind, ok := kinds[0].(string)
	return kind, ok
}

// comparesNull reports whether a module has a null in it: on CREATE oldObject is null, and
// who compares with that must not be told that an object is none.
func comparesNull(m *ast.Module) bool {
	found := false
	ast.WalkTerms(m, func(t *ast.Term) bool {
		_, null := t.Value.(ast.Null)
		found = found || null
		return found
	})
	return found
}

// parametersType is as much of a schema of parameters as OPA's type checker understands
// rightly: objects that take no other fields, and simple values. ok is false where it is
// open which parameters there are.
func parametersType(document any) (schema map[string]any, ok bool) {
	root := map[string]any{}
	if document != nil {
		if root, ok = document.(map[string]any); !ok {
			return nil, false
		}
	}
	if more, said := root["additionalProperties"]; said && more != false || root["patternProperties"] != nil {
		return nil, false
	}
	for _, key := range []string{"allOf", "anyOf", "oneOf", "if", "$ref"} {
		if root[key] != nil {
			return nil, false
		}
	}
	properties, _ := root["properties"].(map[string]any)
	out := map[string]any{}
	for name, p := range properties {
		out[name] = simpleType(p, 0)
	}
	if len(out) == 0 {
		out[noParameter] = map[string]any{}
	}
	return map[string]any{"type": "object", "properties": out, "additionalProperties": false}, true
}

// maxTypeDepth bounds how deep parameters are typed.
const maxTypeDepth = 10

// simpleType is a schema with what OPA's type checker takes as JSON schema means it; of the
// rest anything goes.
func simpleType(schema any, depth int) map[string]any {
	anything := map[string]any{}
	s, ok := schema.(map[string]any)
	if !ok || depth > maxTypeDepth {
		return anything
	}
	for _, key := range []string{"allOf", "anyOf", "oneOf", "not", "if", "$ref", "$dynamicRef"} {
		if s[key] != nil {
			return anything
		}
	}
	switch kind, _ := s["type"].(string); kind {
	case "string", "boolean":
		return map[string]any{"type": kind}
	case "integer", "number":
		return map[string]any{"type": "number"}
	case "array":
		if items, ok := s["items"]; ok {
			return map[string]any{"type": "array", "items": simpleType(items, depth+1)}
		}
		return map[string]any{"type": "array"}
	case "object":
		properties, _ := s["properties"].(map[string]any)
		if s["additionalProperties"] != false || s["patternProperties"] != nil || len(properties) == 0 {
			return map[string]any{"type": "object"}
		}
		out := map[string]any{}
		for name, p := range properties {
			out[name] = simpleType(p, depth+1)
		}
		return map[string]any{"type": "object", "properties": out, "additionalProperties": false}
	}
	return anything
}

// isGuardrail reports whether a package is that of a guardrail or of what they share.
func isGuardrail(parts []string) bool {
	return len(parts) >= 2 && (parts[0] == "guardrails" || parts[0] == "lib")
}

// kindAndGroup takes Kind or Kind.group apart; a bare kind is one of the model, or unknown.
func kindAndGroup(entry string) (kind, group string, ok bool) {
	if kind, group, dotted := strings.Cut(entry, "."); dotted {
		return kind, group, true
	}
	group, modelled := home(entry)
	return entry, group, modelled
}
