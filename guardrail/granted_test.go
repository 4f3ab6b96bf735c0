package guardrail

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	admissionv1 "k8s.io/api/admission/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/policies"
)

// Each namespace that has a part in a violation has to have granted it: that of the object
// that changes, and those of both ends.
func TestEachEndGrants(t *testing.T) {
	l, err := LoadLibrary(Source{Embedded, policies.FS})
	if err != nil {
		t.Fatal(err)
	}
	pod := func(namespace, name string) runtime.Object {
		return &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, Labels: map[string]string{"app": name}}}
	}
	shut := &networkingv1.NetworkPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: "back", Name: "shut"}, Spec: networkingv1.NetworkPolicySpec{PolicyTypes: []networkingv1.PolicyType{"Ingress"}}}
	opening := &networkingv1.NetworkPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: "back", Name: "open"}, Spec: networkingv1.NetworkPolicySpec{
		Ingress: []networkingv1.NetworkPolicyIngressRule{{From: []networkingv1.NetworkPolicyPeer{{NamespaceSelector: &metav1.LabelSelector{}}}}},
	}}
	model := func(objects ...runtime.Object) *cluster.Snapshot {
		var all []cluster.Object
		for _, o := range objects {
			m, err := cluster.FromAPI(o)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, m)
		}
		s, err := cluster.New(all...)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	granted := func(namespace string, m Match) Exemption {
		return Exemption{Name: namespace + "/x", Guardrails: []string{"web-never-reaches-db"}, Match: m, Reason: "of " + namespace, Expires: "2099-01-31"}.Granted(namespace)
	}
	now := time.Date(2026, 11, 28, 0, 0, 0, 0, time.UTC)
	for name, test := range map[string]struct {
		exempt     string // the names of the exemptions that let it pass
		exemptible bool
		granted    []Exemption
	}{
		"Nobody":              {"", true, nil},
		"TheDestinationAlone": {"", true, []Exemption{granted("back", Match{})}},
		"TheSourceAlone":      {"", true, []Exemption{granted("front", Match{})}},
		"Both":                {"back/x, front/x", true, []Exemption{granted("front", Match{}), granted("back", Match{})}},
		"NotExemptible":       {"", false, []Exemption{granted("front", Match{}), granted("back", Match{})}},
		"SomebodyElse":        {"", true, []Exemption{granted("other", Match{}), granted("back", Match{})}},
		"NamingTheEnds":       {"back/x, front/x", true, []Exemption{granted("front", Match{Workloads: []string{"Pod/web"}}), granted("back", Match{Workloads: []string{"db"}, Netpols: []string{"open"}})}},
		"NamingAnotherEnd":    {"", true, []Exemption{granted("front", Match{Workloads: []string{"other"}}), granted("back", Match{})}},
		"NamingAnotherNetpol": {"", true, []Exemption{granted("front", Match{}), granted("back", Match{Netpols: []string{"other"}})}},
		"NetpolsOfTheSource":  {"", true, []Exemption{granted("front", Match{Netpols: []string{"open"}}), granted("back", Match{})}},
		"OfAnotherKind":       {"", true, []Exemption{granted("front", Match{Kinds: kindList{"Pod"}}), granted("back", Match{})}},
		"OfAnotherUser":       {"", true, []Exemption{granted("front", Match{Users: []string{"other"}}), granted("back", Match{})}},
		"OfTheUser":           {"back/x, front/x", true, []Exemption{granted("front", Match{Users: []string{"ann"}}), granted("back", Match{})}},
	} {
		t.Run(name, func(t *testing.T) {
			c, err := ParseConfig("test.yaml", []byte(`
apiVersion: podcullis.io/v1alpha1
kind: Guardrails
guardrails:
- name: web-never-reaches-db
  guardrail: forbidden-paths
  action: deny
  parameters: {from: {podSelector: {matchLabels: {app: web}}}, to: {podSelector: {matchLabels: {app: db}}}}
`))
			if err != nil {
				t.Fatal(err)
			}
			c.Guardrails[0].Exemptible = test.exemptible
			for i := range test.granted {
				if faults := CheckGranted(&test.granted[i], []Instance{{Name: "web-never-reaches-db", Exemptible: true}}); len(faults) > 0 {
					t.Fatal(faults)
				}
			}
			if c, err = c.Extended(nil, test.granted); err != nil {
				t.Fatal(err)
			}
			e, err := New(l, c)
			if err != nil {
				t.Fatal(err)
			}
			before, after := model(pod("front", "web"), pod("back", "db"), shut), model(pod("front", "web"), pod("back", "db"), shut, opening)
			object, err := cluster.FromAPI(opening)
			if err != nil {
				t.Fatal(err)
			}
			r := Presented(cluster.Change{After: object}, Admission, now)
			r.Request.UserInfo.Username, r.Request.Operation = "ann", admissionv1.Create
			r.Before, r.After = before, after
			d, err := e.Evaluate(t.Context(), r)
			if err != nil {
				t.Fatal(err)
			}
			var got string
			for _, x := range d.Exempted {
				got = x.Exemption
			}
			if got != test.exempt || d.Denied() != (test.exempt == "") {
				t.Errorf("exempted by %q, denied %v; want %q", got, d.Denied(), test.exempt)
			}
		})
	}
}

