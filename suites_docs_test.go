package podcullis_test

import (
	"encoding/json"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"
	"sigs.k8s.io/yaml"

	"github.com/podcullis/podcullis/guardrail/suite"
	"github.com/podcullis/podcullis/internal/schematest"
)

// TestSuiteSchema holds every suite of the repository against the published schema; and what
// podcullis test refuses for its shape, the schema refuses, too.
func TestSuiteSchema(t *testing.T) {
	schema := schematest.Published(t, ".", "suite.schema.json")
	found := 0
	validate := func(where, text string) {
		if !suite.LooksLike([]byte(text)) {
			return
		}
		found++
		if _, err := suite.Parse(where, []byte(text)); err != nil {
			t.Error(err)
		}
		for doc := range strings.SplitSeq(text, "\n---\n") {
			raw, err := yaml.YAMLToJSON([]byte(doc))
			if err != nil {
				t.Fatalf("%s: %v", where, err)
			}
			if suite.LooksLike([]byte(doc)) {
				t.Log(where)
				schematest.Validate(t, schema, raw)
			}
		}
	}
	for _, file := range documents(t) {
		for _, text := range fences(read(t, file), "yaml") {
			validate(file, text)
		}
	}
	for _, dir := range []string{"policies", "examples", "test/scenarios"} {
		err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err == nil && !d.IsDir() && filepath.Ext(path) == ".yaml" {
				validate(path, read(t, path))
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"suite"} {
		script, err := txtar.ParseFile("cmd/podcullis/testdata/script/" + name + ".txtar")
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range script.Files {
			if !strings.HasPrefix(f.Name, "broken/") && !strings.HasPrefix(f.Name, "unable/") {
				validate(f.Name, string(f.Data))
			}
		}
	}
	if found < 8 {
		t.Errorf("only %d suites", found)
	}

	const head = "apiVersion: podcullis.io/v1alpha1\nkind: Suite\nguardrail: default-deny\n"
	for name, text := range map[string]string{
		"NoTests":            head,
		"EmptyTests":         head + "tests: []\n",
		"UnknownField":       head + "clutser: x\ntests: [{name: a, create: a, assertions: [{verdict: denied}]}]\n",
		"UnknownFieldOfTest": head + "tests: [{name: a, create: a, crate: b, assertions: [{verdict: denied}]}]\n",
		"NoChange":           head + "tests: [{name: a, assertions: [{verdict: denied}]}]\n",
		"NoName":             head + "tests: [{create: a, assertions: [{verdict: denied}]}]\n",
		"NoAssertions":       head + "tests: [{name: a, create: a}]\n",
		"EmptyAssertion":     head + "tests: [{name: a, create: a, assertions: [{}]}]\n",
		"AnotherVerdict":     head + "tests: [{name: a, create: a, assertions: [{verdict: refused}]}]\n",
		"AnotherAmount":      head + "tests: [{name: a, create: a, assertions: [{violations: -1}]}]\n",
		"NotFixed":           head + "tests: [{name: a, create: a, assertions: [{fixed: false}]}]\n",
		"EmptyExpression":    head + "tests: [{name: a, create: a, assertions: [{message: ''}]}]\n",
		"SkipWithoutReason":  head + "tests: [{name: a, skip: true, create: a, assertions: [{verdict: denied}]}]\n",
		"AnotherAction":      head + "action: refuse\ntests: [{name: a, create: a, assertions: [{verdict: denied}]}]\n",
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := suite.Parse("s.yaml", []byte(text)); err == nil {
				t.Error("podcullis test takes it")
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
