package podcullis_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"

	"github.com/podcullis/podcullis/guardrail"
	"github.com/podcullis/podcullis/internal/schematest"
	"github.com/podcullis/podcullis/policies"
)

const configSchema = "docs/schemas/guardrails.schema.json"

// TestGeneratedConfigSchema writes the parameters of the guardrails that ship into the
// schema of the configuration, so that an editor knows them.
func TestGeneratedConfigSchema(t *testing.T) {
	var doc map[string]any
	if err := json.Unmarshal([]byte(read(t, configSchema)), &doc); err != nil {
		t.Fatal(err)
	}
	library, err := guardrail.LoadLibrary(guardrail.Source{Name: "embedded", FS: policies.FS})
	if err != nil {
		t.Fatal(err)
	}
	var cases []any
	for _, g := range library.Guardrails() {
		cases = append(cases, map[string]any{
			"if":   map[string]any{"properties": map[string]any{"guardrail": map[string]any{"const": g.ID}}},
			"then": map[string]any{"properties": map[string]any{"parameters": parametersOf(t, g)}},
		})
	}
	doc["$defs"].(map[string]any)["guardrail"].(map[string]any)["allOf"] = cases
	var made bytes.Buffer
	e := json.NewEncoder(&made)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(doc); err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(configSchema, made.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(made.String(), read(t, configSchema)); diff != "" {
		t.Errorf("%s is out of date; run make docs (-want +got):\n%s", configSchema, diff)
	}
}

// TestGeneratedInputSchema keeps the schema of the input for opa check and editors.
func TestGeneratedInputSchema(t *testing.T) {
	const file = "docs/schemas/rego-input.schema.json"
	if *update {
		if err := os.WriteFile(file, guardrail.InputSchemaJSON(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(string(guardrail.InputSchemaJSON()), read(t, file)); diff != "" {
		t.Errorf("%s is out of date; run make docs (-want +got):\n%s", file, diff)
	}
}

// parametersOf is the schema in a guardrail's METADATA.
func parametersOf(t *testing.T, g *guardrail.Guardrail) any {
	t.Helper()
	_, header, _ := strings.Cut(read(t, filepath.Join("policies", filepath.Base(g.File))), "# METADATA\n")
	header, _, _ = strings.Cut(header, "\npackage ")
	var text strings.Builder
	for line := range strings.Lines(header) {
		text.WriteString(strings.TrimPrefix(strings.TrimPrefix(line, "#"), " "))
	}
	var metadata struct {
		Custom struct {
			Parameters any `json:"parameters"`
		} `json:"custom"`
	}
	if err := yaml.Unmarshal([]byte(text.String()), &metadata); err != nil {
		t.Fatal(err)
	}
	parameters, ok := metadata.Custom.Parameters.(map[string]any)
	if !ok {
		return true
	}
	parameters["$id"] = "https://podcullis.io/schemas/parameters/" + g.ID // by which its own $defs are found
	return parameters
}

// TestConfigSchema holds every configuration of the repository against the published
// schema; and what the loader refuses for its shape, the schema refuses, too.
func TestConfigSchema(t *testing.T) {
	schema := schematest.Published(t, ".", filepath.Base(configSchema))
	found := 0
	validate := func(where, text string) {
		found++
		raw, err := yaml.YAMLToJSON([]byte(text))
		if err != nil {
			t.Fatalf("%s: %v", where, err)
		}
		t.Log(where)
		schematest.Validate(t, schema, raw)
	}
	for _, file := range documents(t) {
		for _, text := range fences(read(t, file), "yaml") {
			if strings.Contains(text, "kind: Guardrails") {
				validate(file, text)
			}
		}
	}
	validate("the embedded default", string(guardrail.DefaultConfig))
	examples, err := filepath.Glob("examples/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range examples {
		if text := read(t, file); strings.Contains(text, "kind: Guardrails") {
			validate(file, text)
		}
	}
	if found < 4 {
		t.Errorf("only %d configurations", found)
	}

	const head = "apiVersion: podcullis.io/v1alpha1\nkind: Guardrails\n"
	for name, text := range map[string]string{
		"UnknownField":            head + "guardrail: []\n",
		"AnotherVersion":          "apiVersion: podcullis.io/v2\nkind: Guardrails\n",
		"UnknownAction":           head + "guardrails: [{name: a, guardrail: default-deny, action: block}]\n",
		"NoName":                  head + "guardrails: [{guardrail: default-deny, action: deny}]\n",
		"UnknownParameter":        head + "guardrails: [{name: a, guardrail: default-deny, action: deny, parameters: {form: 1}}]\n",
		"AnotherKindOfParameter":  head + "guardrails: [{name: a, guardrail: default-deny, action: deny, parameters: {directions: Ingress}}]\n",
		"UnknownFieldOfMatch":     head + "guardrails: [{name: a, guardrail: default-deny, action: deny, match: {namespace: [a]}}]\n",
		"UnknownFieldOfSelector":  head + "guardrails: [{name: a, guardrail: default-deny, action: deny, match: {namespaceSelector: {labels: {a: b}}}}]\n",
		"UsersOfAGuardrail":       head + "guardrails: [{name: a, guardrail: default-deny, action: deny, match: {users: [a]}}]\n",
		"NoReason":                head + "guardrails: [{name: a, guardrail: default-deny, action: deny}]\nexemptions: [{name: x, guardrails: [a], match: {namespaces: [b]}}]\n",
		"AnotherDate":             head + "guardrails: [{name: a, guardrail: default-deny, action: deny}]\nexemptions: [{name: x, guardrails: [a], match: {namespaces: [b]}, reason: r, expires: tomorrow}]\n",
		"UnknownMessages":         head + "messages: some\n",
		"UnknownPreset":           head + "extraWorkloads: [openshift]\n",
		"IncompleteExtraWorkload": head + "extraWorkloads: [{group: a, kind: B}]\n",
	} {
		t.Run(name, func(t *testing.T) {
			library, err := guardrail.LoadLibrary(guardrail.Source{Name: "embedded", FS: policies.FS})
			if err != nil {
				t.Fatal(err)
			}
			if c, err := guardrail.ParseConfig("a.yaml", []byte(text)); err == nil {
				if _, err = guardrail.New(library, c); err == nil {
					t.Error("the loader takes it")
				}
			}
			raw, err := yaml.YAMLToJSON([]byte(text))
			if err != nil {
				t.Fatal(err)
			}
			var doc any
			if err := json.Unmarshal(raw, &doc); err != nil {
				t.Fatal(err)
			}
			if schema.Validate(doc) == nil {
				t.Error("the schema takes it")
			}
		})
	}
}
