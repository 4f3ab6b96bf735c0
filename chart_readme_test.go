package podcullis_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// chartValues lists the chart's values with their defaults, and the descriptions
// of the schema.
func chartValues(t *testing.T) string {
	var schema valuesSchema
	if err := json.Unmarshal([]byte(read(t, "charts/podcullis/values.schema.json")), &schema); err != nil {
		t.Fatal(err)
	}
	var document yaml.Node
	if err := yaml.Unmarshal([]byte(read(t, "charts/podcullis/values.yaml")), &document); err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	b.WriteString("| value | default | |\n|---|---|---|\n")
	var write func(path string, values *yaml.Node, s *valuesSchema)
	write = func(path string, values *yaml.Node, s *valuesSchema) {
		for i := 0; i < len(values.Content); i += 2 {
			name, value := path+values.Content[i].Value, values.Content[i+1]
			of := s.Properties[values.Content[i].Value]
			if of == nil {
				t.Fatalf("values.schema.json does not know %s", name)
			}
			if value.Kind == yaml.MappingNode && len(value.Content) > 0 && len(of.Properties) > 0 {
				fmt.Fprintf(&b, "| **%s** | | %s |\n", name, cell(of.Description))
				write(name+".", value, of)
				continue
			}
			fmt.Fprintf(&b, "| `%s` | %s | %s |\n", name, defaultOf(t, value), cell(of.Description))
		}
	}
	write("", document.Content[0], &schema)
	return b.String()
}

type valuesSchema struct {
	Description string                   `json:"description"`
	Properties  map[string]*valuesSchema `json:"properties"`
}

// defaultOf is a value on one line.
func defaultOf(t *testing.T, value *yaml.Node) string {
	t.Helper()
	var v any
	if err := value.Decode(&v); err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return "`" + cell(string(text)) + "`"
}

func cell(text string) string { return strings.ReplaceAll(text, "|", `\|`) }
