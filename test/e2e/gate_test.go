package e2e

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/podcullis/podcullis/test/controlplane"
	"github.com/podcullis/podcullis/webhook"
)

// gateOptions are what a webhook under test can differ in.
type gateOptions struct {
	args  []string                                     // flags added to ours
	rules []admissionregistrationv1.RuleWithOperations // added to those of the doors
	// everything registers the webhook for all resources there are.
	everything bool
	// conditions are matchConditions of the webhook.
	conditions []admissionregistrationv1.MatchCondition
}

// gate is a podcullis-webhook process that is registered with the API server.
type gate struct {
	c       cluster
	args    []string
	logFile string
	ca      []byte
	address string
	metrics string
	probes  string

	cmd    *exec.Cmd
	exited chan error
}

const webhookName = "validate.podcullis.io"

// gate starts the webhook, registers it and returns once it is in force.
// When the test is over it is gone again.
func (c cluster) gate(t *testing.T, options gateOptions) *gate {
	t.Helper()
	g := c.replica(t, options)
	c.register(t, options, g)
	return g
}

// ledgerOf names the Lease that the replicas of a test share. What a test leaves in flight
// when its replicas end is not for the next one to wait for.
func ledgerOf(t *testing.T) string {
	test, _, _ := strings.Cut(t.Name(), "/")
	return "ledger-" + strings.ToLower(test)
}

// replica starts the webhook and returns once it is ready; nobody asks it yet.
func (c cluster) replica(t *testing.T, options gateOptions) *gate {
	t.Helper()
	dir := t.TempDir()
	certs := filepath.Join(dir, "certs")
	g := &gate{
		c: c, logFile: filepath.Join(dir, "webhook.log"),
		address: freeAddress(t), metrics: freeAddress(t), probes: freeAddress(t),
	}
	g.ca = writeCertificate(t, certs)
	g.args = append([]string{
		"--kubeconfig", c.readOnlyUser(t),
		"--config", repository(t, "examples", "shop-guardrails.yaml"),
		"--cert-dir", certs,
		"--bind-address", g.address,
		"--metrics-bind-address", g.metrics,
		"--health-probe-bind-address", g.probes,
		"--log-format", "json",
		"--drain-timeout", "200ms", // the API server keeps its connections for 90 s
		"--ledger", "default/" + ledgerOf(t),
	}, options.args...)
	g.start(t)
	t.Cleanup(func() {
		if t.Failed() {
			if text, err := os.ReadFile(g.logFile); err == nil {
				lines := strings.Split(strings.TrimSpace(string(text)), "\n")
				t.Logf("the end of the webhook's log:\n%s", strings.Join(lines[max(0, len(lines)-15):], "\n"))
			}
		}
	})
	t.Cleanup(func() { g.stop(t) })
	return g
}

// build makes the binary, once.
func build(t *testing.T) string {
	t.Helper()
	shared.Lock()
	defer shared.Unlock()
	if shared.webhook == "" {
		path := filepath.Join(shared.dir, "podcullis-webhook")
		cmd := exec.CommandContext(t.Context(), "go", "build", "-o", path, "./cmd/podcullis-webhook")
		cmd.Dir = repository(t)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("build the webhook: %v\n%s", err, out)
		}
		shared.webhook = path
	}
	return shared.webhook
}

// start starts the process and waits until it is ready.
func (g *gate) start(t *testing.T) {
	t.Helper()
	log, err := os.OpenFile(g.logFile, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close() // the process has its own descriptor
	g.cmd = exec.CommandContext(context.Background(), build(t), g.args...)
	g.cmd.Stdout, g.cmd.Stderr = log, log
	g.cmd.Env = []string{"HOME=" + filepath.Dir(g.logFile), "TMPDIR=" + filepath.Dir(g.logFile)}
	if err := g.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	exited := make(chan error, 1)
	go func(cmd *exec.Cmd) { exited <- cmd.Wait() }(g.cmd)
	g.exited = exited
	await(t, "the webhook to be ready", func(ctx context.Context) error {
		select {
		case err := <-exited:
			exited <- err
			text, _ := os.ReadFile(g.logFile)
			t.Fatalf("the webhook ended: %v\n%s", err, text)
		default:
		}
		_, err := get(ctx, "http://"+g.probes+"/readyz")
		return err
	})
}

// stop asks the process to end and waits until it has.
func (g *gate) stop(t *testing.T) {
	t.Helper()
	if err := g.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		t.Error(err)
	}
	select {
	case err := <-g.exited:
		if err != nil {
			t.Errorf("the webhook after SIGTERM: %v", err)
		}
		g.exited <- nil
	case <-time.After(patience):
		t.Errorf("the webhook has not ended %s after SIGTERM", patience)
		_ = g.cmd.Process.Kill()
	}
}

