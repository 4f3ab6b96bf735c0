package e2e

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/podcullis/podcullis/internal/image"
)

const (
	webhookImage = "podcullis.test/podcullis-webhook"
	release      = "podcullis"
	home         = "podcullis-system" // the namespace of the release
)

// allowAll is what README.md begins with: it opens every path into every pod of the shop.
const allowAll = `apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: allow-all, namespace: shop}
spec: {podSelector: {}, policyTypes: [Ingress], ingress: [{}]}
`

// TestInstall is the life of a release, in the order of docs: audit, warn, enforce, and back, and gone.
func TestInstall(t *testing.T) {
	c := start(t)
	c.certManager(t)
	before := c.stage(t)
	story := []struct {
		name string
		do   func(*testing.T)
	}{
		{"Install", func(t *testing.T) {
			c.helm(t, append([]string{"install", release, repository(t, "charts", "podcullis"), "--values", c.values(t)}, wait...)...)
			c.serving(t)
		}},
		{"AuditRefusesNothingAndSaysWhatItWould", func(t *testing.T) {
			c.accepted(t, "would be denied")
			c.helm(t, "test", release)
		}},
		{"Warn", func(t *testing.T) {
			c.upgrade(t, "mode=warn")
			c.accepted(t, "only-backend-reaches-db")
			c.helm(t, "test", release)
		}},
		{"EnforceWithoutARestart", func(t *testing.T) {
			pods, reloads := c.webhookPods(t), c.reloads(t)
			c.upgrade(t, "mode=enforce,webhook.netpols.failurePolicy=Fail,webhook.workloads.failurePolicy=Fail")
			await(t, "every pod to have read the new configuration", func(context.Context) error {
				for pod, count := range c.reloads(t) {
					if count <= reloads[pod] {
						return fmt.Errorf("pod %s has not", pod)
					}
				}
				return nil
			})
			c.refused(t)
			if after := c.webhookPods(t); !slices.Equal(pods, after) {
				t.Errorf("pods were %v and are %v: a configuration is read again, not restarted for", pods, after)
			}
			c.helm(t, "test", release)
		}},
		{"LabelAttackIsRefused", func(t *testing.T) {
			pod := c.podOf(t, "shop", "analytics")
			_, _, err := c.Kubectl(t.Context(), "", "label", "pod", "-n", "shop", pod, "app=backend", "--overwrite")
			wantRefusal(t, err, "only-backend-reaches-db", "shop/StatefulSet/db on TCP 5432")
			c.agree(t, c.ends(t, "shop", "partner"), shopPorts).expect(t, `
				blocked shop/analytics -> shop/db tcp/5432
				open shop/backend -> shop/db tcp/5432`)
		}},
		{"ItsOwnNetpol", c.ownNetpol},
		{"NewPodsThatStillRefuse", func(t *testing.T) {
			pods := c.webhookPods(t)
			c.upgrade(t, "log.level=debug")
			if after := c.webhookPods(t); slices.ContainsFunc(after, func(pod string) bool { return slices.Contains(pods, pod) }) {
				t.Errorf("pods were %v and are %v, with a new flag", pods, after)
			}
			c.refused(t)
		}},
		{"Rollback", func(t *testing.T) {
			c.helm(t, append([]string{"rollback", release, "1"}, wait...)...)
			c.accepted(t, "would be denied")
		}},
		{"UninstallLeavesNothing", func(t *testing.T) { c.uninstalled(t, before) }},
	}
	for _, chapter := range story {
		if !t.Run(chapter.name, chapter.do) {
			t.Log(c.diagnosis(t))
			t.Fatal("the chapters after it begin where it ends")
		}
	}
}

