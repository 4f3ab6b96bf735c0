package webhook

import (
	"strings"
	"testing"
	"testing/fstest"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/podcullis/podcullis/guardrail"
	"github.com/podcullis/podcullis/policies"
)

// What may be one of our kinds in disguise is refused. A webhook that is registered
// for more than ours must not let it pass as something that nobody judges.
func TestOneOfOursByAnotherNameIsRefused(t *testing.T) {
	pods := metav1.GroupVersionResource{Version: "v1", Resource: "pods"}
	tests := map[string]struct {
		kind        metav1.GroupVersionKind
		resource    metav1.GroupVersionResource
		subResource string
		want        string // "" for allowed, with a warning
	}{
		"AnOlderVersion":              {kind: metav1.GroupVersionKind{Group: "apps", Version: "v1beta1", Kind: "Deployment"}, want: `request.kind: version "v1beta1" of Deployment is not understood, want v1`},
		"AnOlderVersionOfANetpol":     {kind: metav1.GroupVersionKind{Group: "networking.k8s.io", Version: "v1beta1", Kind: "NetworkPolicy"}, want: `version "v1beta1" of NetworkPolicy`},
		"AVersionOfABinding":          {kind: metav1.GroupVersionKind{Version: "v2", Kind: "Binding"}, resource: pods, subResource: "binding", want: "request.resource: pods/binding of kind v2 Binding is a way to write pods"},
		"ItsFormerGroup":              {kind: metav1.GroupVersionKind{Group: "extensions", Version: "v1beta1", Kind: "Deployment"}, want: "Kubernetes has no extensions/v1beta1 Deployment, but apps/v1 Deployment: register"},
		"ANetpolOfItsFormerGroup":     {kind: metav1.GroupVersionKind{Group: "extensions", Version: "v1beta1", Kind: "NetworkPolicy"}, want: "but networking.k8s.io/v1 NetworkPolicy"},
		"AnotherGroupOfKubernetes":    {kind: metav1.GroupVersionKind{Group: "batch", Version: "v1", Kind: "Pod"}, want: "Kubernetes has no batch/v1 Pod, but v1 Pod"},
		"TheCoreGroup":                {kind: metav1.GroupVersionKind{Version: "v1", Kind: "Deployment"}, want: "Kubernetes has no v1 Deployment"},
		"SmallLetters":                {kind: metav1.GroupVersionKind{Version: "v1", Kind: "pod"}, want: "Kubernetes has no v1 pod, but v1 Pod"},
		"CapitalLetters":              {kind: metav1.GroupVersionKind{Group: "networking.k8s.io", Version: "v1", Kind: "NETWORKPOLICY"}, want: "but networking.k8s.io/v1 NetworkPolicy"},
		"ASubresourceOfALaterVersion": {kind: metav1.GroupVersionKind{Version: "v1", Kind: "PodLabels"}, resource: pods, subResource: "labels", want: "request.resource: pods/labels of kind v1 PodLabels is a way to write pods that Podcullis does not know"},
		"TheResourceOfAnotherKind":    {kind: metav1.GroupVersionKind{Group: "example.com", Version: "v1", Kind: "Pod"}, resource: pods, want: "request.resource: pods of kind example.com/v1 Pod"},
		"TheResourceInCapitals":       {kind: metav1.GroupVersionKind{Version: "v1", Kind: "Thing"}, resource: metav1.GroupVersionResource{Version: "v1", Resource: "Pods"}, want: "request.resource: Pods of kind v1 Thing"},
		"ThePodOfAnotherAPI":          {kind: metav1.GroupVersionKind{Group: "example.com", Version: "v1", Kind: "Pod"}, resource: metav1.GroupVersionResource{Group: "example.com", Version: "v1", Resource: "pods"}},
		"TheNetpolOfACNI":             {kind: metav1.GroupVersionKind{Group: "crd.projectcalico.org", Version: "v1", Kind: "NetworkPolicy"}, resource: metav1.GroupVersionResource{Group: "crd.projectcalico.org", Version: "v1", Resource: "networkpolicies"}},
		"TheNamespaceOfAnotherAPI":    {kind: metav1.GroupVersionKind{Group: "example.com", Version: "v1", Kind: "Namespace"}},
		"AScale":                      {kind: metav1.GroupVersionKind{Group: "autoscaling", Version: "v1", Kind: "Scale"}, resource: metav1.GroupVersionResource{Group: "apps", Version: "v1", Resource: "deployments"}, subResource: "scale"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			for _, operation := range []string{"CREATE", "UPDATE", "DELETE"} {
				j, _, _ := newShop(t, JudgeOptions{Remember: true})
				text := strings.Replace(allowAllText, "allow-all", "x", 1)
				r := request(t, operation, "Pod", "shop", "x", text, text)
				r.Kind, r.Resource, r.SubResource = tt.kind, tt.resource, tt.subResource
				code := int32(0)
				if tt.want != "" {
					code = 400
				}
				expect(t, j.Handle(t.Context(), r), code, tt.want)
			}
		})
	}
}

var oneGuardrail = fstest.MapFS{"never.rego": {Data: []byte("# METADATA\n# title: never\n# description: refuses all\n# custom:\n#   severity: low\npackage guardrails.never\nviolation contains {\"msg\": \"never\"}\n")}}

// The Namespace of another API lies in a namespace, and its name is not that of one: it
// is neither excluded nor matched by it.
func TestTheNamespaceOfAnotherAPIIsInOne(t *testing.T) {
	library, err := guardrail.LoadLibrary(guardrail.Source{Name: "embedded", FS: policies.FS}, guardrail.Source{Name: "test", FS: oneGuardrail})
	if err != nil {
		t.Fatal(err)
	}
	config, err := guardrail.ParseConfig("test", []byte(`
apiVersion: podcullis.io/v1alpha1
kind: Guardrails
exclude: {namespaces: [kube-system]}
guardrails:
- {name: never, guardrail: never, action: deny, match: {excludedNamespaces: [spare]}}
`))
	if err != nil {
		t.Fatal(err)
	}
	engine, err := guardrail.New(library, config)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"kube-system", "spare", "other"} {
		j, _, _ := newShop(t, JudgeOptions{Evaluator: engine})
		r := request(t, "CREATE", "Pod", "shop", name, "{metadata: {name: "+name+"}}", "")
		r.Kind = metav1.GroupVersionKind{Group: "example.com", Version: "v1", Kind: "Namespace"}
		expect(t, j.Handle(t.Context(), r), 403, "1 guardrail denies this change to Namespace shop/"+name)
	}
}

// A pod that names the Pod, Namespace or NetworkPolicy of another API as its owner is
// not that object of ours, nor part of it.
func TestAnOwnerOfAnotherAPIIsNoneOfOurs(t *testing.T) {
	for _, kind := range []string{"Pod", "Namespace", "NetworkPolicy", "StatefulSet", "ReplicationController"} {
		claims := &askedClaims{user: "nobody"}
		j, _ := oldHole(t, JudgeOptions{Claims: claims})
		r := request(t, "CREATE", "Pod", "data", "evil", "{metadata: {name: evil, namespace: data, labels: {tier: frontend, access: db}, ownerReferences: [{apiVersion: example.com/v1, kind: "+kind+", name: plain, uid: p1, controller: true}]}}", "")
		expect(t, j.Handle(t.Context(), r), 403, "[frontend-never-reaches-db] data/"+kind+".example.com/plain could reach data/StatefulSet/db")
	}
}