// No constraint is among the guardrails that objects exempt from. A name that could be one is
// wrong in the object, and keeps nothing else out where it gets so far all the same.
func TestAnObjectExemptsFromNoConstraint(t *testing.T) {
	x := Exemption{Name: "back/x", Guardrails: []string{"K8sWanted/it"}, Reason: "r", Expires: "2099-01-31"}.Granted("back")
	faults := CheckGranted(&x, []Instance{{Name: "kept", Exemptible: true}})
	if len(faults) != 1 || faults[0].Error() != `guardrails[0]: no guardrail is named "K8sWanted/it"` {
		t.Errorf("faults: %v", faults)
	}
	l, err := LoadLibrary(Source{Embedded, policies.FS})
	if err != nil {
		t.Fatal(err)
	}
	c, err := ParseConfig("test.yaml", DefaultConfig)
	if err != nil {
		t.Fatal(err)
	}
	if c, err = c.Extended(nil, []Exemption{x}); err != nil {
		t.Fatal(err)
	}
	if _, err := New(l, c); err != nil {
		t.Error(err)
	}
}

// A namespace that leaves its tenant concerns the tenant, and no exemption of its own lets it.
func TestANamespaceDoesNotLetItselfLeaveItsTenant(t *testing.T) {
	l, err := LoadLibrary(Source{Embedded, policies.FS})
	if err != nil {
		t.Fatal(err)
	}
	c, err := ParseConfig("test.yaml", []byte(`
apiVersion: podcullis.io/v1alpha1
kind: Guardrails
guardrails:
- {name: tenants, guardrail: tenants-apart, action: deny, exemptible: true}
`))
	if err != nil {
		t.Fatal(err)
	}
	x := Exemption{Name: "front/x", Guardrails: []string{"tenants"}, Reason: "r", Expires: "2099-01-31"}.Granted("front")
	if faults := CheckGranted(&x, c.Guardrails); len(faults) > 0 {
		t.Fatal(faults)
	}
	if c, err = c.Extended(nil, []Exemption{x}); err != nil {
		t.Fatal(err)
	}
	e, err := New(l, c)
	if err != nil {
		t.Fatal(err)
	}
	namespace := func(labels map[string]string) (cluster.Object, *cluster.Snapshot) {
		o, err := cluster.FromAPI(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "front", Labels: labels}})
		if err != nil {
			t.Fatal(err)
		}
		s, err := cluster.New(o)
		if err != nil {
			t.Fatal(err)
		}
		return o, s
	}
	was, before := namespace(map[string]string{"tenant": "a"})
	now, after := namespace(nil)
	r := Presented(cluster.Change{Before: was, After: now}, Admission, time.Date(2026, 11, 28, 0, 0, 0, 0, time.UTC))
	r.Request.Operation, r.Before, r.After = admissionv1.Update, before, after
	d, err := e.Evaluate(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	if !d.Denied() || len(d.Exempted) > 0 {
		t.Errorf("denied %v, exempted %v", d.Denied(), d.Exempted)
	}
}

// What is left out, or does not say where it is, is not known.
func TestEndsOfAViolation(t *testing.T) {
	web := map[string]any{"namespace": "front", "kind": "Deployment", "name": "web"}
	db := map[string]any{"namespace": "back", "kind": "StatefulSet", "name": "db"}
	world := map[string]any{"cidr": "0.0.0.0/0"}
	for name, test := range map[string]struct {
		details any
		want    []string
		known   bool
	}{
		"None":        {nil, nil, true},
		"Text":        {"text", nil, false},
		"APath":       {map[string]any{"from": web, "to": db}, []string{"front/Deployment/web", "back/StatefulSet/db"}, true},
		"FromOutside": {map[string]any{"from": world, "to": db}, []string{"back/StatefulSet/db"}, true},
		"ALot":        {map[string]any{"from": web, "to": db, "connections": []any{map[string]any{"from": db, "to": world}}, "more": json.Number("3")}, nil, false},
		"Several":     {map[string]any{"connections": []any{map[string]any{"from": web, "to": world}, map[string]any{"from": db, "to": world}}}, []string{"front/Deployment/web", "back/StatefulSet/db"}, true},
		"AWorkload":   {map[string]any{"workload": web, "workloads": []any{web, db}}, []string{"front/Deployment/web", "back/StatefulSet/db"}, true},
		"Nowhere":     {map[string]any{"from": map[string]any{"name": "web"}, "to": db}, []string{"back/StatefulSet/db"}, false},
		"NoPeer":      {map[string]any{"from": "web", "to": db}, []string{"back/StatefulSet/db"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			ends, known := endsOf(&Violation{Details: test.details})
			var got []string
			for _, e := range ends {
				got = append(got, e.String())
			}
			if diff := cmp.Diff(test.want, got); diff != "" || known != test.known {
				t.Errorf("known %v, want %v; -want +got:\n%s", known, test.known, diff)
			}
		})
	}
}
