package regotest_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"
	admissionv1 "k8s.io/api/admission/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/guardrail"
	"github.com/podcullis/podcullis/guardrail/regotest"
)

// seen evaluates a guardrail whose rules begin at line 7 of g/labels.rego.
func seen(t *testing.T, rules string) (*regotest.Look, error) {
	t.Helper()
	head, _, _ := strings.Cut(labels, "violation contains")
	l, err := guardrail.LoadLibraryForAuthors(guardrail.Source{Name: "g", FS: fstest.MapFS{"labels.rego": {Data: []byte(head + rules)}}})
	if err != nil {
		t.Fatal(err)
	}
	config, err := guardrail.ParseConfig("c.yaml", []byte("apiVersion: podcullis.io/v1alpha1\nkind: Guardrails\nguardrails: [{name: labels, guardrail: labels, action: deny}]"))
	if err != nil {
		t.Fatal(err)
	}
	engine, err := guardrail.New(l, config)
	if err != nil {
		t.Fatal(err)
	}
	snapshot, err := cluster.New()
	if err != nil {
		t.Fatal(err)
	}
	look := regotest.NewLook()
	_, err = engine.Evaluate(guardrail.Through(t.Context(), look.Lens()), guardrail.Review{
		Request: &admissionv1.AdmissionRequest{
			Operation: admissionv1.Create, Kind: metav1.GroupVersionKind{Version: "v1", Kind: "Pod"}, Namespace: "shop", Name: "web",
			Object: runtime.RawExtension{Raw: []byte(`{"metadata": {"name": "web", "labels": {"app": "web"}}, "spec": {"hostNetwork": false, "volumes": [], "containers": [{"name": "a"}, {"name": "b"}]}}`)},
		},
		Before: snapshot, After: snapshot, Origin: guardrail.Admission, Time: time.Unix(0, 0),
	})
	return look, err
}

