package e2e

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const (
	ownNamespace = "netpol-gate"
	ownService   = "gate-podcullis"
	editor       = "ed"
)

// What would cut Podcullis off is refused in the namespace of the release, and everything
// that an owner does with the release passes: the chart as it is, helm as it is.
func TestSelfGuard(t *testing.T) {
	c := start(t)
	c.namespace(t, ownNamespace)
	helm := func(args ...string) error {
		_, _, err := c.Helm(t.Context(), append(args, "-n", ownNamespace)...)
		return err
	}
	chart := repository(t, "charts", "podcullis")
	if err := helm("install", "gate", chart, "--set", "mode=enforce,certificates.mode=self-managed,priorityClassName=,networkPolicy.enabled=false"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_, _, _ = c.Helm(context.Background(), "uninstall", "gate", "--no-hooks", "-n", ownNamespace)
	})
	pod := strings.TrimPrefix(c.awaitPods(t, ownNamespace, "app.kubernetes.io/component=webhook", 2)[0], "pod/")
	c.selfGuard(t)
	c.kubectl(t, "{apiVersion: rbac.authorization.k8s.io/v1, kind: RoleBinding, metadata: {name: ed, namespace: "+ownNamespace+"}, roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: edit}, subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: "+editor+"}]}", "apply", "-f", "-")
	refused := func(t *testing.T, user, want, stdin string, args ...string) {
		t.Helper()
		args = append([]string{"-n", ownNamespace}, args...)
		if user != "" {
			args = append([]string{"--as", user}, args...)
		}
		_, stderr, err := c.Kubectl(t.Context(), stdin, args...)
		if err == nil || !strings.Contains(stderr, "self.podcullis.io") || !strings.Contains(stderr, want) {
			t.Errorf("kubectl %s: %v, want a refusal that says %q", strings.Join(args, " "), err, want)
		}
	}
	passes := func(t *testing.T, stdin string, args ...string) {
		t.Helper()
		if _, _, err := c.Kubectl(t.Context(), stdin, append([]string{"-n", ownNamespace}, args...)...); err != nil {
			t.Error(err)
		}
	}
	denyAll := "{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: deny, namespace: " + ownNamespace + "}, spec: {podSelector: {}, policyTypes: [Ingress, Egress]}}"
	meant := strings.Replace(denyAll, "name: deny", "name: deny, annotations: {podcullis.io/cut-off: meant}", 1)

	t.Run("Refused", func(t *testing.T) {
		for _, user := range []string{"", editor} {
			refused(t, user, "no address outside the cluster could reach", denyAll, "create", "-f", "-")
			refused(t, user, "no address outside the cluster could reach", denyAll, "apply", "--server-side", "-f", "-")
			refused(t, user, "could be reached from", strings.Replace(denyAll, "Ingress, Egress", "Egress", 1), "create", "-f", "-")
			refused(t, user, "there is no Service", "", "delete", "service", ownService)
			refused(t, user, "selects app.kubernetes.io/component=other", "", "patch", "service", ownService, "--type=merge", "-p", `{"spec":{"selector":{"app.kubernetes.io/component":"other"}}}`)
			refused(t, user, "has no port that leads to", "", "patch", "service", ownService, "--type=json", "-p", `[{"op":"replace","path":"/spec/ports/0/targetPort","value":1}]`)
			refused(t, user, "does not find Pod", "", "label", "pod", pod, "app.kubernetes.io/component-")
			refused(t, user, "finds pods that are not of the release", strings.Replace(likeOurs, "NAME", "fake", 1), "create", "-f", "-")
		}
		refused(t, editor, "may not update validatingwebhookconfigurations", meant, "create", "-f", "-")
		refused(t, editor, "has no port 443, which the API server calls", "", "patch", "service", ownService, "--type=json", "-p", `[{"op":"replace","path":"/spec/ports/0/port","value":444}]`)
	})
	t.Run("OwnersPass", func(t *testing.T) {
		passes(t, meant, "create", "-f", "-")
		passes(t, "", "delete", "networkpolicy", "deny")
		passes(t, "", "scale", "deployment", ownService, "--replicas=0")
		c.awaitPods(t, ownNamespace, "app.kubernetes.io/component=webhook", 0)
		passes(t, "", "scale", "deployment", ownService, "--replicas=1")
		c.awaitPods(t, ownNamespace, "app.kubernetes.io/component=webhook", 1)
		passes(t, "", "rollout", "restart", "deployment", ownService)
		passes(t, "", "create", "configmap", "other")
		for _, values := range []string{
			"replicas=3", "podLabels.more=yes", "networkPolicy.enabled=true", "service.port=8443", "networkPolicy.apiServerCIDRs={172.16.0.0/28}",
			"networkPolicy.apiServerCIDRs={172.17.0.0/28}", "networkPolicy.apiServerPorts={6443}",
			"image.tag=other", "certificates.mode=self-managed,replicas=2",
		} {
			if err := helm("upgrade", "gate", chart, "--reuse-values", "--set", values); err != nil {
				t.Errorf("%s: %v", values, err)
			}
		}
		if err := helm("rollback", "gate", "2"); err != nil {
			t.Error(err)
		}
	})
	t.Run("UninstallPasses", func(t *testing.T) {
		c.kubectl(t, "", "delete", "validatingwebhookconfiguration", "self-guard-test") // as the hook does, before all else
		await(t, "the uninstall", func(context.Context) error { return helm("uninstall", "gate", "--no-hooks", "--ignore-not-found") })
	})
}

