package gatekeeper

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/open-policy-agent/frameworks/constraint/pkg/apis"
	constraintclient "github.com/open-policy-agent/frameworks/constraint/pkg/client"
	"github.com/open-policy-agent/frameworks/constraint/pkg/client/drivers/rego"
	"github.com/open-policy-agent/frameworks/constraint/pkg/client/reviews"
	coretemplates "github.com/open-policy-agent/frameworks/constraint/pkg/core/templates"
	"github.com/open-policy-agent/gatekeeper/v3/pkg/target"
	admissionv1 "k8s.io/api/admission/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/yaml"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/cluster/manifest"
	"github.com/podcullis/podcullis/guardrail"
)

const point = "validation.gatekeeper.sh"

// theirs is Gatekeeper's client with a template, a constraint and what is synced.
type theirs struct{ *constraintclient.Client }

func newTheirs(t testing.TB, template, constraint string, synced []string) theirs {
	t.Helper()
	driver, err := rego.New()
	if err != nil {
		t.Fatal(err)
	}
	c, err := constraintclient.NewClient(constraintclient.Targets(&target.K8sValidationTarget{}), constraintclient.Driver(driver), constraintclient.EnforcementPoints(point))
	if err != nil {
		t.Fatal(err)
	}
	scheme := runtime.NewScheme()
	if err := apis.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	u := object(t, template)
	versioned, err := scheme.New(u.GroupVersionKind())
	if err != nil {
		t.Fatal(err)
	}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(u.Object, versioned); err != nil {
		t.Fatal(err)
	}
	scheme.Default(versioned)
	internal := &coretemplates.ConstraintTemplate{}
	if err := scheme.Convert(versioned, internal, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := c.AddTemplate(t.Context(), internal); err != nil {
		t.Fatal(err)
	}
	if _, err := c.AddConstraint(t.Context(), object(t, constraint)); err != nil {
		t.Fatal(err)
	}
	for _, text := range synced {
		if _, err := c.AddData(t.Context(), object(t, text)); err != nil {
			t.Fatal(err)
		}
	}
	return theirs{c}
}

func object(t testing.TB, text string) *unstructured.Unstructured {
	t.Helper()
	u := &unstructured.Unstructured{}
	raw, err := yaml.YAMLToJSON([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, &u.Object); err != nil {
		t.Fatal(err)
	}
	return u
}

func (c theirs) say(ctx context.Context, r *admissionv1.AdmissionRequest) ([]string, error) {
	responses, err := c.Review(ctx, target.AugmentedReview{AdmissionRequest: r, IsAdmission: true}, reviews.EnforcementPoint(point))
	if err != nil {
		return nil, err
	}
	var out []string
	for _, x := range responses.Results() {
		out = append(out, x.Msg)
	}
	slices.Sort(out)
	return out, nil
}

// ours is our engine with the same.
type ours struct {
	engine   *guardrail.Engine
	snapshot *cluster.Snapshot
}

func newOurs(t testing.TB, template, constraint string, synced []string) ours {
	t.Helper()
	l, err := guardrail.LoadLibrary(guardrail.Source{Name: "gk", FS: fstest.MapFS{"t.yaml": {Data: []byte(template)}, "c.yaml": {Data: []byte(constraint)}}})
	if err != nil {
		t.Fatal(err)
	}
	config, err := guardrail.ParseConfig("c.yaml", []byte("apiVersion: podcullis.io/v1alpha1\nkind: Guardrails\nguardrails: []"))
	if err != nil {
		t.Fatal(err)
	}
	e, err := guardrail.New(l, config)
	if err != nil {
		t.Fatal(err)
	}
	s := &cluster.Snapshot{}
	if len(synced) > 0 {
		set, err := manifest.Read(manifest.Input{Texts: []manifest.Text{{Name: "synced.yaml", Data: []byte(strings.Join(synced, "\n---\n"))}}, Entries: true})
		if err != nil {
			t.Fatal(err)
		}
		if s, err = set.Snapshot(); err != nil {
			t.Fatal(err)
		}
	}
	return ours{e, s}
}

func (o ours) say(ctx context.Context, r *admissionv1.AdmissionRequest) ([]string, error) {
	d, err := o.engine.Evaluate(ctx, guardrail.Review{Request: r, Before: o.snapshot, After: o.snapshot, Origin: guardrail.Admission, Time: time.Now()})
	var out []string
	for _, v := range d.Violations {
		out = append(out, v.Message)
	}
	slices.Sort(out)
	return out, err
}

func request(t testing.TB, operation admissionv1.Operation, text string) *admissionv1.AdmissionRequest {
	t.Helper()
	u := object(t, text)
	raw, err := u.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	r := &admissionv1.AdmissionRequest{
		UID: "u", Kind: metav1.GroupVersionKind(schema.GroupVersionKind(u.GroupVersionKind())), Namespace: u.GetNamespace(), Name: u.GetName(), Operation: operation,
	}
	if operation == admissionv1.Delete {
		r.OldObject.Raw = raw
	} else {
		r.Object.Raw = raw
	}
	return r
}

const labels = `apiVersion: templates.gatekeeper.sh/v1
kind: ConstraintTemplate
metadata: {name: wantedlabels}
spec:
  crd:
    spec:
      names: {kind: WantedLabels}
      validation: {openAPIV3Schema: {type: object, properties: {labels: {type: array, items: {type: string}}}}}
  targets:
  - target: admission.k8s.gatekeeper.sh
    rego: |
      package wantedlabels

      violation[{"msg": msg, "details": {"missing": missing}}] {
        there := {l | input.review.object.metadata.labels[l]}
        missing := {l | l := input.parameters.labels[_]} - there
        count(missing) > 0
        msg := sprintf("%v lacks %v", [input.review.object.metadata.name, missing])
      }
`

const hosts = `apiVersion: templates.gatekeeper.sh/v1
kind: ConstraintTemplate
metadata: {name: onehost}
spec:
  crd: {spec: {names: {kind: OneHost}}}
  targets:
  - target: admission.k8s.gatekeeper.sh
    rego: |
      package onehost

      violation[{"msg": msg}] {
        host := input.review.object.spec.rules[_].host
        other := data.inventory.namespace[ns][_]["Ingress"][name]
        other.spec.rules[_].host == host
        msg := sprintf("%v is served by %v/%v", [host, ns, name])
      }
`

func use(kind, spec string) string {
	return "apiVersion: constraints.gatekeeper.sh/v1beta1\nkind: " + kind + "\nmetadata: {name: x}\nspec: {" + spec + "}\n"
}

func ingress(namespace, name, host string) string {
	return fmt.Sprintf("apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {namespace: %s, name: %s}\nspec: {rules: [{host: %s, http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}]}}]}", namespace, name, host)
}

func pod(name, namespace, labels string) string {
	return fmt.Sprintf("apiVersion: v1\nkind: Pod\nmetadata: {name: %s, namespace: %s, labels: {%s}}\nspec: {containers: [{name: a, image: example.test/a}]}", name, namespace, labels)
}

func namespace(name, labels string) string {
	return fmt.Sprintf("apiVersion: v1\nkind: Namespace\nmetadata: {name: %s, labels: {%s}}", name, labels)
}

func TestBothSayTheSame(t *testing.T) {
	two := []string{ingress("shop", "a", "a.example.com"), ingress("bank", "b", "b.example.com"), namespace("shop", "stage: prod"), namespace("bank", "stage: test")}
	for name, tc := range map[string]struct {
		template, constraint string
		request              *admissionv1.AdmissionRequest
	}{
		"Missing":           {labels, use("WantedLabels", "parameters: {labels: [owner, team]}"), request(t, "CREATE", pod("web", "shop", "owner: me"))},
		"There":             {labels, use("WantedLabels", "parameters: {labels: [owner]}"), request(t, "CREATE", pod("web", "shop", "owner: me"))},
		"NoParameters":      {labels, use("WantedLabels", ""), request(t, "CREATE", pod("web", "shop", ""))},
		"Deleted":           {labels, use("WantedLabels", "parameters: {labels: [owner]}"), request(t, "DELETE", pod("web", "shop", ""))},
		"ByKind":            {labels, use("WantedLabels", `match: {kinds: [{apiGroups: [apps], kinds: ["*"]}]}, parameters: {labels: [owner]}`), request(t, "CREATE", pod("web", "shop", ""))},
		"ByPrefix":          {labels, use("WantedLabels", `match: {namespaces: [sh*]}, parameters: {labels: [owner]}`), request(t, "CREATE", pod("web", "shop", ""))},
		"Excluded":          {labels, use("WantedLabels", `match: {excludedNamespaces: ["*op"]}, parameters: {labels: [owner]}`), request(t, "CREATE", pod("web", "shop", ""))},
		"ANamespaceByScope": {labels, use("WantedLabels", `match: {scope: Cluster}, parameters: {labels: [owner]}`), request(t, "CREATE", namespace("new", ""))},
		"ByNamespaceLabels": {labels, use("WantedLabels", `match: {namespaceSelector: {matchLabels: {stage: prod}}}, parameters: {labels: [owner]}`), request(t, "CREATE", pod("web", "shop", ""))},
		"OtherNamespace":    {labels, use("WantedLabels", `match: {namespaceSelector: {matchLabels: {stage: prod}}}, parameters: {labels: [owner]}`), request(t, "CREATE", pod("web", "bank", ""))},
		"ByLabels":          {labels, use("WantedLabels", `match: {labelSelector: {matchLabels: {app: web}}}, parameters: {labels: [owner]}`), request(t, "CREATE", pod("web", "shop", "app: web"))},
		"ByName":            {labels, use("WantedLabels", `match: {name: "w*"}, parameters: {labels: [owner]}`), request(t, "CREATE", pod("web", "shop", ""))},
		"HostTaken":         {hosts, use("OneHost", ""), request(t, "CREATE", ingress("bank", "c", "a.example.com"))},
		"HostFree":          {hosts, use("OneHost", ""), request(t, "CREATE", ingress("bank", "c", "c.example.com"))},
	} {
		t.Run(name, func(t *testing.T) {
			want, err := newTheirs(t, tc.template, tc.constraint, two).say(t.Context(), tc.request)
			if err != nil {
				t.Fatal(err)
			}
			got, err := newOurs(t, tc.template, tc.constraint, two).say(t.Context(), tc.request)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-Gatekeeper +ours):\n%s", diff)
			}
		})
	}
}

