// Package schematest holds documents against the JSON Schemas that docs/schemas publishes.
//
// What is published lets fields through that a later version may add. A test wants to know
// of a field that no schema has, so here every object is closed.
package schematest

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// Strict is a published schema, closed. root is the path to the root of the repository.
func Strict(t testing.TB, root, name string) *jsonschema.Schema {
	t.Helper()
	return compiled(t, root, name, true)
}

// Published is a schema as it is.
func Published(t testing.TB, root, name string) *jsonschema.Schema {
	t.Helper()
	return compiled(t, root, name, false)
}

func compiled(t testing.TB, root, name string, close bool) *jsonschema.Schema {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(root, "docs", "schemas", "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var doc map[string]any
		if err := json.Unmarshal(text, &doc); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		if close {
			Close(doc)
		}
		if text, err = json.Marshal(doc); err != nil {
			t.Fatal(err)
		}
		parsed, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		if err := c.AddResource("https://schemas.test/"+filepath.Base(file), parsed); err != nil {
			t.Fatal(err)
		}
	}
	s, err := c.Compile("https://schemas.test/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// Close makes every object of a schema refuse fields that it does not name.
func Close(schema map[string]any) {
	for key, value := range schema {
		switch v := value.(type) {
		case map[string]any:
			Close(v)
		case []any:
			for _, x := range v {
				if m, ok := x.(map[string]any); ok {
					Close(m)
				}
			}
		}
		if key != "properties" {
			continue
		}
		if _, said := schema["additionalProperties"]; !said && schema["type"] == "object" {
			schema["additionalProperties"] = false
		}
	}
}

// Validate holds a JSON document against a schema.
func Validate(t testing.TB, s *jsonschema.Schema, document []byte) {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(document))
	if err != nil {
		t.Fatalf("%v\n%.500s", err, document)
	}
	if err := s.Validate(doc); err != nil {
		t.Errorf("%#v\n%.2000s", err, document)
	}
}