// likeOurs is a pod that the Service of the release would find.
const likeOurs = "{apiVersion: v1, kind: Pod, metadata: {name: NAME, labels: {app.kubernetes.io/name: podcullis, app.kubernetes.io/instance: gate, app.kubernetes.io/component: webhook}}, spec: {containers: [{name: c, image: example.test/c}]}}"

// selfGuard starts a replica as the release would, and registers it for the namespace of
// the release as the chart does: a Service leads nowhere without nodes, so by its URL.
func (c cluster) selfGuard(t *testing.T) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "self.yaml")
	text := c.kubectl(t, "", "-n", ownNamespace, "get", "configmap", ownService, "-o", `jsonpath={.data.self\.yaml}`)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	g := c.replica(t, gateOptions{args: []string{"--self-guard", file}})
	api := c.client.AdmissionregistrationV1().ValidatingWebhookConfigurations()
	installed, err := api.Get(t.Context(), ownService+"-"+ownNamespace, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	at := slices.IndexFunc(installed.Webhooks, func(w admissionregistrationv1.ValidatingWebhook) bool { return w.Name == "self.podcullis.io" })
	if at < 0 {
		t.Fatal("the chart has no webhook for its own namespace")
	}
	w := installed.Webhooks[at]
	w.ClientConfig = admissionregistrationv1.WebhookClientConfig{URL: ptr("https://" + g.address + "/self"), CABundle: g.ca}
	w.FailurePolicy = ptr(admissionregistrationv1.Fail) // so that what is not asked about shows
	configuration := &admissionregistrationv1.ValidatingWebhookConfiguration{ObjectMeta: metav1.ObjectMeta{Name: "self-guard-test"}, Webhooks: []admissionregistrationv1.ValidatingWebhook{w}}
	if _, err := api.Create(t.Context(), configuration, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := api.Delete(context.Background(), "self-guard-test", metav1.DeleteOptions{}); err != nil && !apierrors.IsNotFound(err) {
			t.Error(err)
		}
	})
	await(t, "the self-guard to be in force", func(ctx context.Context) error {
		if out, _, err := c.Kubectl(ctx, "", "-n", ownNamespace, "delete", "service", ownService, "--dry-run=server"); err == nil {
			return fmt.Errorf("it was not asked: %s", out)
		}
		return nil
	})
}
