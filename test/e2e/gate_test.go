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
	"math/big"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/podcullis/podcullis/test/controlplane"
	"github.com/podcullis/podcullis/test/server"
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

	process *server.Process
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
	server.ShowLog(t, g.logFile)
	t.Cleanup(func() { g.stop(t) })
	return g
}

// start starts the process and waits until it is ready.
func (g *gate) start(t *testing.T) {
	t.Helper()
	g.process = server.Start(t, server.Command{Binary: server.Build(t, shared.dir), Args: g.args, LogFile: g.logFile})
	g.process.AwaitReady(t, g.probes)
}

// stop asks the process to end and waits until it has.
func (g *gate) stop(t *testing.T) {
	t.Helper()
	g.process.Stop(t, patience)
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
	more := options.rules
	if options.everything {
		more = append(more, server.Rule("*", "*", "*/*", admissionregistrationv1.OperationAll))
	}
	var out []admissionregistrationv1.ValidatingWebhook
	for i, g := range replicas {
		name := webhookName
		if i > 0 {
			name = fmt.Sprintf("replica-%d.%s", i, webhookName)
		}
		entry := server.Entry(name, server.At(g.address, g.ca), admissionregistrationv1.Fail, "kube-system")
		entry.Rules, entry.MatchConditions = append(entry.Rules, more...), options.conditions
		out = append(out, entry)
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
	text, err := server.Get(ctx, "http://"+g.metrics+"/metrics")
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
