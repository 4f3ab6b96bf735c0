package guardrail

import (
	"strings"
	"testing"
	"testing/fstest"

	"github.com/open-policy-agent/opa/v1/types"
)

// What a builtin is asked is looked at when a guardrail is loaded: each that takes a question, as
// an object, has a form of it.
func TestEachQuestionHasAForm(t *testing.T) {
	for _, b := range builtins {
		_, has := questionOf(b.name)
		// netpol.fix takes a connection as another builtin gave it, and that stands in no guardrail.
		asks := b.name != "netpol.fix" && len(b.args) > 0 && types.Compare(b.args[0], object) == 0
		if has != asks {
			t.Errorf("%s takes a question: %v; there is a form of it: %v", b.name, asks, has)
		}
	}
}

// A question about what is unbounded is read like the others.
func TestUnboundedQuestionIsReadAtLoad(t *testing.T) {
	for question, want := range map[string]string{
		`{"podSelector": {"matchLabels": {"a": "b"}}, "except": [{"namespaceSelector": {}}], "directions": ["ingress"], "by": ["namespaces"], "manyPorts": 3}`: "",
		`{"exempt": []}`:                                 `netpol.unbounded: unknown field "exempt"`,
		`{"except": [{"cidr": "10.0.0.0/8"}]}`:           `netpol.unbounded: except: unknown field "cidr"`,
		`{"podSelector": {"matchLabel": {}}}`:            `netpol.unbounded: podSelector: unknown field "matchLabel"`,
		`{"by": ["everything"]}`:                         `netpol.unbounded: by: "everything" is not supported`,
		`{"manyPorts": -1}`:                              `netpol.unbounded: manyPorts: want at most`,
		`{"by": [input.parameters.by], "manyPorts": -1}`: `netpol.unbounded: manyPorts: want at most`,
	} {
		text := "# METADATA\n# title: T\n# description: D\n# custom: {severity: low, parameters: {type: object, properties: {by: {type: string}}}}\npackage guardrails.x\n\nviolation contains \"x\" if some _ in netpol.unbounded(" + question + ")\n"
		_, err := LoadLibrary(Source{Name: "t", FS: fstest.MapFS{"x.rego": {Data: []byte(text)}}})
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v, want %q", question, err, want)
		}
	}
}
