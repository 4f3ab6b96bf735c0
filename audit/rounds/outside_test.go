package rounds

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/podcullis/podcullis/policyreport"
)

// What leads in from outside is found with the Service, Ingress or route through which it
// does, of whichever API group that is.
func TestARoundFindsWhatLeadsInFromOutside(t *testing.T) {
	const rules = `
guardrails:
- {name: not-exposed, guardrail: exposed-to-outside, action: deny, parameters: {to: {}, through: [service, ingress, route]}}
`
	service := func(name, kind string) string {
		return fmt.Sprintf("apiVersion: v1\nkind: Service\nmetadata: {name: %[1]s, namespace: shop}\nspec: {type: %[2]s, selector: {app: %[1]s}, ports: [{port: 80}]}\n", name, kind)
	}
	s := snapshot(t,
		pod("shop", "web", "web"), service("web", "ClusterIP"),
		"apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: web, namespace: shop}\nspec: {defaultBackend: {service: {name: web, port: {number: 80}}}}\n",
		pod("shop", "api", "api"), service("api", "ClusterIP"),
		"apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {name: api, namespace: shop}\nspec: {rules: [{backendRefs: [{name: api, port: 80}]}]}\n",
		pod("shop", "mail", "mail"), service("mail", "LoadBalancer"))
	r := roundsOf(engine(t, rules), still{s})
	got := listed(t, r, s, func(_ string, e policyreport.Entry, first string) string {
		return fmt.Sprintf("%s %s: %s", e.Object.KindText(), e.Object.Name, first)
	})
	slices.Sort(got)
	want := []string{
		"HTTPRoute api: shop/Pod/api could be reached from outside the cluster on TCP 80",
		"Ingress web: shop/Pod/web could be reached from outside the cluster on TCP 80",
		"Service mail: shop/Pod/mail could be reached from outside the cluster on TCP 80",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}
