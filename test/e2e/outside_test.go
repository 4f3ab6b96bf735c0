package e2e

import (
	"path/filepath"
	"testing"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
)

// What leads to the database from outside is refused by a server that watches it, on whichever
// object it depends: the Service, the Ingress, the route, a netpol behind them.
func TestWhatLeadsInFromOutsideIsJudged(t *testing.T) {
	c := start(t)
	c.kubectl(t, entriesRole, "apply", "-f", "-")
	c.kubectl(t, routeCRD, "apply", "-f", "-")
	t.Cleanup(func() {
		c.kubectlAnyway("delete", "crd", "httproutes.gateway.networking.k8s.io", "--ignore-not-found")
		c.kubectlAnyway("delete", "-n", "shop", "services,ingresses", "--all")
	})
	c.kubectl(t, "", "wait", "--for=condition=Established", "crd/httproutes.gateway.networking.k8s.io", "--timeout=60s")
	config := filepath.Join(t.TempDir(), "guardrails.yaml")
	write(t, config, []byte(outsideConfig))
	every := func(group, version string, resources ...string) admissionregistrationv1.RuleWithOperations {
		return admissionregistrationv1.RuleWithOperations{
			Operations: []admissionregistrationv1.OperationType{"CREATE", "UPDATE", "DELETE"},
			Rule:       admissionregistrationv1.Rule{APIGroups: []string{group}, APIVersions: []string{version}, Resources: resources, Scope: ptr(admissionregistrationv1.AllScopes)},
		}
	}
	g := c.gate(t, gateOptions{args: []string{"--config", config}, rules: []admissionregistrationv1.RuleWithOperations{
		every("", "v1", "services"), every("networking.k8s.io", "v1", "ingresses"), every("gateway.networking.k8s.io", "*", "httproutes"),
	}})
	c.shop(t)

	c.kubectl(t, service(""), "apply", "-f", "-")
	c.refused(t, "outside-service", service("type: LoadBalancer, "), "apply", "-f", "-")
	c.kubectl(t, service("type: LoadBalancer, allocateLoadBalancerNodePorts: false, externalTrafficPolicy: Local, "), "apply", "-f", "-")
	c.refused(t, "outside-netpol", netpol("world", `podSelector: {matchLabels: {app: db}}`, `ingress: [{from: [{ipBlock: {cidr: 192.0.2.0/24}}], ports: [{port: 5432}]}]`), "create", "-f", "-")
	c.refused(t, "outside-ingress", `{apiVersion: networking.k8s.io/v1, kind: Ingress, metadata: {name: db, namespace: shop}, spec: {rules: [{host: shop.example.com, http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: db, port: {number: 5432}}}}]}}]}}`, "create", "-f", "-")
	c.refused(t, "outside-route", route, "create", "-f", "-")

	// Whoever restarts finds what is there.
	g.stop(t)
	g.start(t)
	c.refused(t, "outside-netpol", netpol("world", `podSelector: {matchLabels: {app: db}}`, `ingress: [{from: [{ipBlock: {cidr: 192.0.2.0/24}}], ports: [{port: 5432}]}]`), "create", "-f", "-")
	c.kubectl(t, "", "-n", "shop", "delete", "service", "db")
}

func service(how string) string {
	return "{apiVersion: v1, kind: Service, metadata: {name: db, namespace: shop}, spec: {" + how + "selector: {app: db}, ports: [{port: 5432}]}}"
}

const (
	outsideConfig = `
apiVersion: podcullis.io/v1alpha1
kind: Guardrails
guardrails:
- name: db-is-not-exposed
  guardrail: exposed-to-outside
  action: deny
  parameters:
    to: {podSelector: {matchLabels: {app: db}}}
    through: [service, ingress, route]
`
	route = `{apiVersion: gateway.networking.k8s.io/v1beta1, kind: HTTPRoute, metadata: {name: db, namespace: shop}, spec: {parentRefs: [{name: public, namespace: infra}], rules: [{backendRefs: [{name: db, port: 5432}]}]}}`

	// routeCRD is served in an old version only.
	routeCRD = `
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata:
  name: httproutes.gateway.networking.k8s.io
  annotations: {api-approved.kubernetes.io: "unapproved, a test"}
spec:
  group: gateway.networking.k8s.io
  scope: Namespaced
  names: {kind: HTTPRoute, plural: httproutes, singular: httproute}
  versions:
  - {name: v1beta1, served: true, storage: true, schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}}
`
	entriesRole = `
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: podcullis-webhook-entries}
rules:
- {apiGroups: [""], resources: [services], verbs: [get, list, watch]}
- {apiGroups: [networking.k8s.io], resources: [ingresses], verbs: [get, list, watch]}
- {apiGroups: [gateway.networking.k8s.io], resources: [httproutes, grpcroutes, tlsroutes, tcproutes, udproutes], verbs: [get, list, watch]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: podcullis-webhook-entries}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: podcullis-webhook-entries}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: Group, name: podcullis}]
`
)
