package e2e

import (
	"context"
	"errors"
	"os/exec"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// team is a namespace's bundle as a repository holds it: a workload and the
// netpol that isolates it. Most tools order them by kind; dry runs do not.
const team = `
{apiVersion: apps/v1, kind: Deployment, metadata: {name: web, namespace: NS}, spec: {replicas: 1, selector: {matchLabels: {app: web}}, template: {metadata: {labels: {app: web}}, spec: {containers: [{name: c, image: example.test/c}]}}}}
---
`

const teamNetpol = `
{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: web, namespace: NS}, spec: {podSelector: {matchLabels: {app: web}}, policyTypes: [Ingress, Egress]}}
---
`

const teamDeny = `
{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: default-deny, namespace: NS}, spec: {podSelector: {}, policyTypes: [Ingress, Egress]}}
---
`

func in(namespace, manifests string) string { return strings.ReplaceAll(manifests, "NS", namespace) }

// What docs/gitops.md says about tools that dry-run a whole bundle against the
// API server before they apply any of it.
func TestABundleIsDryRunBeforeAnyOfItIsApplied(t *testing.T) {
	c := start(t)
	c.namespace(t, "team")
	c.namespace(t, "denied")
	c.gate(t, gateOptions{})
	dryRun := []string{"apply", "--server-side", "--dry-run=server", "-f", "-"}
	apply := []string{"apply", "--server-side", "-f", "-"}

	t.Run("OneByOneTheWorkloadIsRefused", func(t *testing.T) {
		c.kubectl(t, in("team", teamNetpol), dryRun...)
		c.refused(t, "gitops-bundle-dry-run", in("team", team+teamNetpol), dryRun...)
		c.refused(t, "gitops-bundle-dry-run", in("team", teamNetpol+team), dryRun...) // a dry run leaves no trace
	})
	t.Run("KubectlDiffIsRefusedAlike", func(t *testing.T) {
		code, stderr := c.diff(t, in("team", team+teamNetpol))
		if code <= 1 {
			t.Fatalf("kubectl diff: exit code %d", code)
		}
		golden(t, "gitops-diff", stderr)
	})
	t.Run("InAStageOfItsOwnTheNetpolComesFirst", func(t *testing.T) {
		c.kubectl(t, in("team", teamNetpol), dryRun...)
		c.kubectl(t, in("team", teamNetpol), apply...)
		c.kubectl(t, in("team", team+teamNetpol), dryRun...)
		if code, stderr := c.diff(t, in("team", team+teamNetpol)); code != 1 {
			t.Errorf("kubectl diff: exit code %d: %s", code, stderr)
		}
		c.kubectl(t, in("team", team), apply...)
		c.kubectl(t, in("team", team+teamNetpol), dryRun...)
	})
	renamed := strings.ReplaceAll(team+teamNetpol, "{app: web}", "{app: web, release: next}")
	renamed = strings.Replace(renamed, "selector: {matchLabels: {app: web, release: next}}", "selector: {matchLabels: {app: web}}", 1)
	t.Run("ANewLabelOnBothSidesIsRefused", func(t *testing.T) {
		c.refused(t, "gitops-rename-dry-run", in("team", renamed), dryRun...)
	})
	t.Run("WithDefaultDenyInTheNamespaceAllOfItPasses", func(t *testing.T) {
		c.kubectl(t, in("denied", teamDeny), apply...)
		c.kubectl(t, in("denied", team+teamNetpol), dryRun...)
		c.kubectl(t, in("denied", team+teamNetpol), apply...)
		c.kubectl(t, in("denied", renamed), dryRun...)
		c.kubectl(t, in("denied", renamed), apply...)
	})
	t.Run("HelmAsksNobodyInADryRun", func(t *testing.T) {
		chart := repository(t, "test", "e2e", "testdata", "chart")
		if _, _, err := c.Helm(t.Context(), "install", "bare", chart, "--set", "isolated=false", "--dry-run=server", "--namespace", "team"); err != nil {
			t.Fatal(err)
		}
	})
}

// diff runs kubectl diff: it exits with 1 where there is a difference, and with
// more where it could not tell.
func (c cluster) diff(t *testing.T, manifests string) (code int, stderr string) {
	t.Helper()
	_, stderr, err := c.Kubectl(t.Context(), manifests, "diff", "-f", "-")
	var exit *exec.ExitError
	switch {
	case err == nil:
		return 0, stderr
	case !errors.As(err, &exit):
		t.Fatal(err)
	}
	return exit.ExitCode(), stderr
}

// hold keeps the pods of a namespace in Terminating once they are deleted, as
// those that shut down slowly are, until the test lets go.
func (c cluster) hold(t *testing.T, namespace, selector string) (letGo func()) {
	t.Helper()
	pods := c.awaitPods(t, namespace, selector, 1)
	patch := func(finalizers string) {
		for _, p := range pods {
			c.kubectlAnyway("-n", namespace, "patch", p, "--type=merge", "-p", `{"metadata":{"finalizers":`+finalizers+`}}`)
		}
	}
	patch(`["example.test/hold"]`)
	letGo = func() { patch("null") }
	t.Cleanup(letGo)
	return letGo
}

// awaitWaiting waits until the webhook has told somebody to wait.
func (g *gate) awaitWaiting(t *testing.T, netpol string) {
	t.Helper()
	await(t, "the deletion of "+netpol+" to be put off", func(context.Context) error {
		for line := range strings.Lines(g.log(t)) {
			if strings.Contains(line, `"name":"`+netpol+`"`) && strings.Contains(line, "still needed by what is being deleted") {
				return nil
			}
		}
		return errors.New("it was not")
	})
}

// A tool that deletes a workload and its netpol stays on the line until the pods
// are gone, and then succeeds: client-go heeds Retry-After.
func TestDeletingAllOfAReleaseWaitsForItsPods(t *testing.T) {
	c := start(t)
	c.namespace(t, "reports")
	g := c.gate(t, gateOptions{})
	until := func(t *testing.T, letGo func(), netpol string, do func() error) {
		t.Helper()
		done := make(chan error, 1)
		go func() { done <- do() }()
		g.awaitWaiting(t, netpol)
		if list, err := c.client.NetworkingV1().NetworkPolicies("reports").List(t.Context(), metav1.ListOptions{}); err != nil || len(list.Items) != 1 {
			t.Errorf("the netpol is gone before the pods are: %v, %v", list, err)
		}
		letGo()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if list, err := c.client.NetworkingV1().NetworkPolicies("reports").List(t.Context(), metav1.ListOptions{}); err != nil || len(list.Items) != 0 {
			t.Errorf("the netpol is left: %v, %v", list, err)
		}
	}
	t.Run("HelmUninstall", func(t *testing.T) {
		if _, _, err := c.Helm(t.Context(), "install", "uninstalled", repository(t, "test", "e2e", "testdata", "chart"), "--namespace", "reports"); err != nil {
			t.Fatal(err)
		}
		until(t, c.hold(t, "reports", "app=uninstalled"), "uninstalled", func() error {
			_, _, err := c.Helm(t.Context(), "uninstall", "uninstalled", "--namespace", "reports")
			return err
		})
	})
	t.Run("KubectlDeleteInForeground", func(t *testing.T) { // as Argo CD prunes
		c.kubectl(t, in("reports", teamNetpol), "apply", "-f", "-")
		c.kubectl(t, in("reports", team), "apply", "-f", "-")
		letGo := c.hold(t, "reports", "app=web")
		c.kubectl(t, "", "-n", "reports", "delete", "deployment", "web", "--cascade=foreground", "--wait=false")
		until(t, letGo, "web", func() error {
			_, _, err := c.Kubectl(t.Context(), "", "-n", "reports", "delete", "networkpolicy", "web")
			return err
		})
	})
	t.Run("WhatAClientReadsThatDoesNotWait", func(t *testing.T) {
		c.kubectl(t, in("reports", strings.ReplaceAll(teamNetpol, "web", "impatient")), "apply", "-f", "-")
		c.kubectl(t, in("reports", strings.ReplaceAll(team, "web", "impatient")), "apply", "-f", "-")
		letGo := c.hold(t, "reports", "app=impatient")
		c.kubectl(t, "", "-n", "reports", "delete", "deployment", "impatient", "--wait=false")
		await(t, "the answer to come back later", func(ctx context.Context) error {
			result := c.client.NetworkingV1().RESTClient().Delete().Namespace("reports").Resource("networkpolicies").Name("impatient").MaxRetries(0).Do(ctx)
			err := result.Error()
			if err == nil {
				t.Fatal("it was deleted")
			}
			if strings.Contains(err.Error(), "ReplicaSet/impatient-") && strings.Contains(err.Error(), "(reports/Pod/impatient-") && !strings.Contains(err.Error(), ", reports/ReplicaSet/") {
				golden(t, "uninstall-too-early", err.Error()+"\n")
				return nil
			}
			return err
		})
		letGo()
	})
}
