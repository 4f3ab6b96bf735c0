package guardrail

import (
	"testing"
	"time"

	admissionv1 "k8s.io/api/admission/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/policies"
)

// Audit and CLI report a path once, with one object. That must be an object that
// the guardrail judges, or the path is reported with none.
func TestAPathIsReportedWithAnObjectThatIsJudged(t *testing.T) {
	pod := func(namespace, name string) *corev1.Pod {
		return &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, Labels: map[string]string{"app": name}}}
	}
	objects := map[string]runtime.Object{
		"Pod":           pod("shop", "web"),
		"Pod ":          pod("data", "db"),
		"NetworkPolicy": &networkingv1.NetworkPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: "data", Name: "db"}, Spec: networkingv1.NetworkPolicySpec{Ingress: []networkingv1.NetworkPolicyIngressRule{{}}}},
	}
	tests := map[string]struct{ match, exclude, home string }{
		"TheNetpolThatLetsItIn":                {"{}", "[]", "data/NetworkPolicy/db"},
		"TheSourceWhenOnlyItsNamespaceMatches": {"{namespaces: [shop]}", "[]", "shop/Pod/web"},
		"TheSourceWhenTheOthersAreExcluded":    {"{}", "[data]", "shop/Pod/web"},
		"APodWhenOnlyPodsMatch":                {"{kinds: [Pod]}", "[]", "data/Pod/db"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			l, err := LoadLibrary(Source{"embedded", policies.FS})
			if err != nil {
				t.Fatal(err)
			}
			c, err := ParseConfig("test.yaml", []byte(`
apiVersion: podcullis.io/v1alpha1
kind: Guardrails
exclude: {namespaces: `+test.exclude+`}
guardrails:
- name: web-never-reaches-db
  guardrail: forbidden-paths
  action: deny
  match: `+test.match+`
  parameters: {from: {podSelector: {matchLabels: {app: web}}}, to: {podSelector: {matchLabels: {app: db}}}}
`))
			if err != nil {
				t.Fatal(err)
			}
			e, err := New(l, c)
			if err != nil {
				t.Fatal(err)
			}
			var model []cluster.Object
			var reviews []Review
			for _, o := range objects {
				m, err := cluster.FromAPI(o)
				if err != nil {
					t.Fatal(err)
				}
				model = append(model, m)
				reviews = append(reviews, Review{
					Request: &admissionv1.AdmissionRequest{Operation: admissionv1.Create, Namespace: m.Ref().Namespace, Name: m.Ref().Name},
					Change:  cluster.Change{After: m}, Origin: CLI, Time: time.Unix(0, 0),
				})
			}
			after, err := cluster.New(model...)
			if err != nil {
				t.Fatal(err)
			}
			decisions, err := e.EvaluateAll(t.Context(), &cluster.Snapshot{}, after, reviews)
			if err != nil {
				t.Fatal(err)
			}
			var homes []string
			for i, d := range decisions {
				for range d.Violations {
					homes = append(homes, reviews[i].Change.Ref().String())
				}
			}
			if len(homes) != 1 || homes[0] != test.home {
				t.Errorf("reported with %v, want once with %s", homes, test.home)
			}
		})
	}
}
