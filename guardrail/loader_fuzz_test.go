package guardrail

import (
	"strings"
	"testing"
	"testing/fstest"

	"github.com/podcullis/podcullis/policies"
)

// FuzzConfig: whatever the text, there is a configuration that an engine takes or refuses, or
// an error that names the file; and never one without a guardrail.
func FuzzConfig(f *testing.F) {
	const head = "apiVersion: podcullis.io/v1alpha1\nkind: Guardrails\n"
	for _, body := range []string{
		"guardrails:\n- {name: a, guardrail: default-deny, action: deny}\n",
		"guardrails:\n- {name: a, guardrail: forbidden-paths, action: warn, parameters: {from: {podSelector: {}}, to: {}}}\nexemptions:\n- {name: x, guardrails: [a], match: {namespaces: [b]}, reason: r, expires: \"2099-01-31\"}\n",
		"guardrails: []\n", "podNetwork: [10.0.0.0/8]\nextraWorkloads: [argo-rollouts]\nexclude: {namespaces: [x]}\nguardrails: [{name: a, guardrail: nobody, action: audit}]\n",
		"guardrails: &a [*a]\n", "---\n---\n", "guardrails: [{name: a, guardrail: default-deny, action: deny, match: {namespaceSelector: {matchExpressions: [{key: a, operator: Never}]}}}]\n",
	} {
		f.Add([]byte(head + body))
	}
	library, err := LoadLibrary(Source{Name: "embedded", FS: policies.FS})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		config, err := ParseConfig("guardrails.yaml", text)
		if err != nil {
			if !strings.Contains(err.Error(), "guardrails.yaml") {
				t.Errorf("the error does not name the file: %v", err)
			}
			return
		}
		if engine, err := New(library, config); err == nil && len(engine.Guardrails()) == 0 {
			t.Errorf("an engine without a guardrail, which allows everything, of %q", text)
		}
	})
}

// FuzzLibrary: whatever a Rego file holds, it is a library whose guardrails say who they are,
// or an error that names the file.
func FuzzLibrary(f *testing.F) {
	const head = "# METADATA\n# title: T\n# description: D\n# custom:\n#   severity: high\npackage guardrails.one\n\nimport rego.v1\n\n"
	for _, body := range []string{
		`violation contains {"msg": "x"} if input.request.operation == "CREATE"`, `deny contains "x" if true`, `violation contains {"msg": "x"} if http.send({})`,
		`violation contains {"msg": sprintf("%9999999d", [1])}`, `p(x) := p(x)`, `violation[x] { x := 1 }`, "",
	} {
		f.Add(head + body)
	}
	f.Add("package other\n")
	f.Fuzz(func(t *testing.T, text string) {
		library, err := LoadLibrary(Source{Name: "dir", FS: fstest.MapFS{"one.rego": {Data: []byte(text)}}})
		if err != nil {
			if !strings.Contains(err.Error(), "one.rego") {
				t.Errorf("the error does not name the file: %v", err)
			}
			return
		}
		for _, g := range library.Guardrails() {
			if g.ID == "" || g.Title == "" || g.Severity == "" {
				t.Errorf("guardrail %+v", g)
			}
		}
	})
}
