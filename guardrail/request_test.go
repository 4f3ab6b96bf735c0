package guardrail

import (
	"bytes"
	"encoding/json"
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
		got, err := requestTerm(&r)
		if err != nil {
			t.Fatal(err)
		}
		if got.Value.Compare(want) != 0 {
			t.Fatalf("got  %v\nwant %v", got.Value, want)
		}
	}
}
