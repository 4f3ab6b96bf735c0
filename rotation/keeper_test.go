package rotation

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
)

const host = "podcullis.podcullis.svc"

var key = types.NamespacedName{Namespace: "podcullis", Name: "podcullis-tls"}

func TestFirstCertificateIsServedAndTrusted(t *testing.T) {
	c := newClient()
	k := keeper(t, c)
	keep(t, k)
	if err := verify(t, k, c); err != nil {
		t.Error(err)
	}
	again := read(t, k)
	keep(t, k)
	if !bytes.Equal(read(t, k), again) {
		t.Error("a valid certificate was made anew")
	}
}

func TestReplicasShareOneCertificate(t *testing.T) {
	c := newClient()
	first, second := keeper(t, c), keeper(t, c)
	// The second reads the Secret while it is empty, and writes after the first has.
	second.options.Client = interceptor.NewClient(c, interceptor.Funcs{
		Update: func(ctx context.Context, w client.WithWatch, o client.Object, opts ...client.UpdateOption) error {
			keep(t, first)
			return w.Update(ctx, o, opts...)
		},
	})
	keep(t, second)
	if !bytes.Equal(read(t, first), read(t, second)) {
		t.Error("two replicas serve different certificates")
	}
	if err := verify(t, second, c); err != nil {
		t.Error(err)
	}
}

func TestCertificateIsRenewedByTheSameCA(t *testing.T) {
	c := newClient()
	k := keeper(t, c)
	keep(t, k)
	keep(t, k)
	before, ca := read(t, k), bundle(t, c)
	k.now = func() time.Time { return time.Now().Add(leafLifetime - ahead + time.Hour) }
	keep(t, k)
	if bytes.Equal(read(t, k), before) {
		t.Error("a certificate that ends within 90 days was not renewed")
	}
	if !bytes.Equal(bundle(t, c), ca) {
		t.Error("the CA changed with the certificate")
	}
}

// Whoever calls while a CA changes trusts what he is shown, even if he heard of the
// bundle a moment late.
func TestChangeOfTheCALosesNoCall(t *testing.T) {
	c := newClient()
	replicas := []*Keeper{keeper(t, c), keeper(t, c)}
	at := func(now time.Time) {
		for _, k := range replicas {
			k.now = func() time.Time { return now }
		}
	}
	keep(t, replicas[0])
	near := time.Now().Add(caLifetime - ahead)
	at(near.Add(-200 * 24 * time.Hour)) // the last certificate of the old CA
	for _, k := range replicas {
		keep(t, k)
		keep(t, k)
	}
	before, old := read(t, replicas[0]), bundle(t, c)
	now := near.Add(48 * time.Hour)
	at(now)
	for round := range 3 {
		for _, k := range replicas {
			heard := bundle(t, c) // what the API server knows
			keep(t, k)
			if err := verifyWith(heard, read(t, k), now); err != nil {
				t.Errorf("round %d: served before it was trusted: %v", round, err)
			}
			for _, each := range replicas {
				if err := verifyWith(bundle(t, c), read(t, each), now); err != nil {
					t.Errorf("round %d: no longer trusted: %v", round, err)
				}
			}
		}
		if round == 0 && (!bytes.Equal(read(t, replicas[0]), before) || !bytes.Equal(read(t, replicas[1]), before)) {
			t.Error("the new certificate is served in the moment in which its CA is published")
		}
	}
	if bytes.Equal(bundle(t, c), old) || bytes.Equal(read(t, replicas[0]), before) || !bytes.Equal(read(t, replicas[0]), read(t, replicas[1])) {
		t.Error("the new certificate is not served by both")
	}
}

func TestBundleThatIsTakenAwayComesBack(t *testing.T) {
	c := newClient()
	k := keeper(t, c)
	keep(t, k)
	want := bundle(t, c)
	w := configuration(t, c)
	for i := range w.Webhooks {
		w.Webhooks[i].ClientConfig.CABundle = nil
	}
	if err := c.Update(t.Context(), w); err != nil {
		t.Fatal(err)
	}
	keep(t, k)
	if !bytes.Equal(bundle(t, c), want) {
		t.Error("the CA bundle did not come back")
	}
}

func TestWithoutAWebhookConfigurationItServes(t *testing.T) {
	c := newClient()
	if err := c.Delete(t.Context(), configuration(t, c)); err != nil {
		t.Fatal(err)
	}
	k := keeper(t, c)
	keep(t, k)
	if len(read(t, k)) == 0 {
		t.Error("no certificate")
	}
}

func TestMissingSecretIsNamed(t *testing.T) {
	k := keeper(t, fake.NewClientBuilder().Build())
	err := k.Keep(t.Context())
	if want := `certificate Secret podcullis/podcullis-tls: secrets "podcullis-tls" not found`; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func newClient() client.WithWatch {
	entry := func(name string) admissionregistrationv1.ValidatingWebhook {
		return admissionregistrationv1.ValidatingWebhook{Name: name}
	}
	return fake.NewClientBuilder().WithObjects(
		&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: key.Name}},
		&admissionregistrationv1.ValidatingWebhookConfiguration{
			ObjectMeta: metav1.ObjectMeta{Name: "podcullis"},
			Webhooks:   []admissionregistrationv1.ValidatingWebhook{entry("netpols.podcullis.io"), entry("workloads.podcullis.io")},
		},
	).Build()
}

func keeper(t *testing.T, c client.Client) *Keeper {
	t.Helper()
	return New(Options{Client: c, Secret: key, Configuration: "podcullis", Hosts: []string{host, host + ".cluster.local"}, Dir: t.TempDir(), Log: slog.New(slog.DiscardHandler)})
}

func keep(t *testing.T, k *Keeper) {
	t.Helper()
	if err := k.Keep(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, k *Keeper) []byte {
	t.Helper()
	dir := k.options.Dir
	if _, err := tls.LoadX509KeyPair(filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(dir, "tls.crt"))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func configuration(t *testing.T, c client.Client) *admissionregistrationv1.ValidatingWebhookConfiguration {
	t.Helper()
	w := &admissionregistrationv1.ValidatingWebhookConfiguration{}
	if err := c.Get(t.Context(), types.NamespacedName{Name: "podcullis"}, w); err != nil {
		t.Fatal(err)
	}
	return w
}

// bundle is that of both webhooks.
func bundle(t *testing.T, c client.Client) []byte {
	t.Helper()
	w := configuration(t, c)
	first := w.Webhooks[0].ClientConfig.CABundle
	for _, each := range w.Webhooks {
		if !bytes.Equal(each.ClientConfig.CABundle, first) {
			t.Errorf("webhook %s has another CA bundle", each.Name)
		}
	}
	return first
}

func verify(t *testing.T, k *Keeper, c client.Client) error {
	t.Helper()
	return verifyWith(bundle(t, c), read(t, k), time.Now())
}

// verifyWith verifies as the API server does.
func verifyWith(bundle, certificate []byte, at time.Time) error {
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(bundle)
	leaf, err := parse(certificate)
	if err != nil {
		return err
	}
	_, err = leaf.Verify(x509.VerifyOptions{Roots: pool, DNSName: host, CurrentTime: at})
	return err
}

func parse(text []byte) (*x509.Certificate, error) {
	block, _ := pem.Decode(text)
	return x509.ParseCertificate(block.Bytes)
}
