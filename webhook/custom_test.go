package webhook

import (
	"testing"

	admissionv1 "k8s.io/api/admission/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/yaml"

	"github.com/podcullis/podcullis/cluster"
)

func TestCustomChange(t *testing.T) {
	kind := cluster.Custom{
		GroupVersionResource: schema.GroupVersionResource{Group: "argoproj.io", Version: "v1alpha1", Resource: "rollouts"},
		Kind:                 "Rollout", Path: []string{"spec", "template"},
	}
	const (
		one    = "{metadata: {name: web, namespace: s}, spec: {template: {metadata: {labels: {v: one}}, spec: {containers: [{image: c, env: 3}]}}}}"
		two    = "{metadata: {name: web}, spec: {template: {metadata: {labels: {v: two}}}}}"
		ref    = "{metadata: {name: web}, spec: {workloadRef: {}}}"
		broken = "{metadata: {name: web}, spec: {template: {metadata: {labels: {v: 1}}}}}"
		last   = "{metadata: {name: web, deletionTimestamp: '2026-01-01T00:00:00Z'}, spec: {template: {metadata: {labels: {v: two}}}}}"
	)
	for name, tt := range map[string]struct {
		operation                      admissionv1.Operation
		version, subresource, old, new string
		before, after                  string // labels; none for nothing
		err                            string
	}{
		"Create":           {operation: "CREATE", new: one, after: "v=one"},
		"CreateGenerated":  {operation: "CREATE", new: "{metadata: {generateName: web-}, spec: {template: {metadata: {labels: {v: one}}}}}", after: "v=one"},
		"CreateReference":  {operation: "CREATE", new: ref},
		"CreateBroken":     {operation: "CREATE", new: broken, err: "request.object: is no Rollout that can be read: spec.template: json: cannot unmarshal number into Go struct field .metadata.labels of type string"},
		"Update":           {operation: "UPDATE", old: one, new: two, before: "v=one", after: "v=two"},
		"UpdateToRef":      {operation: "UPDATE", old: one, new: ref, before: "v=one"},
		"UpdateFromRef":    {operation: "UPDATE", old: ref, new: two, after: "v=two"},
		"UpdateFromBroken": {operation: "UPDATE", old: broken, new: two, after: "v=two"},
		"UpdateToBroken":   {operation: "UPDATE", old: one, new: broken, err: "request.object: is no Rollout that can be read: spec.template: json: cannot unmarshal number into Go struct field .metadata.labels of type string"},
		"LastFinalizer":    {operation: "UPDATE", old: one, new: last, before: "v=one"},
		"Delete":           {operation: "DELETE", old: one, before: "v=one"},
		"DeleteBroken":     {operation: "DELETE", old: broken},
		"DeleteWithout":    {operation: "DELETE", err: "request.oldObject: missing, and DELETE needs it"},
		"Scale":            {operation: "UPDATE", subresource: "scale"},
		"OtherVersion":     {operation: "CREATE", version: "v1", new: one, err: `request.kind: version "v1" of Rollout is not understood, want v1alpha1 as in extraWorkloads: register the webhook with matchPolicy Equivalent`},
		"OtherNamespace":   {operation: "CREATE", new: "{metadata: {name: web, namespace: t}}", err: `request.object.metadata.namespace: "t", but request.namespace is "s"`},
		"NoName":           {operation: "CREATE", new: "{spec: {}}", err: "request.object.metadata.name: missing"},
		"Connect":          {operation: "CONNECT", err: `operation "CONNECT" is not one that Podcullis judges: want CREATE, UPDATE or DELETE`},
	} {
		t.Run(name, func(t *testing.T) {
			raw := func(text string) runtime.RawExtension {
				if text == "" {
					return runtime.RawExtension{}
				}
				b, err := yaml.YAMLToJSON([]byte(text))
				if err != nil {
					t.Fatal(err)
				}
				return runtime.RawExtension{Raw: b}
			}
			if tt.version == "" {
				tt.version = "v1alpha1"
			}
			j := NewJudge(JudgeOptions{Custom: []cluster.Custom{kind}})
			change, err := j.changeFrom(&admissionv1.AdmissionRequest{
				Kind: metav1.GroupVersionKind{Group: "argoproj.io", Version: tt.version, Kind: "Rollout"}, Namespace: "s",
				Operation: tt.operation, SubResource: tt.subresource, Object: raw(tt.new), OldObject: raw(tt.old),
			}, &cluster.Snapshot{})
			if got := errorText(err); got != tt.err {
				t.Fatalf("error %q, want %q", got, tt.err)
			}
			for side, pair := range map[string][2]string{"before": {labelsOf(change.Before), tt.before}, "after": {labelsOf(change.After), tt.after}} {
				if pair[0] != pair[1] {
					t.Errorf("%s: %q, want %q", side, pair[0], pair[1])
				}
			}
		})
	}
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func labelsOf(o cluster.Object) string {
	if o == nil {
		return ""
	}
	return o.(*cluster.Template).Labels.String()
}
