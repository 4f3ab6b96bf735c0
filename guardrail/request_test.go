package guardrail

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"
	admissionv1 "k8s.io/api/admission/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/randfill"
)

// TestTheRequestIsTheDocumentThatItIsInJSON, whichever way it was written.
func TestTheRequestIsTheDocumentThatItIsInJSON(t *testing.T) {
	fill := randfill.NewWithSeed(1).NilChance(.3).NumElements(0, 3).Funcs(
		func(o *runtime.RawExtension, c randfill.Continue) {
			if c.Intn(10) == 0 {
				o.Raw = []byte(`{"metadata":{"name":"x"}}`)
			}
		},
	)
	for range 500 {
		var r admissionv1.AdmissionRequest
		fill.Fill(&r)
		raw, err := json.Marshal(&r)
		if err != nil {
			t.Fatal(err)
		}
		want, err := ast.ValueFromReader(bytes.NewReader(raw))
		if err != nil {
			t.Fatal(err)
		}
		got, err := requestTerm(&r, nil)
		if err != nil {
			t.Fatal(err)
		}
		if got.Value.Compare(want) != 0 {
			t.Fatalf("got  %v\nwant %v", got.Value, want)
		}
	}
}

// Only the fields of the request that a guardrail may read are written for it.
func TestFieldsOfTheRequestThatAreRead(t *testing.T) {
	for body, want := range map[string][]string{
		`netpol.opened({"from": {}, "to": {}})[_]`:                              nil,
		`input.parameters.x; input.time`:                                        nil,
		`input.request.operation == "CREATE"`:                                   {"operation"},
		`input.review.kind.kind == "Pod"; input.request.name`:                   {"kind", "name"},
		`input.request.userInfo.groups[_] == input.request.subResource`:         {"subResource", "userInfo"},
		`data.lib.reader.who`:                                                   {"userInfo"},
		`input.request.object.metadata.labels[input.request.namespace]`:         {"namespace", "object"},
		`r := input.request; r.uid`:                                             envelopeFields,
		`some k; input.request[k]`:                                              envelopeFields,
		`object.get(input, "request", {})`:                                      envelopeFields,
		`input.request.name with input as {"request": {"name": "x"}}`:           envelopeFields,
		`[x | x := input.review]; input.request.operation`:                      envelopeFields,
		`every x in [input.request.dryRun] { x }; input.request.oldObject.kind`: {"oldObject", "dryRun"},
	} {
		l, err := library(map[string]string{
			"a.rego":   metadata + "#   parameters: {additionalProperties: true}\npackage guardrails.a\nviolation contains \"x\" if {\n" + strings.ReplaceAll(body, "; ", "\n") + "\n}\n",
			"lib.rego": "package lib.reader\nwho := input.request.userInfo.username\n",
		})
		if err != nil {
			t.Errorf("%s: %v", body, err)
			continue
		}
		if g, _ := l.Guardrail("a"); !slices.Equal(g.requestFields, want) {
			t.Errorf("`%s` reads %v of the request, want %v", body, g.requestFields, want)
		}
	}
}
