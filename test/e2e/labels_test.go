package e2e

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// A label by which a NetworkPolicy lets pods through is set by the named ones only: who may not
// is refused and told who may, whichever way it is tried. What the others keep running runs on.
func TestLabelsAreIdentity(t *testing.T) {
	c := start(t)
	c.kubectl(t, labelRoles, "apply", "-f", "-")
	t.Cleanup(func() { c.kubectlAnyway("delete", "clusterrolebinding", "editors-of-labels") })
	config := filepath.Join(t.TempDir(), "guardrails.yaml")
	write(t, config, []byte(labelConfig))
	c.gate(t, gateOptions{args: []string{"--config", config}})
	c.shop(t)
	mallory := []string{"--as=mallory", "--as-group=devs", "--as-group=system:authenticated", "-n", "shop"}
	nell := []string{"--as=nell", "--as-group=netops", "--as-group=devs", "--as-group=system:authenticated", "-n", "shop"}
	by := func(user []string, args ...string) []string { return append(user[:len(user):len(user)], args...) }
	await(t, "the roles to be known to the authorizer", func(ctx context.Context) error {
		if _, _, err := c.Kubectl(ctx, "", by(mallory, "auth", "can-i", "update", "pods")...); err != nil {
			return err
		}
		_, _, err := c.Kubectl(ctx, "", by(nell, "auth", "can-i", "create", "deployments.apps")...)
		return err
	})

	c.kubectl(t, pod("probe", "{run: probe}", "shop"), by(mallory, "create", "-f", "-")...)
	c.refused(t, "labels-relabel", "", by(mallory, "label", "pod", "probe", "app=backend")...)
	c.refused(t, "labels-create", pod("thief", "{app: backend}", "shop"), by(mallory, "create", "-f", "-")...)
	c.refused(t, "labels-template", deployment("thief", "{run: thief, app: backend}"), by(mallory, "create", "-f", "-")...)
	c.refused(t, "labels-namespace", "", "--as=mallory", "--as-group=devs", "--as-group=system:authenticated", "label", "namespace", "shop", "trust=high")

	// Who may does, and others keep what is there at work: restarts, scaling.
	c.kubectl(t, deployment("worker", "{app: backend, version: worker}"), by(nell, "create", "-f", "-")...)
	c.awaitPods(t, "shop", "version=worker", 1)
	c.kubectl(t, "", by(mallory, "scale", "deployment", "worker", "--replicas=2")...)
	c.awaitPods(t, "shop", "version=worker", 2)
	before := c.awaitPods(t, "shop", "version=worker", 2)
	c.kubectl(t, "", by(mallory, "rollout", "restart", "deployment", "worker")...)
	await(t, "pods of the next rollout", func(ctx context.Context) error {
		out, _, err := c.Kubectl(ctx, "", "get", "pods", "-n", "shop", "-l", "app=backend", "-o", "jsonpath={range .items[*]}{.metadata.labels.pod-template-hash}{'\\n'}{end}")
		if hashes := strings.Fields(out); err == nil && len(slices.Compact(slices.Sorted(slices.Values(hashes)))) < 3 {
			return fmt.Errorf("they are of %v", hashes) // backend's own, and two of worker
		}
		return err
	})
	c.kubectl(t, "", by(mallory, append([]string{"delete", "--wait=false"}, before[0])...)...)
}

const (
	labelConfig = `
apiVersion: podcullis.io/v1alpha1
kind: Guardrails
messages: full
guardrails:
- name: labels-are-identity
  guardrail: consistent-labels
  action: deny
  parameters:
    settable:
    - lookedAt: true
      by: {groups: [netops, "system:masters"]}
- name: trusted-namespaces
  guardrail: forbidden-paths
  action: audit
  parameters:
    from: {namespaceSelector: {matchExpressions: [{key: trust, operator: NotIn, values: [high]}]}}
    to: {podSelector: {matchLabels: {app: vault}}}
`
	labelRoles = `
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: editors-of-labels}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: cluster-admin}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: Group, name: devs}]
`
)
