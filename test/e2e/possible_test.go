package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// With scope possible a path is shut for pods that nobody has created yet.
func TestPossiblePathsAreRefused(t *testing.T) {
	c := start(t)
	c.shop(t)
	c.namespace(t, "partner")
	c.gate(t, gateOptions{args: []string{"--config", possibleConfig(t)}})

	byLabel := netpol("labels-open", `podSelector: {matchLabels: {app: db}}`, `ingress: [{from: [{podSelector: {matchLabels: {role: backend}}}], ports: [{port: 5432}]}]`)
	c.refused(t, "possible-label", byLabel, "create", "-f", "-")
	c.kubectl(t, strings.Replace(byLabel, "{role: backend}", "{role: backend, app: backend}", 1), "create", "-f", "-")

	byNamespace := netpol("partners-open", `podSelector: {matchLabels: {app: db}}`, `ingress: [{from: [{namespaceSelector: {matchLabels: {trusted: "yes"}}}], ports: [{port: 5432}]}]`)
	c.kubectl(t, byNamespace, "create", "-f", "-") // no namespace has that label
	c.refused(t, "possible-namespace-label", "", "label", "namespace", "partner", "trusted=yes")

	// A pod is one of those that the proof is about: nothing to refuse.
	c.kubectl(t, pod("role", `{app: logging, role: backend}`, "shop"), "create", "-f", "-")
}

// possibleConfig is the example's configuration with scope possible.
func possibleConfig(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(repository(t, "examples", "shop-guardrails.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	const at = "  guardrail: forbidden-paths\n  action: deny\n  parameters:\n"
	if !strings.Contains(string(text), at) {
		t.Fatalf("the example has no %q any more", at)
	}
	file := filepath.Join(t.TempDir(), "guardrails.yaml")
	write(t, file, []byte(strings.Replace(string(text), at, at+"    scope: possible\n", 1)))
	return file
}