// TestInstallWithoutCertManager is the mode in which Podcullis makes its own certificate, enforcing from
// the first moment.
func TestInstallWithoutCertManager(t *testing.T) {
	c := start(t)
	before := c.stage(t)
	c.helm(t, append([]string{
		"install", release, repository(t, "charts", "podcullis"), "--values", c.values(t),
		"--set", "certificates.mode=self-managed,mode=enforce,webhook.netpols.failurePolicy=Fail,webhook.workloads.failurePolicy=Fail",
	}, wait...)...)
	c.serving(t)
	c.refused(t)
	c.helm(t, "test", release)
	c.healthy(t)
	c.uninstalled(t, before)
}

// stage sets up the shop, with nobody to guard it, the image, and an empty namespace for the release. It
// returns every object of the cluster.
func (c cluster) stage(t *testing.T) []string {
	t.Helper()
	c.namespaces(t, "partner")
	t.Cleanup(func() { c.removeNamespaces(t, "shop") })
	c.shop(t)
	c.awaitReady(t, 5, "shop")
	c.webhookImage(t)
	// The restricted Pod Security Standard holds there, so what is admitted keeps to it.
	c.kubectl(t, "", "create", "namespace", home)
	t.Cleanup(func() { c.removeNamespaces(t, home) })
	c.kubectl(t, "", "label", "namespace", home, "pod-security.kubernetes.io/enforce=restricted")
	await(t, "the service account of "+home, func(ctx context.Context) error {
		_, err := c.Client.CoreV1().ServiceAccounts(home).Get(ctx, "default", metav1.GetOptions{})
		return err
	})
	// A test that ends early must not leave a webhook that refuses the clean-up.
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		_, _, _ = c.Kubectl(ctx, "", "delete", "validatingwebhookconfigurations", "-l", "app.kubernetes.io/instance="+release)
	})
	return c.everything(t)
}

// uninstalled uninstalls the release and waits until nothing of it is left.
func (c cluster) uninstalled(t *testing.T, before []string) {
	t.Helper()
	c.helm(t, "uninstall", release, "--wait", "--timeout", patience.String())
	await(t, "everything of the release to be gone", func(context.Context) error {
		return sameObjects(before, c.everything(t))
	})
	t.Logf("the %d objects that were there before", len(before))
	c.apply(t, allowAll) // nobody is asked
	c.kubectl(t, "", "delete", "netpol", "-n", "shop", "allow-all")
}

// wait makes helm wait until what it changed is ready.
var wait = []string{"--wait", "--timeout", patience.String()}

// helm runs a command on the release that must succeed.
func (c cluster) helm(t *testing.T, args ...string) {
	t.Helper()
	stdout, _, err := c.Helm(t.Context(), append(args, "--namespace", home)...)
	if err != nil {
		t.Fatalf("%v\n%s", err, stdout)
	}
}

func (c cluster) upgrade(t *testing.T, set string) {
	t.Helper()
	c.helm(t, append([]string{"upgrade", release, repository(t, "charts", "podcullis"), "--reuse-values", "--set", set}, wait...)...)
}

func (c cluster) webhookImage(t *testing.T) {
	t.Helper()
	binary, err := c.Build(t.Context(), "cmd/podcullis-webhook")
	if err != nil {
		t.Fatal(err)
	}
	if err := c.ImportImage(t.Context(), webhookImage+":e2e", image.Webhook([]string{binary}, "e2e", "")); err != nil {
		t.Fatal(err)
	}
}

