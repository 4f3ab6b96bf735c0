package guardrail

import (
	"context"
	"strings"
	"testing"

	admissionv1 "k8s.io/api/admission/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/cluster/clustertest"
)

// A bare kind that the model knows is that of its API; any other bare kind is
// that of every API; Kind.group is one.
func TestGroupsCountAsWellAsKinds(t *testing.T) {
	tests := map[string]struct {
		kinds, match string
		yes, no      []string
	}{
		"BareKindsOfTheModel": {
			kinds: "[Pod, NetworkPolicy, Deployment]",
			yes:   []string{"Pod", "NetworkPolicy.networking.k8s.io", "Deployment.apps"},
			no:    []string{"Pod.example.com", "NetworkPolicy.crd.antrea.io", "Deployment", "Deployment.extensions", "Service", "pod"},
		},
		"ABareKindOfAnyAPI": {
			kinds: "[Service]",
			yes:   []string{"Service", "Service.serving.knative.dev"},
			no:    []string{"Pod"},
		},
		"AKindOfOneAPI": {
			kinds: "[Service.serving.knative.dev, NetworkPolicy.crd.antrea.io]",
			yes:   []string{"Service.serving.knative.dev", "NetworkPolicy.crd.antrea.io"},
			no:    []string{"Service", "NetworkPolicy.networking.k8s.io", "NetworkPolicy.crd.projectcalico.org"},
		},
		"Narrowed": {
			kinds: "[Service, Pod]", match: "{kinds: [Service.serving.knative.dev]}",
			yes: []string{"Service.serving.knative.dev"},
			no:  []string{"Service", "Pod"},
		},
		"All": {yes: []string{"Pod", "Pod.example.com", "Lease.coordination.k8s.io"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			head := metadata
			if test.kinds != "" {
				head = strings.TrimSuffix(metadata, "\n") + "\n#   kinds: " + test.kinds + "\n"
			}
			l, err := library(map[string]string{"a.rego": head + "package guardrails.a\nviolation contains \"x\"\n"})
			if err != nil {
				t.Fatal(err)
			}
			match := test.match
			if match == "" {
				match = "{}"
			}
			e, err := configure("c", "apiVersion: podcullis.io/v1alpha1\nkind: Guardrails\nguardrails: [{name: a, guardrail: a, action: deny, match: "+match+"}]\n", l)
			if err != nil {
				t.Fatal(err)
			}
			ask := func(kinds []string, want bool) {
				t.Helper()
				for _, text := range kinds {
					kind := schema.ParseGroupKind(text)
					if got := e.Judges(kind); got != want {
						t.Errorf("judges %q: %t, want %t", text, got, want)
					}
					d, err := e.Evaluate(context.Background(), Review{
						Request: &admissionv1.AdmissionRequest{Kind: metav1.GroupVersionKind{Group: kind.Group, Version: "v1", Kind: kind.Kind}, Operation: admissionv1.Create, Namespace: "shop", Name: "x"},
						Before:  &cluster.Snapshot{}, After: clustertest.Snapshot(t, clustertest.Namespace("shop")), Origin: Admission,
					})
					if err != nil || (len(d.Violations) == 1) != want {
						t.Errorf("%q: %v, %v; want a violation: %t", text, messages(d), err, want)
					}
				}
			}
			ask(test.yes, true)
			ask(test.no, false)
		})
	}
}