// register makes the ValidatingWebhookConfiguration and waits until the API
// server asks each of the replicas.
func (c cluster) register(t *testing.T, options gateOptions, replicas ...*gate) {
	t.Helper()
	configuration := &admissionregistrationv1.ValidatingWebhookConfiguration{
		ObjectMeta: metav1.ObjectMeta{Name: "podcullis"}, Webhooks: entries(options, replicas...),
	}
	api := c.client.AdmissionregistrationV1().ValidatingWebhookConfigurations()
	if _, err := api.Create(t.Context(), configuration, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { replicas[0].unregister(t) })
	for _, g := range replicas {
		g.awaitAsked(t)
	}
}

// entries are the webhooks of a configuration: one for each replica, so that all
// judge everything.
func entries(options gateOptions, replicas ...*gate) []admissionregistrationv1.ValidatingWebhook {
	rules := options.rules
	if options.everything {
		rules = append(rules, admissionregistrationv1.RuleWithOperations{
			Operations: []admissionregistrationv1.OperationType{admissionregistrationv1.OperationAll},
			Rule:       admissionregistrationv1.Rule{APIGroups: []string{"*"}, APIVersions: []string{"*"}, Resources: []string{"*/*"}, Scope: ptr(admissionregistrationv1.AllScopes)},
		})
	}
	for _, r := range webhook.Resources() {
		group, resource, _ := strings.Cut(r, "/")
		rules = append(rules, admissionregistrationv1.RuleWithOperations{
			Operations: []admissionregistrationv1.OperationType{"CREATE", "UPDATE", "DELETE"},
			Rule:       admissionregistrationv1.Rule{APIGroups: []string{group}, APIVersions: []string{"v1"}, Resources: []string{resource}, Scope: ptr(admissionregistrationv1.AllScopes)},
		})
	}
	var out []admissionregistrationv1.ValidatingWebhook
	for i, g := range replicas {
		name := webhookName
		if i > 0 {
			name = fmt.Sprintf("replica-%d.%s", i, webhookName)
		}
		out = append(out, admissionregistrationv1.ValidatingWebhook{
			Name:                    name,
			ClientConfig:            admissionregistrationv1.WebhookClientConfig{URL: ptr("https://" + g.address + "/validate"), CABundle: g.ca},
			Rules:                   rules,
			FailurePolicy:           ptr(admissionregistrationv1.Fail),
			MatchPolicy:             ptr(admissionregistrationv1.Equivalent),
			SideEffects:             ptr(admissionregistrationv1.SideEffectClassNone),
			TimeoutSeconds:          ptr(int32(10)),
			AdmissionReviewVersions: []string{"v1"},
			MatchConditions:         options.conditions,
			NamespaceSelector: &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{
				{Key: "kubernetes.io/metadata.name", Operator: metav1.LabelSelectorOpNotIn, Values: []string{"kube-system"}},
			}},
		})
	}
	return out
}

// awaitAsked waits until the API server asks the replica.
func (g *gate) awaitAsked(t *testing.T) {
	t.Helper()
	await(t, "the webhook to be in force", func(ctx context.Context) error {
		before := g.reviews(ctx)
		if _, stderr, _ := g.c.Kubectl(ctx, hostPod, "create", "--dry-run=server", "-f", "-"); g.reviews(ctx) == before {
			return fmt.Errorf("it was not asked: %s", stderr)
		}
		return nil
	})
}