// values writes the chart's values of the test: the guardrails of examples, and an image that is here.
func (c cluster) values(t *testing.T) string {
	t.Helper()
	content, err := os.ReadFile(repository(t, "examples", "shop-guardrails.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var configuration map[string]any
	if err := yaml.Unmarshal(content, &configuration); err != nil {
		t.Fatal(err)
	}
	delete(configuration, "apiVersion")
	delete(configuration, "kind")
	configuration["messages"] = "full" // no certificate tells who calls, and the tests read what is said
	file := filepath.Join(c.Dir, "values.yaml")
	err = os.WriteFile(file, []byte(asYAML(t, map[string]any{
		"configuration": configuration,
		"image":         map[string]any{"repository": webhookImage, "tag": "e2e", "pullPolicy": "Never"},
		"drainTimeout":  "10s", // a pod that ends keeps the test waiting
	})), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	return file
}

// serving tells that the pods are ready, and that their certificate is the one that the API server trusts.
func (c cluster) serving(t *testing.T) {
	t.Helper()
	if pods := c.webhookPods(t); len(pods) != 2 {
		t.Errorf("%d pods are ready, want 2: %v", len(pods), pods)
	}
	configuration, err := c.Client.AdmissionregistrationV1().ValidatingWebhookConfigurations().Get(t.Context(), release+"-"+home, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	secret, err := c.Client.CoreV1().Secrets(home).Get(t.Context(), release+"-tls", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(secret.Data[corev1.TLSCertKey])
	if block == nil {
		t.Fatal("no certificate in the Secret")
	}
	certificate, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	for _, webhook := range configuration.Webhooks {
		roots := x509.NewCertPool()
		if !roots.AppendCertsFromPEM(webhook.ClientConfig.CABundle) {
			t.Errorf("webhook %s: no CA was injected", webhook.Name)
			continue
		}
		name := release + "." + home + ".svc"
		if _, err := certificate.Verify(x509.VerifyOptions{Roots: roots, DNSName: name}); err != nil {
			t.Errorf("webhook %s: certificate for %s: %v", webhook.Name, name, err)
		}
	}
}

// webhookPods are the names of the pods that serve and do not end, sorted. None may have restarted.
func (c cluster) webhookPods(t *testing.T) []string {
	t.Helper()
	pods, err := c.Client.CoreV1().Pods(home).List(t.Context(), metav1.ListOptions{LabelSelector: "app.kubernetes.io/component=webhook"})
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, pod := range pods.Items {
		for _, status := range pod.Status.ContainerStatuses {
			if status.RestartCount > 0 {
				t.Errorf("pod %s restarted %d times", pod.Name, status.RestartCount)
			}
		}
		if ready(&pod) {
			out = append(out, pod.Name)
		}
	}
	slices.Sort(out)
	return out
}

// reloads counts, by pod, how often it has read a configuration again.
func (c cluster) reloads(t *testing.T) map[string]int {
	t.Helper()
	pods, err := c.Client.CoreV1().Pods(home).List(t.Context(), metav1.ListOptions{LabelSelector: "app.kubernetes.io/component=webhook"})
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]int{}
	for _, pod := range pods.Items {
		if !ready(&pod) {
			continue
		}
		metrics := c.kubectl(t, "", "get", "--raw", "/api/v1/namespaces/"+home+"/pods/"+pod.Name+":8080/proxy/metrics")
		found := reloadsMetric.FindStringSubmatch(metrics)
		if found == nil {
			continue // none yet
		}
		if out[pod.Name], err = strconv.Atoi(found[1]); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

var reloadsMetric = regexp.MustCompile(`(?m)^podcullis_reloads_total\{[^}]*result="success"[^}]*\} (\d+)$`)

// accepted waits until what opens the shop is let through, with a warning that holds a text.
func (c cluster) accepted(t *testing.T, warning string) {
	t.Helper()
	await(t, "a netpol to pass with a warning", func(ctx context.Context) error {
		_, stderr, err := c.Kubectl(ctx, allowAll, "apply", "--dry-run=server", "-f", "-")
		if err == nil && (!strings.Contains(stderr, "Warning: ") || !strings.Contains(stderr, warning)) {
			err = fmt.Errorf("accepted without the warning: %q", stderr)
		}
		return err
	})
}

// refused waits until what opens the shop is refused, as a dry run and for good.
func (c cluster) refused(t *testing.T) {
	t.Helper()
	var err error
	await(t, "a netpol to be refused", func(ctx context.Context) error {
		switch _, _, err = c.Kubectl(ctx, allowAll, "apply", "--dry-run=server", "-f", "-"); {
		case err == nil:
			return errors.New("it was accepted")
		case strings.Contains(err.Error(), "failed calling webhook"):
			return err // kube-proxy learns of pods a little after helm
		}
		return nil
	})
	wantRefusal(t, err, "[only-backend-reaches-db] ", "partner/Pod/visitor", "could reach shop/StatefulSet/db on all ports",
		"opened by: ingress rule 1 of NetworkPolicy shop/allow-all")
	_, _, err = c.Kubectl(t.Context(), allowAll, "apply", "-f", "-")
	wantRefusal(t, err, "only-backend-reaches-db")
	// What opens nothing passes.
	c.kubectl(t, "", "annotate", "netpol", "-n", "shop", "--all", "seen=yes", "--overwrite")
}

func wantRefusal(t *testing.T, err error, texts ...string) {
	t.Helper()
	if err == nil {
		t.Error("accepted")
		return
	}
	for _, text := range append(texts, "denied the request") {
		if !strings.Contains(err.Error(), text) {
			t.Errorf("want %q in\n%v", text, err)
		}
	}
}

// ownNetpol tries the ports of the webhook's pods from another pod.
func (c cluster) ownNetpol(t *testing.T) {
	c.enforced(t)
	pods, err := c.Client.CoreV1().Pods(home).List(t.Context(), metav1.ListOptions{LabelSelector: "app.kubernetes.io/component=webhook"})
	if err != nil {
		t.Fatal(err)
	}
	for _, pod := range pods.Items {
		results, err := c.Dial(t.Context(), "partner", "visitor", "tcp/"+pod.Status.PodIP+":9443", "tcp/"+pod.Status.PodIP+":22")
		if err != nil {
			t.Fatal(err)
		}
		if results[0] != "open -" { // over TLS the client speaks first
			t.Errorf("port 9443: %s, want open", results[0])
		}
		if results[1] != "blocked" {
			t.Errorf("port 22: %s, want blocked", results[1])
		}
	}
}

// everything lists the objects of the cluster, of every kind, but those that come and go on their own.
func (c cluster) everything(t *testing.T) []string {
	t.Helper()
	resources := strings.Fields(c.kubectl(t, "", "api-resources", "--verbs=list,delete", "-o", "name"))
	resources = slices.DeleteFunc(resources, func(resource string) bool {
		return strings.HasPrefix(resource, "events") || strings.HasPrefix(resource, "leases.")
	})
	out := c.kubectl(t, "", "get", strings.Join(resources, ","), "-A", "--ignore-not-found",
		"-o", `jsonpath={range .items[*]}{.apiVersion} {.kind} {.metadata.namespace} {.metadata.name}{"\n"}{end}`)
	return strings.Split(strings.TrimSpace(out), "\n")
}

func sameObjects(before, after []string) error {
	count := map[string]int{}
	for _, object := range before {
		count[object]--
	}
	for _, object := range after {
		count[object]++
	}
	var differences []string
	for _, object := range slices.Sorted(maps.Keys(count)) {
		switch n := count[object]; {
		case n > 0:
			differences = append(differences, "left: "+object)
		case n < 0:
			differences = append(differences, "gone: "+object)
		}
	}
	if differences != nil {
		return errors.New(strings.Join(differences, "\n"))
	}
	return nil
}

// diagnosis is what somebody would look at first.
func (c cluster) diagnosis(t *testing.T) string {
	var out strings.Builder
	for _, command := range [][]string{
		{"get", "pods,certificates,jobs", "-n", home, "-o", "wide"},
		{"events", "-n", home, "--types=Warning"},
		{"logs", "-n", home, "-l", "app.kubernetes.io/instance=" + release, "--tail=5", "--prefix"},
	} {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		stdout, stderr, _ := c.Kubectl(ctx, "", command...)
		cancel()
		fmt.Fprintf(&out, "kubectl %s\n%s%s\n", strings.Join(command, " "), stdout, stderr)
	}
	return out.String()
}