func TestWhyNothingIsReported(t *testing.T) {
	const object = "input.request.object."
	for name, tc := range map[string]struct {
		body string
		want []string
	}{
		"AMissingLabelUnderNot": {
			"labels := " + object + "metadata.labels\n\tnot labels.team in {\"a\", \"b\"}",
			[]string{"9 is undefined: labels.team"},
		},
		"AMissingFieldThatIsCompared": {
			object + "spec.hostPID == true",
			[]string{"8 is undefined: input.request.object.spec.hostPID"},
		},
		"AFieldThatIsFalse": {
			object + "spec.hostNetwork",
			[]string{"8 is not true: input.request.object.spec.hostNetwork"},
		},
		"AFieldThatDiffers": {
			object + "metadata.labels.app == \"db\"",
			[]string{"8 is not true: input.request.object.metadata.labels.app == \"db\""},
		},
		"AnotherOperation": {
			"input.request.operation == \"DELETE\"",
			[]string{"8 is not true: input.request.operation == \"DELETE\""},
		},
		"WhatIsUndefinedUnderNotIsNoHarm": {
			"not " + object + "metadata.labels.team\n\t1 == 2",
			[]string{"9 is not true: 1 == 2"},
		},
		"WhatIsDeniedIsTrue": {
			"not " + object + "metadata.labels.app",
			[]string{"8 is not true: not input.request.object.metadata.labels.app"},
		},
		"AMissingList": {
			"some c in " + object + "spec.initContainers\n\tc.name == \"a\"",
			[]string{"8 is undefined: input.request.object.spec.initContainers"},
		},
		"AnEmptyList": {
			"some v in " + object + "spec.volumes\n\tv.name == \"a\"",
			[]string{"8 is not true: some v in input.request.object.spec.volumes"},
		},
		"AFieldOfEachElementIsToldOnce": {
			"some c in " + object + "spec.containers\n\tc.securityContext.privileged",
			[]string{"9 is undefined: c.securityContext"},
		},
		"AKeyThatIsNoWord": {
			object + "metadata.labels[\"app.kubernetes.io/name\"] == \"web\"",
			[]string{"8 is undefined: input.request.object.metadata.labels[\"app.kubernetes.io/name\"]"},
		},
		"AKeyInAVariable": {
			"key := \"team\"\n\t" + object + "metadata.labels[key] == \"a\"",
			[]string{"9 is undefined: input.request.object.metadata.labels[key]"},
		},
		"AComprehensionEndsNoRuleAndIsTold": {
			"count([v | some v in " + object + "spec.initContainers]) > 0",
			[]string{"8 is not true: count([v | some v in input.request.object.spec.initContainers]) > 0", "8 is undefined: input.request.object.spec.initContainers"},
		},
		"NorDoesPrint": {
			"print(" + object + "spec.hostname)\n\t1 == 2",
			[]string{"9 is not true: 1 == 2"},
		},
		"WithinAComprehension": {
			"bad := [c | some c in " + object + "spec.containers; c.workingDir == \"a\"]\n\tcount(bad) > 0",
			[]string{"9 is not true: count(bad) > 0", "8 is undefined: c.workingDir"},
		},
		"WithinAFunction": {
			"f(" + object + "metadata.labels)\n}\n\nf(labels) if {\n\tlabels.team == \"a\"",
			[]string{"12 is undefined: labels.team"},
		},
		"WithinEvery": {
			"every c in " + object + "spec.containers {\n\t\tc.image == \"x\"\n\t}",
			[]string{"9 is undefined: c.image"},
		},
		"AHelper": {
			"privileged\n}\n\nprivileged if {\n\t" + object + "spec.hostIPC == true",
			[]string{"12 is undefined: input.request.object.spec.hostIPC"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			look, err := seen(t, "violation contains \"no\" if {\n\t"+tc.body+"\n}\n")
			if err != nil {
				t.Fatal(err)
			}
			if !look.Silent() {
				t.Fatal("it reports something")
			}
			var got []string
			for _, s := range look.Ended() {
				got = append(got, strings.TrimPrefix(s.String(), "g/labels.rego:"))
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestLookSeesWhatHappens(t *testing.T) {
	look, err := seen(t, "violation contains n.name if {\n\tprint(\"asking\", input.request.name)\n\tsome n in cluster.namespaces()\n\tcount(cluster.workloads(\"shop\")) == 0\n\tn.name != \"\"\n}\n\nwarn contains \"w\" if input.request.object.kind != 1\n\ndeny contains \"d\"\n")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]regotest.Printed{{File: "g/labels.rego", Line: 8, Text: "asking web"}}, look.Printed); diff != "" {
		t.Errorf("printed (-want +got):\n%s", diff)
	}
	var asked []string
	for _, a := range look.Asked {
		asked = append(asked, fmt.Sprintf("%s%v = %v", a.Builtin, a.Operands, a.Answer))
	}
	if diff := cmp.Diff([]string{"cluster.namespaces[] = []"}, asked); diff != "" {
		t.Errorf("asked (-want +got):\n%s", diff)
	}
	want := []regotest.Rule{{Name: "deny", Values: []any{"d"}}, {Name: "violation", Values: []any{}}, {Name: "warn", Values: []any{}}}
	if diff := cmp.Diff(want, look.Rules); diff != "" {
		t.Errorf("rules (-want +got):\n%s", diff)
	}
	if look.Silent() {
		t.Error("it is silent, and reports d")
	}
}

// The server drops print: what it is called with is not even evaluated.
func TestServerPrintsNothing(t *testing.T) {
	l, err := guardrail.LoadLibrary(source("")[0])
	if err != nil {
		t.Fatal(err)
	}
	config, err := guardrail.ParseConfig("c.yaml", []byte("apiVersion: podcullis.io/v1alpha1\nkind: Guardrails\nguardrails: [{name: labels, guardrail: labels, action: deny}]"))
	if err != nil {
		t.Fatal(err)
	}
	engine, err := guardrail.New(l, config)
	if err != nil {
		t.Fatal(err)
	}
	snapshot, err := cluster.New()
	if err != nil {
		t.Fatal(err)
	}
	look := regotest.NewLook()
	d, err := engine.Evaluate(guardrail.Through(t.Context(), look.Lens()), guardrail.Review{
		Request: &admissionv1.AdmissionRequest{Operation: admissionv1.Create, Kind: metav1.GroupVersionKind{Version: "v1", Kind: "Pod"}, Name: "web", Object: runtime.RawExtension{Raw: []byte("{}")}},
		Before:  snapshot, After: snapshot, Origin: guardrail.Admission,
	})
	if err != nil || len(d.Violations) != 1 {
		t.Fatalf("got %v, %v; want a violation", d, err)
	}
	if len(look.Printed) > 0 {
		t.Errorf("printed %v in a library of the server", look.Printed)
	}
}
