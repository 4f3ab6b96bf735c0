package e2e

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
)

// A kind of another API that makes pods is judged like a Deployment, from the moment
// on at which its definition is there.
func TestExtraWorkloadsAreJudged(t *testing.T) {
	c := start(t)
	c.kubectl(t, rolloutRole, "apply", "-f", "-")
	t.Cleanup(func() { c.kubectlAnyway("delete", "crd", "rollouts.argoproj.io", "--ignore-not-found") })
	c.namespace(t, "partner")
	g := c.gate(t, gateOptions{args: []string{"--config", extraConfig(t)}, rules: []admissionregistrationv1.RuleWithOperations{{
		Operations: []admissionregistrationv1.OperationType{"CREATE", "UPDATE", "DELETE"},
		Rule: admissionregistrationv1.Rule{
			APIGroups: []string{"argoproj.io"}, APIVersions: []string{"v1alpha1"}, Resources: []string{"rollouts"}, Scope: ptr(admissionregistrationv1.AllScopes),
		},
	}}})
	c.shop(t)
	c.kubectl(t, doorsOfTheExtraRules, "apply", "-f", "-")

	c.kubectl(t, rolloutCRD, "apply", "-f", "-")
	c.kubectl(t, "", "wait", "--for=condition=Established", "crd/rollouts.argoproj.io", "--timeout=60s")
	await(t, "rollouts to be served", func(ctx context.Context) error {
		_, _, err := c.Kubectl(ctx, "", "get", "rollouts", "-n", "shop")
		return err
	})
	c.refused(t, "rollout-create", rollout("intruder", `{app: logging, role: backend}`), "create", "-f", "-")
	c.refused(t, "rollout-create-dry-run", rollout("intruder", `{app: logging, role: backend}`), "create", "--dry-run=server", "-f", "-")
	c.refused(t, "rollout-not-isolated", strings.Replace(rollout("bare", `{app: bare}`), "namespace: shop", "namespace: default", 1), "create", "-f", "-")
	c.kubectl(t, rollout("web", `{app: web}`), "create", "-f", "-")
	c.refused(t, "rollout-template", "", "-n", "shop", "patch", "rollout", "web", "--type=merge", "-p", `{"spec":{"template":{"metadata":{"labels":{"role":"backend"}}}}}`)
	c.kubectl(t, "", "-n", "shop", "patch", "rollout", "web", "--type=merge", "-p", `{"spec":{"template":{"metadata":{"labels":{"version":"two"}}}}}`)

	// The model has it: a netpol that would let it in is refused, too.
	c.kubectl(t, netpol("web-egress", `podSelector: {matchLabels: {app: web}}, policyTypes: [Egress]`, `egress: [{}]`), "create", "-f", "-")
	c.refused(t, "rollout-netpol", netpol("open-web", `podSelector: {matchLabels: {app: db}}`, `ingress: [{from: [{podSelector: {matchLabels: {app: web}}}], ports: [{port: 5432}]}]`), "create", "-f", "-")
	c.refused(t, "rollout-broken", strings.ReplaceAll(rollout("broken", `{app: web}`), "{app: web}", "{app: 1}"), "create", "-f", "-")

	// One with a reference has no template, and whoever restarts finds what is there.
	c.kubectl(t, `{apiVersion: argoproj.io/v1alpha1, kind: Rollout, metadata: {name: ref, namespace: shop}, spec: {workloadRef: {kind: Deployment, name: frontend}}}`, "create", "-f", "-")
	g.stop(t)
	g.start(t)
	c.refused(t, "rollout-netpol", netpol("open-web", `podSelector: {matchLabels: {app: db}}`, `ingress: [{from: [{podSelector: {matchLabels: {app: web}}}], ports: [{port: 5432}]}]`), "create", "-f", "-")
	c.kubectl(t, "", "-n", "shop", "delete", "rollout", "web", "ref")
	await(t, "the Rollout to be forgotten", func(ctx context.Context) error {
		_, _, err := c.Kubectl(ctx, netpol("open-web", `podSelector: {matchLabels: {app: db}}`, `ingress: [{from: [{podSelector: {matchLabels: {app: web}}}], ports: [{port: 5432}]}]`), "create", "-f", "-")
		return err
	})
	c.kubectl(t, "", "delete", "crd", "rollouts.argoproj.io")
	g.stop(t)
	g.start(t) // ready, although nobody serves the kind any more
}

// extraConfig is the example's configuration with extraWorkloads.
func extraConfig(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(repository(t, "examples", "shop-guardrails.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "guardrails.yaml")
	write(t, file, append(text, []byte("extraWorkloads: [argo-rollouts]\n")...))
	return file
}

func rollout(name, labels string) string {
	return "{apiVersion: argoproj.io/v1alpha1, kind: Rollout, metadata: {name: " + name + ", namespace: shop}, spec: {replicas: 1, selector: {matchLabels: " + labels + "}, template: " + template(labels, "") + "}}"
}

const rolloutCRD = `
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: rollouts.argoproj.io}
spec:
  group: argoproj.io
  scope: Namespaced
  names: {kind: Rollout, plural: rollouts, singular: rollout}
  versions:
  - {name: v1alpha1, served: true, storage: true, schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}}
`

const rolloutRole = `
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: podcullis-webhook-rollouts}
rules:
- {apiGroups: [argoproj.io], resources: [rollouts], verbs: [get, list, watch]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: podcullis-webhook-rollouts}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: podcullis-webhook-rollouts}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: Group, name: podcullis}]
`