// BenchmarkReview is one review of each, in turns: benchstat or an eye compares them.
func BenchmarkReview(b *testing.B) {
	var many []string
	for i := range 1000 {
		many = append(many, ingress(fmt.Sprintf("ns-%d", i%50), fmt.Sprintf("i-%d", i), fmt.Sprintf("h-%d.example.com", i)))
	}
	for _, bench := range []struct {
		name, template, constraint, object string
		synced                             []string
	}{
		{"RegoV0", labels, use("WantedLabels", "parameters: {labels: [owner]}"), pod("web", "shop", ""), nil},
		{"InventoryOf1000", hosts, use("OneHost", ""), ingress("ns-7", "new", "h-500.example.com"), many},
	} {
		r := request(b, "CREATE", bench.object)
		for _, side := range []struct {
			name string
			say  func(context.Context, *admissionv1.AdmissionRequest) ([]string, error)
		}{
			{"Gatekeeper", newTheirs(b, bench.template, bench.constraint, bench.synced).say},
			{"Podcullis", newOurs(b, bench.template, bench.constraint, bench.synced).say},
		} {
			b.Run(bench.name+"/"+side.name, func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if said, err := side.say(b.Context(), r); err != nil || len(said) != 1 {
						b.Fatal(said, err)
					}
				}
			})
		}
	}
}
