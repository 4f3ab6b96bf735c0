package chart

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/podcullis/podcullis/test/controlplane"
)

// What an API server says to the chart. There is no node: that the pods run, and
// the hooks in them, is for test/node.
func TestAPIServer(t *testing.T) {
	plane := controlplane.Start(t, controlplane.Options{
		APIServerArgs: []string{"--disable-admission-plugins=ServiceAccount"}, // a dry run makes no accounts for its pods
	})
	if err := plane.CreateNamespace(t.Context(), namespace, nil); err != nil {
		t.Fatal(err)
	}
	t.Run("AcceptsEveryCombination", func(t *testing.T) { acceptsEveryCombination(t, plane) })
	t.Run("RanksItsReads", func(t *testing.T) { ranksItsReads(t, plane) })
	t.Run("InstallsUpgradesAndRollsBack", func(t *testing.T) { installsUpgradesAndRollsBack(t, plane) })
}

// acceptsEveryCombination has the API server validate every object, and the CEL of
// matchConditions with them.
func acceptsEveryCombination(t *testing.T, plane *controlplane.ControlPlane) {
	kubectl(t, plane, standIns, "apply", "-f", "-")
	kubectl(t, plane, "", "wait", "--for=condition=Established", "crd", "--all")
	c, err := client.New(plane.REST(), client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	c = client.WithFieldValidation(c, "Strict")
	submitted := map[[sha256.Size]byte]bool{}
	combinations := 0
	for combination := range matrix() {
		combinations++
		t.Run(combination.name, func(t *testing.T) {
			for _, o := range install(t, combination.pieces...).objects {
				digest := sha256.Sum256(o.text)
				if submitted[digest] {
					continue
				}
				submitted[digest] = true
				u := &unstructured.Unstructured{}
				if err := yaml.Unmarshal(o.text, &u.Object); err != nil {
					t.Fatal(err)
				}
				if err := c.Create(t.Context(), u, client.DryRunAll); err != nil {
					t.Errorf("%s %s: %v\n%s", o.kind, o.GetName(), err, o.text)
				}
			}
		})
	}
	t.Logf("%d combinations, %d different objects", combinations, len(submitted))
}

// standIns are the kinds of other projects, without their schemas: their fields are
// checked by the strict decoding.
const standIns = `
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: certificates.cert-manager.io}
spec: &anything
  group: cert-manager.io
  scope: Namespaced
  names: {plural: certificates, singular: certificate, kind: Certificate}
  versions: [{name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}}]
---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: issuers.cert-manager.io}
spec:
  group: cert-manager.io
  scope: Namespaced
  names: {plural: issuers, singular: issuer, kind: Issuer}
  versions: [{name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}}]
---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: servicemonitors.monitoring.coreos.com}
spec:
  group: monitoring.coreos.com
  scope: Namespaced
  names: {plural: servicemonitors, singular: servicemonitor, kind: ServiceMonitor}
  versions: [{name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}}]
---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: prometheusrules.monitoring.coreos.com}
spec:
  group: monitoring.coreos.com
  scope: Namespaced
  names: {plural: prometheusrules, singular: prometheusrule, kind: PrometheusRule}
  versions: [{name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}}]
`

// installsUpgradesAndRollsBack drives the real helm, with certificates that
// Podcullis keeps itself, and runs the webhook with the rights of the release.
func installsUpgradesAndRollsBack(t *testing.T, plane *controlplane.ControlPlane) {
	dir, err := filepath.Abs(chartDir)
	if err != nil {
		t.Fatal(err)
	}
	helm := func(args ...string) (notes string) {
		t.Helper()
		out, _, err := plane.Helm(t.Context(), append(args, "-n", namespace)...)
		if err != nil {
			t.Fatal(err)
		}
		_, notes, _ = strings.Cut(out, "NOTES:\n")
		return notes
	}
	golden(t, "notes-audit", helm("install", "guard", dir, "--set", "certificates.mode=self-managed"))
	metrics := freeAddress(t)
	bundle, certificate := keptCertificate(t, plane, metrics)
	narrowed(t, plane, metrics)
	// As the runbook has it: helm alone stops at a field that is somebody else's by now.
	kubectl(t, plane, "", "delete", "validatingwebhookconfiguration", "guard-podcullis-"+namespace)
	helm("upgrade", "guard", dir, "--reuse-values")
	awaitMetric(t, metrics, "podcullis_webhook_configuration_drift 0")
	golden(t, "notes-warn", helm("upgrade", "guard", dir, "--reuse-values", "--set", "mode=warn"))
	golden(t, "notes-enforce", helm("upgrade", "guard", dir, "--reuse-values", "--set", "mode=enforce,webhook.netpols.failurePolicy=Fail,webhook.workloads.failurePolicy=Fail"))
	if got := configuration(t, plane, "failurePolicy"); got != "Fail Fail Ignore" {
		t.Errorf("failurePolicy %s after the upgrade to enforce", got)
	}
	helm("rollback", "guard", "1")
	if got := configuration(t, plane, "failurePolicy"); got != "Ignore Ignore Ignore" {
		t.Errorf("failurePolicy %s after the rollback", got)
	}
	if configuration(t, plane, "clientConfig.caBundle") != bundle || secret(t, plane, "tls.crt") != certificate {
		t.Error("upgrades and a rollback have taken the certificate or its CA away")
	}
	removedByTheHook(t, plane)
	helm("uninstall", "guard", "--no-hooks")
	left := kubectl(t, plane, "", "get", "deployments,services,configmaps,secrets,serviceaccounts,roles,rolebindings,clusterroles,clusterrolebindings,networkpolicies,poddisruptionbudgets,validatingwebhookconfigurations",
		"-A", "-l", "app.kubernetes.io/instance=guard", "-o", "name")
	if left != "" {
		t.Errorf("left after the uninstall:\n%s", left)
	}
}

// keptCertificate runs the webhook as the account of the release: it becomes ready,
// fills the Secret and tells the API server its CA, so the rights are enough.
func keptCertificate(t *testing.T, plane *controlplane.ControlPlane, metrics string) (bundle, certificate string) {
	t.Helper()
	kubeconfig, err := plane.UserKubeconfig("system:serviceaccount:"+namespace+":guard-podcullis", "system:serviceaccounts", "system:authenticated")
	if err != nil {
		t.Fatal(err)
	}
	host := "guard-podcullis." + namespace + ".svc"
	known := filepath.Join(t.TempDir(), "webhooks.yaml")
	text := kubectl(t, plane, "", "get", "configmap", "guard-podcullis", "-n", namespace, "-o", `jsonpath={.data.webhooks\.yaml}`)
	if err := os.WriteFile(known, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	probes := runWebhook(t,
		"--kubeconfig="+kubeconfig, "--cert-dir="+t.TempDir(), "--expected-webhooks="+known, "--metrics-bind-address="+metrics,
		"--certificate-secret="+namespace+"/guard-podcullis-tls", "--certificate-host="+host,
		"--webhook-configuration=guard-podcullis-"+namespace)
	if err := awaitReady(t, probes); err != nil {
		t.Fatal(err)
	}
	bundle = configuration(t, plane, "clientConfig.caBundle")
	bundles := strings.Fields(bundle)
	if len(bundles) != 3 || len(slices.Compact(slices.Clone(bundles))) != 1 {
		t.Fatalf("the webhooks have different CA bundles: %q", bundle)
	}
	ca, err := base64.StdEncoding.DecodeString(bundles[0])
	if err != nil {
		t.Fatal(err)
	}
	certificate = secret(t, plane, "tls.crt")
	pair, err := tls.X509KeyPair(decoded(t, certificate), decoded(t, secret(t, plane, "tls.key")))
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(ca)
	if _, err := pair.Leaf.Verify(x509.VerifyOptions{Roots: pool, DNSName: host}); err != nil {
		t.Error(err)
	}
	return bundle, certificate
}

// narrowed: what helm has installed is what the server expects, and it has the right
// to see that. Somebody narrows it, and is noticed within a minute.
func narrowed(t *testing.T, plane *controlplane.ControlPlane, metrics string) {
	t.Helper()
	awaitMetric(t, metrics, "podcullis_webhook_configuration_drift 0")
	kubectl(t, plane, "", "patch", "validatingwebhookconfiguration", "guard-podcullis-"+namespace, "--type=json",
		"-p", `[{"op": "replace", "path": "/webhooks/0/timeoutSeconds", "value": 1}]`)
	awaitMetric(t, metrics, "podcullis_webhook_configuration_drift 1")
}

// removedByTheHook does what the job before an uninstall does, as its account.
func removedByTheHook(t *testing.T, plane *controlplane.ControlPlane) {
	t.Helper()
	r := install(t, "certificates: {mode: self-managed}")
	var hooks []string
	for _, o := range r.objects {
		if o.GetAnnotations()["helm.sh/hook"] == "pre-delete" && o.kind != "Job" {
			hooks = append(hooks, string(o.text))
		}
	}
	text := strings.Join(hooks, "\n---\n")
	kubectl(t, plane, text, "apply", "-f", "-")
	kubeconfig, err := plane.UserKubeconfig("system:serviceaccount:"+namespace+":guard-podcullis-uninstall", "system:serviceaccounts", "system:authenticated")
	if err != nil {
		t.Fatal(err)
	}
	args := append([]string{"--kubeconfig=" + kubeconfig}, r.podSpecs()["Job guard-podcullis-uninstall"].Spec.Containers[0].Args...)
	name := "validatingwebhookconfigurations.admissionregistration.k8s.io/guard-podcullis-" + namespace
	for _, want := range []string{name + " removed\n", name + " is not there\n"} {
		if diff := cmp.Diff(want, runErrand(t, args...)); diff != "" {
			t.Errorf("the hook says (-want +got):\n%s", diff)
		}
	}
	kubectl(t, plane, text, "delete", "-f", "-")
}

// configuration is a field of each webhook.
func configuration(t *testing.T, plane *controlplane.ControlPlane, field string) string {
	t.Helper()
	return kubectl(t, plane, "", "get", "validatingwebhookconfiguration", "guard-podcullis-"+namespace, "-o", "jsonpath={.webhooks[*]."+field+"}")
}

func secret(t *testing.T, plane *controlplane.ControlPlane, key string) string {
	t.Helper()
	return kubectl(t, plane, "", "get", "secret", "guard-podcullis-tls", "-n", namespace, "-o", "jsonpath={.data."+strings.ReplaceAll(key, ".", `\.`)+"}")
}

func decoded(t *testing.T, text string) []byte {
	t.Helper()
	raw, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func kubectl(t *testing.T, plane *controlplane.ControlPlane, stdin string, args ...string) string {
	t.Helper()
	out, _, err := plane.Kubectl(t.Context(), stdin, args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// golden compares a text with testdata/<name>.txt.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name+".txt")
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v; it is:\n%s", err, got)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}
