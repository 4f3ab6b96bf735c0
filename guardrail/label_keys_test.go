package guardrail

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/podcullis/podcullis/cluster/clustertest"
	"github.com/podcullis/podcullis/policies"
)

// keysEngine is an engine whose guardrail reports what netpol.label_keys answers, one line a key.
func keysEngine(t *testing.T, question, config string, files map[string]string) *Engine {
	t.Helper()
	all := map[string]string{"keys.rego": metadata + `package guardrails.keys
violation contains $"{k.key} {concat(",", k.values)} {object.get(k, "any", false)} {concat(", ", k.by)} {object.get(k, "more", 0)}" if some k in netpol.label_keys(` + question + `)`}
	for name, text := range files {
		all[name] = text
	}
	l, err := library(all)
	if err != nil {
		t.Fatal(err)
	}
	e, err := configure("c", "apiVersion: podcullis.io/v1alpha1\nkind: Guardrails\nguardrails:\n- {name: keys, guardrail: keys, action: deny}\n"+config, l)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func reported(t *testing.T, e *Engine, objects ...runtime.Object) []string {
	t.Helper()
	s := clustertest.Snapshot(t, append([]runtime.Object{clustertest.Namespace("shop"), clustertest.Namespace("crm")}, objects...)...)
	d, err := e.Evaluate(t.Context(), review(t, s, nil, clustertest.Pod("shop/a", clustertest.Labels("app=a"))))
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, v := range d.Violations {
		out = append(out, v.Message)
	}
	slices.Sort(out)
	return out
}

// TestLabelKeys: what looks at a label is found in netpols as far as they see the
// namespace, with the values that matter.
func TestLabelKeys(t *testing.T) {
	netpols := []runtime.Object{
		clustertest.Netpol("shop/db", `{podSelector: {matchLabels: {tier: db}}, ingress: [{from: [{podSelector: {matchExpressions: [{key: tier, operator: NotIn, values: [web]}]}}]}]}`),
		clustertest.Netpol("crm/own", `{podSelector: {matchLabels: {crm: x}}, ingress: [{from: [{podSelector: {matchLabels: {crmpeer: x}}}]}]}`),
		clustertest.Netpol("crm/wide", `{podSelector: {}, ingress: [{from: [{namespaceSelector: {matchLabels: {team: web}}, podSelector: {matchExpressions: [{key: role, operator: Exists}]}}, {ipBlock: {cidr: 10.0.0.0/8}}]}]}`),
	}
	for name, test := range map[string]struct {
		question string
		want     []string
	}{
		"OfPodsInOne":  {`{"of": "pods", "namespace": "shop"}`, []string{"role  true NetworkPolicy crm/wide 0", "tier db,web false NetworkPolicy shop/db 0"}},
		"OfPods":       {`{"of": "pods"}`, []string{"crm x false NetworkPolicy crm/own 0", "crmpeer x false NetworkPolicy crm/own 0", "role  true NetworkPolicy crm/wide 0", "tier db,web false NetworkPolicy shop/db 0"}},
		"OfSome":       {`{"of": "pods", "namespace": "shop", "keys": ["role", "crm", "none"]}`, []string{"role  true NetworkPolicy crm/wide 0"}},
		"OfNamespaces": {`{"of": "namespaces"}`, []string{"team web false NetworkPolicy crm/wide 0"}},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, reported(t, keysEngine(t, test.question, "", nil), netpols...)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestLabelKeysOfGuardrails: those of parameters, of match, of exemptions, and of Rego count.
func TestLabelKeysOfGuardrails(t *testing.T) {
	files := map[string]string{"own.rego": metadata + `package guardrails.own
import data.lib.mine
violation contains "x" if {
	some c in netpol.opened({"from": {"podSelector": {"matchLabels": {"own": input.request.name}}}, "to": {"namespaceSelector": {"matchExpressions": [{"key": "own-namespace", "operator": "Exists"}]}}})
	input.request.object.metadata.labels.read == c.x
	mine.shared == c.y
}`, "lib.rego": "package lib.mine\n\nshared := input.request.object.metadata.labels[\"shared/key\"]\n"}
	p, err := policies.FS.ReadFile("forbidden_paths.rego")
	if err != nil {
		t.Fatal(err)
	}
	lib, err := policies.FS.ReadFile("lib/paths.rego")
	if err != nil {
		t.Fatal(err)
	}
	possible, err := policies.FS.ReadFile("lib/possible.rego")
	if err != nil {
		t.Fatal(err)
	}
	files["forbidden_paths.rego"], files["paths.rego"], files["possible.rego"] = string(p), string(lib), string(possible)
	config := `- {name: own, guardrail: own, action: deny, match: {namespaceSelector: {matchLabels: {judged: "yes"}}}}
- name: paths
  guardrail: forbidden-paths
  action: deny
  parameters:
    from: [{except: [{podSelector: {matchLabels: {tier: backend}}}]}]
    to: {namespaceSelector: {matchLabels: {trust: high}}, podSelector: {matchLabels: {tier: db}}}
exemptions:
- {name: window, guardrails: [paths], reason: x, match: {namespaceSelector: {matchLabels: {moving: "yes"}}}}
`
	want := map[string][]string{
		`{"of": "pods"}`:       {"own  true guardrail own 0", "read  true guardrail own 0", "shared/key  true guardrail own 0", "tier backend,db false guardrail paths 0"},
		`{"of": "namespaces"}`: {"judged yes false guardrail own 0", "moving yes false exemption window 0", "own-namespace  true guardrail own 0", "read  true guardrail own 0", "shared/key  true guardrail own 0", "trust high false guardrail paths 0"},
	}
	for question, want := range want {
		got := reported(t, keysEngine(t, question, config, files))
		got = slices.DeleteFunc(got, func(s string) bool { return s == "x" })
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", question, diff)
		}
	}
}

// TestLabelKeysOfWhatDoesNotParse: it may look at any label.
func TestLabelKeysOfWhatDoesNotParse(t *testing.T) {
	broken := clustertest.Netpol("shop/broken", `{podSelector: {matchExpressions: [{key: tier, operator: Like, values: [x]}]}}`)
	s := clustertest.Snapshot(t, clustertest.Namespace("shop"), clustertest.Namespace("crm"))
	for question, want := range map[string][]string{
		`{"of": "pods", "namespace": "shop", "keys": ["a"]}`: {"a  true NetworkPolicy shop/broken 0"},
		`{"of": "pods", "namespace": "shop"}`:                {"*  true NetworkPolicy shop/broken 0"},
		`{"of": "pods", "namespace": "crm"}`:                 nil,
	} {
		r := review(t, s, nil, clustertest.Pod("shop/a"))
		r.After = clustertest.Apply(t, r.After, clustertest.Create(t, broken)...)
		d, err := keysEngine(t, question, "", nil).Evaluate(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, v := range d.Violations {
			got = append(got, v.Message)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", question, diff)
		}
	}
}

// TestLabelKeysAreBounded: neither many netpols nor many values make a long answer.
func TestLabelKeysAreBounded(t *testing.T) {
	var netpols []runtime.Object
	for i := range 30 {
		var values []string
		for n := range 5 {
			values = append(values, fmt.Sprintf("v%d-%d", i, n))
		}
		netpols = append(netpols, clustertest.Netpol(fmt.Sprintf("shop/n%02d", i), `{podSelector: {matchExpressions: [{key: tier, operator: In, values: [`+strings.Join(values, ",")+`]}]}}`))
	}
	got := reported(t, keysEngine(t, `{"of": "pods"}`, "", nil), netpols...)
	if len(got) != 1 || !strings.Contains(got[0], " true NetworkPolicy shop/n00, ") || !strings.HasSuffix(got[0], "shop/n09 20") {
		t.Errorf("got %q", got)
	}
}

func TestLabelKeysAskedWrongly(t *testing.T) {
	for question, want := range map[string]string{
		`{"of": "services"}`: `of: "services" is not supported; use pods or namespaces`,
		`{}`:                 `of: "" is not supported; use pods or namespaces`,
		`{"of": "namespaces", "namespace": "shop"}`:    `namespace: is for pods`,
		`object.union({"of": "pods", "key": "x"}, {})`: `unknown field "key"`,
	} {
		_, err := keysEngine(t, question, "", nil).Evaluate(t.Context(), anyPod(t))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", question, err, want)
		}
	}
}

// TestLabels: cluster.labels are those by which selectors choose, of whatever kind.
func TestLabels(t *testing.T) {
	e := engine(t, Deny, map[string]string{"a": `violation contains $"{cluster.labels().of} {object.get(cluster.labels(), "before", "none")} {object.get(cluster.labels(), "after", "none")}" if cluster.labels()`})
	s := clustertest.Snapshot(t, clustertest.Namespace("shop", "team=web"))
	pod, moved := clustertest.Pod("shop/a", clustertest.Labels("app=a")), clustertest.Pod("shop/a", clustertest.Labels("app=b"))
	for name, test := range map[string]struct {
		before, after runtime.Object
		want          []string
	}{
		"NewPod":    {nil, pod, []string{`deny a: pods none {"app": "a"}`}},
		"Relabel":   {pod, moved, []string{`deny a: pods {"app": "a"} {"app": "b"}`}},
		"Gone":      {pod, nil, []string{`deny a: pods {"app": "a"} none`}},
		"Template":  {nil, clustertest.CronJob("shop/c", clustertest.Labels("app=c")), []string{`deny a: pods none {"app": "c"}`}},
		"Namespace": {nil, clustertest.Namespace("crm", "team=crm"), []string{`deny a: namespaces none {"kubernetes.io/metadata.name": "crm", "team": "crm"}`}},
		"Netpol":    {nil, clustertest.Netpol("shop/n", "{}"), nil},
	} {
		t.Run(name, func(t *testing.T) {
			d, err := e.Evaluate(t.Context(), review(t, s, test.before, test.after))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, messages(d)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
