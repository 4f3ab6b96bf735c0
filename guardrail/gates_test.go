package guardrail

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/podcullis/podcullis/cluster/clustertest"
	"github.com/podcullis/podcullis/policies"
)

const anywhere = `{"from": {}, "to": {"podSelector": {"matchLabels": {"app": "none"}}}}`

// TestGates: the questions that decide whether a guardrail reports something are found
// where that is certain, and nowhere else. None of the questions here has an answer.
func TestGates(t *testing.T) {
	q := `netpol.opened(` + anywhere + `)`
	for name, test := range map[string]struct {
		body    string
		gates   []string // nil for a guardrail that has to be evaluated
		reports int
	}{
		"Some":                {body: `violation contains "x" if some c in ` + q, gates: []string{"netpol.opened"}},
		"Index":               {body: `violation contains "x" if ` + q + `[0].from`, gates: []string{"netpol.opened"}},
		"Grouped":             {body: `violation contains "x" if some c in netpol.grouped(` + q + `)`, gates: []string{"netpol.opened"}},
		"Comprehension":       {body: `violation contains "x" if some c in [c | some c in ` + q + `; not c.unknown]`, gates: []string{"netpol.opened"}},
		"AnotherRule":         {body: "violation contains \"x\" if some c in mine\nmine contains c if some c in " + q, gates: []string{"netpol.opened"}},
		"AKeyedRule":          {body: "violation contains \"x\" if some _, c in mine\nmine[n] contains c if { some n, c in " + q + " }", gates: []string{"netpol.opened"}},
		"TwoRules":            {body: "violation contains \"x\" if some c in " + q + "\nwarn contains \"x\" if some c in netpol.exposed({})", gates: []string{"netpol.exposed", "netpol.opened"}},
		"TwoClausesOfOne":     {body: "violation contains \"x\" if some c in " + q + "\nviolation contains \"y\" if some c in netpol.exposed({})", gates: []string{"netpol.exposed", "netpol.opened"}},
		"NeverHolds":          {body: "violation contains \"x\" if some c in " + q + "\nviolation contains \"y\" if { object.get(input.parameters, \"no\", false) == true; input.request.name == \"a\" }", gates: []string{"netpol.opened"}},
		"FalseBeyondDoubt":    {body: `violation contains "x" if { input.request.name == "a"; false }`},
		"ReadsTheRequest":     {body: `violation contains "x" if { input.request.name == "a"; some c in ` + q + ` }`, gates: []string{"netpol.opened"}},
		"OneWithoutAGate":     {body: "violation contains \"x\" if some c in " + q + "\nviolation contains \"y\" if input.request.name == \"a\"", reports: 1},
		"Count":               {body: `violation contains "x" if count(` + q + `) == 0`, reports: 1},
		"Not":                 {body: `violation contains "x" if not ` + q + `[0]`, reports: 1},
		"Every":               {body: `violation contains "x" if { every c in ` + q + ` { c.unknown } }`, reports: 1},
		"CountOfOthers":       {body: `violation contains "x" if { x := [c | some c in ` + q + `]; count(x) == 0 }`, reports: 1},
		"SumOfAComprehension": {body: `violation contains "x" if { x := {1 | some c in ` + q + `} | {2}; some y in x }`, reports: 1},
		"InAComprehension":    {body: `violation contains "x" if { y := [1 | true]; x := [z | some z in y; w := [c | some c in ` + q + `]; count(w) == 0]; some v in x }`, reports: 1},
		"AsksAboutTheRequest": {body: `violation contains "x" if some c in netpol.exposed({"podSelector": {"matchLabels": {"app": input.request.name}}})`},
		"With":                {body: `violation contains "x" if some c in ` + q + ` with netpol.opened as [1]`, reports: 1},
		"Else":                {body: "violation contains \"x\" if some c in mine\nmine := " + q + " if false\nelse := [1]", reports: 1},
		"Default":             {body: "violation contains \"x\" if some c in mine\ndefault mine := [1]", reports: 1},
		"AFunction":           {body: "violation contains \"x\" if some c in f(" + q + ")\nf(x) := array.concat(x, [1])", reports: 1},
		"LabelKeys":           {body: `violation contains "x" if some k in netpol.label_keys({"of": "namespaces"})`},
		"NoLabels":            {body: `violation contains "x" if not cluster.labels().before`, reports: 1},
		"AllNamespaces":       {body: `violation contains "x" if some n in cluster.namespaces()`, reports: 1},
	} {
		t.Run(name, func(t *testing.T) {
			e := engine(t, Deny, map[string]string{"a": test.body})
			in := named(e, "a")
			if diff := cmp.Diff(test.gates, gateNames(in.gates)); diff != "" || in.gated != (test.gates != nil) {
				t.Errorf("gated %v (-want +got):\n%s", in.gated, diff)
			}
			for _, gated := range []bool{in.gated, false} {
				in.gated = gated
				d, err := e.Evaluate(t.Context(), harmless(t))
				if err != nil {
					t.Fatal(err)
				}
				if got := len(d.Violations); got != test.reports {
					t.Errorf("gated %v: %d violations, want %d: %v", gated, got, test.reports, messages(d))
				}
			}
		})
	}
}

// harmless is one more pod of a workload that is shut off: it opens nothing.
func harmless(t *testing.T) Review {
	t.Helper()
	labels := clustertest.Labels("app=a")
	s := clustertest.Snapshot(t, clustertest.Namespace("shop", "team=web"),
		clustertest.Pod("shop/b", labels), clustertest.Netpol("shop/deny", "{podSelector: {}, policyTypes: [Ingress, Egress]}"))
	return review(t, s, nil, clustertest.Pod("shop/a", labels))
}

func gateNames(gates []gate) []string {
	var out []string
	for _, g := range gates {
		out = append(out, g.builtin.name)
	}
	slices.Sort(out)
	return out
}

// TestGatesOfWhatShips: an ordinary review evaluates no Rego.
func TestGatesOfWhatShips(t *testing.T) {
	l, err := LoadLibrary(Source{Name: "embedded", FS: policies.FS})
	if err != nil {
		t.Fatal(err)
	}
	const header = "apiVersion: podcullis.io/v1alpha1\nkind: Guardrails\nguardrails:\n- name: x\n  action: deny\n  guardrail: "
	const ends = "\n  parameters: {from: {}, to: {podSelector: {matchLabels: {app: b}}}}"
	for config, want := range map[string][]string{
		"default-deny":           {`netpol.exposed({"directions": ["Ingress", "Egress"]})`},
		"forbidden-paths" + ends: {`netpol.opened({"from": {}, "scope": "existing", "to": {"podSelector": {"matchLabels": {"app": "b"}}}})`, `netpol.barriers({"from": {}, "to": {"podSelector": {"matchLabels": {"app": "b"}}}})`},
		"required-paths" + ends:  {`netpol.closed({"from": {}, "otherAPIs": "unknown", "to": {"podSelector": {"matchLabels": {"app": "b"}}}})`},
	} {
		e, err := configure("c", header+config, l)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, g := range named(e, "x").gates {
			got = append(got, g.builtin.name+"("+g.args[0].String()+")")
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", config, diff)
		}
	}
}
