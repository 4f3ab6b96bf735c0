package e2e

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// What is written for Gatekeeper is enforced beside our own guardrails: with data.inventory
// from the watched model, and with another action as soon as the file says so.
func TestConstraintsOfGatekeeperAreEnforced(t *testing.T) {
	c := start(t)
	c.namespace(t, "owners")
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	constraint := `apiVersion: constraints.gatekeeper.sh/v1beta1
kind: OneOwner
metadata: {name: one-owner}
spec:
  enforcementAction: deny
  match: {kinds: [{apiGroups: [apps], kinds: [Deployment]}], excludedNamespaces: [kube-*]}
`
	write("template.yaml", `apiVersion: templates.gatekeeper.sh/v1
kind: ConstraintTemplate
metadata: {name: oneowner}
spec:
  crd: {spec: {names: {kind: OneOwner}}}
  targets:
  - target: admission.k8s.gatekeeper.sh
    rego: |
      package oneowner

      violation[{"msg": msg}] {
        object := input.review.object
        other := data.inventory.namespace[ns]["apps/v1"].Deployment[name]
        name != object.metadata.name
        other.metadata.annotations.owner == object.metadata.annotations.owner
        msg := sprintf("%v/%v has the owner %v already", [ns, name, other.metadata.annotations.owner])
      }
`)
	write("constraint.yaml", constraint)
	config := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(config, []byte("apiVersion: podcullis.io/v1alpha1\nkind: Guardrails\nguardrails:\n- {name: default-deny, guardrail: default-deny, action: deny, match: {kinds: [Pod]}}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c.gate(t, gateOptions{args: []string{"--policy-dir", dir, "--config", config, "--reload-period", "50ms"}})
	owned := func(name, owner string) string {
		return strings.Replace(deploymentIn("owners", name, "{app: "+name+"}"), "metadata: {", "metadata: {annotations: {owner: "+owner+"}, ", 1)
	}
	apply := func(ctx context.Context, name, owner string, flags ...string) (string, error) {
		_, stderr, err := c.Kubectl(ctx, owned(name, owner), append([]string{"apply", "-f", "-"}, flags...)...)
		return stderr, err
	}
	if stderr, err := apply(t.Context(), "first", "me"); err != nil {
		t.Fatalf("the first of an owner: %v: %s", err, stderr)
	}
	const want = "[OneOwner/one-owner] owners/first has the owner me already"
	await(t, "the second of an owner to be refused", func(ctx context.Context) error {
		if stderr, err := apply(ctx, "second", "me", "--dry-run=server"); err == nil || !strings.Contains(stderr, want) {
			return fmt.Errorf("kubectl says %q", stderr)
		}
		return nil
	})
	if stderr, err := apply(t.Context(), "second", "you"); err != nil {
		t.Errorf("that of another owner: %v: %s", err, stderr)
	}

	write("constraint.yaml", strings.Replace(constraint, "enforcementAction: deny", "enforcementAction: warn", 1))
	await(t, "the constraint to warn only", func(ctx context.Context) error {
		if stderr, err := apply(ctx, "second", "me", "--dry-run=server"); err != nil || !strings.Contains(stderr, "Warning: [OneOwner/one-owner] would be denied with action deny: owners/first has the owner me already") {
			return fmt.Errorf("kubectl says %q", stderr)
		}
		return nil
	})
}