// hostPod is a pod that default-deny refuses whatever else there is.
const hostPod = `{apiVersion: v1, kind: Pod, metadata: {name: probe, namespace: default}, spec: {hostNetwork: true, containers: [{name: c, image: example.test/c}]}}`

var reviewsPattern = regexp.MustCompile(`(?m)^podcullis_evaluation_duration_seconds_count (\S+)$`)

// reviews is how often guardrails were evaluated.
func (g *gate) reviews(ctx context.Context) string {
	text, err := get(ctx, "http://"+g.metrics+"/metrics")
	if err != nil {
		return err.Error()
	}
	return strings.Join(reviewsPattern.FindStringSubmatch(text), " ")
}

// unregister removes the configuration and waits until nothing is refused.
func (g *gate) unregister(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	api := g.c.client.AdmissionregistrationV1().ValidatingWebhookConfigurations()
	if err := api.Delete(ctx, "podcullis", metav1.DeleteOptions{}); err != nil && !apierrors.IsNotFound(err) {
		t.Error(err)
	}
	err := controlplane.Await(ctx, "the webhook to be out of force", func(ctx context.Context) error {
		before := g.reviews(ctx)
		_, _, err := g.c.Kubectl(ctx, hostPod, "create", "--dry-run=server", "-f", "-")
		if err == nil && g.reviews(ctx) != before {
			err = errors.New("it was asked")
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// readOnlyUser is who the webhook is to the API server: it may read what the
// model is made of, ask who may do what, keep the ledger and write Events, and nothing else.
func (c cluster) readOnlyUser(t *testing.T) string {
	t.Helper()
	kubeconfig, err := c.UserKubeconfig("podcullis-webhook", "podcullis")
	if err != nil {
		t.Fatal(err)
	}
	c.kubectl(t, readOnlyRole, "apply", "-f", "-")
	return kubeconfig
}

const readOnlyRole = `
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: podcullis-webhook}
rules:
- {apiGroups: [""], resources: [pods, namespaces, replicationcontrollers], verbs: [get, list, watch]}
- {apiGroups: [networking.k8s.io], resources: [networkpolicies], verbs: [get, list, watch]}
- {apiGroups: [apps], resources: [deployments, statefulsets, daemonsets, replicasets], verbs: [get, list, watch]}
- {apiGroups: [batch], resources: [jobs, cronjobs], verbs: [get, list, watch]}
- {apiGroups: [authorization.k8s.io], resources: [subjectaccessreviews], verbs: [create]}
- {apiGroups: [admissionregistration.k8s.io], resources: [validatingwebhookconfigurations], verbs: [list]}
- {apiGroups: [coordination.k8s.io], resources: [leases], verbs: [get, create, update]}
- {apiGroups: [events.k8s.io], resources: [events], verbs: [create]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: podcullis-webhook}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: podcullis-webhook}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: Group, name: podcullis}]
`

// writeCertificate makes a serving pair for 127.0.0.1 in dir, which is its own
// CA, and returns the bundle. Unlike --self-signed it outlives a restart.
func writeCertificate(t *testing.T, dir string) []byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "podcullis-webhook"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true, IsCA: true, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	raw, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	keyRaw, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: raw})
	write(t, filepath.Join(dir, "tls.crt"), certificate)
	write(t, filepath.Join(dir, "tls.key"), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyRaw}))
	return certificate
}

func write(t *testing.T, path string, content []byte) {
	t.Helper()
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, content, 0o600)); err != nil {
		t.Fatal(err)
	}
}

// freeAddress is a loopback address on which nothing listens now, and that no other test
// was given.
func freeAddress(t *testing.T) string {
	t.Helper()
	address, err := controlplane.E2EPorts.FreeAddress()
	if err != nil {
		t.Fatal(err)
	}
	return address
}

func get(ctx context.Context, url string) (string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s: %s", url, response.Status, body)
	}
	return string(body), err
}

func ptr[T any](v T) *T { return &v }

// log is what the process has logged so far.
func (g *gate) log(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(g.logFile)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
