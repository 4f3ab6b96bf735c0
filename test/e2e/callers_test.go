package e2e

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/util/cert"

	"github.com/podcullis/podcullis/test/controlplane"
	"github.com/podcullis/podcullis/test/server"
)

// callersCA signs certificates with which one calls.
type callersCA struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newCallersCA(t *testing.T) callersCA {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ca, err := cert.NewSelfSignedCACert(cert.Config{CommonName: "podcullis-callers"}, key)
	if err != nil {
		t.Fatal(err)
	}
	return callersCA{ca, key}
}

func (a callersCA) pem() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.cert.Raw})
}

// issue makes a client certificate of that name and end.
func (a callersCA) issue(t *testing.T, name string, end time.Time, usage x509.ExtKeyUsage) (certificate, key []byte) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, NotBefore: a.cert.NotBefore, NotAfter: end,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{usage},
	}, a.cert, private.Public(), a.key)
	if err != nil {
		t.Fatal(err)
	}
	keyRaw, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: raw}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyRaw})
}

// documented is a file of docs/callers.md: the block that has the kind.
func documented(t *testing.T, kind string) string {
	t.Helper()
	text, err := os.ReadFile(repository(t, "docs", "callers.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, block := range strings.Split(string(text), "```yaml\n")[1:] {
		block, _, _ = strings.Cut(block, "```")
		var file strings.Builder
		for line := range strings.Lines(block) {
			file.WriteString(strings.TrimPrefix(line, "   ")) // as deep as the list
		}
		if strings.Contains(file.String(), "\nkind: "+kind+"\n") {
			return file.String()
		}
	}
	t.Fatalf("docs/callers.md shows no %s", kind)
	return ""
}

// What docs/callers.md advises, done: an API server that shows a client certificate is
// answered, and nobody else gets past the handshake.
func TestOnlyTheAPIServerIsAnsweredAsDocumented(t *testing.T) {
	bin := controlplane.Bin(t)
	ca, other := newCallersCA(t), newCallersCA(t)
	const name = "kube-apiserver-to-podcullis"
	folder, address := t.TempDir(), freeAddress(t)
	show := func(certificate, key []byte) {
		write(t, filepath.Join(folder, "client.crt"), certificate)
		write(t, filepath.Join(folder, "client.key"), key)
	}
	show(ca.issue(t, name, time.Now().Add(time.Hour), x509.ExtKeyUsageClientAuth))
	for file, kind := range map[string]string{"admission.yaml": "AdmissionConfiguration", "kubeconfig.yaml": "Config"} {
		text := strings.ReplaceAll(documented(t, kind), "/etc/kubernetes/podcullis", folder)
		write(t, filepath.Join(folder, file), []byte(strings.ReplaceAll(text, "podcullis.podcullis.svc", address)))
	}
	write(t, filepath.Join(folder, "ca.crt"), ca.pem())
	plane, err := controlplane.Run(t.Context(), bin, t.TempDir(), controlplane.Options{
		APIServerArgs: []string{"--admission-control-config-file=" + filepath.Join(folder, "admission.yaml")},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := plane.Stop(); err != nil {
			t.Error(err)
		}
	})
	client, err := kubernetes.NewForConfig(plane.REST())
	if err != nil {
		t.Fatal(err)
	}
	c := cluster{plane, client}
	options := gateOptions{args: []string{"--bind-address", address, "--client-ca-file", filepath.Join(folder, "ca.crt"), "--client-name", name}}
	g := c.replica(t, options)
	g.address = address
	c.register(t, options, g) // returns once it is asked, and so once the API server was let in

	judged := g.reviews(t.Context())
	tomorrow := time.Now().Add(24 * time.Hour)
	for stranger, pair := range map[string]func() ([]byte, []byte){
		"NoCertificate": nil,
		"AnotherCA":     func() ([]byte, []byte) { return other.issue(t, name, tomorrow, x509.ExtKeyUsageClientAuth) },
		"AnotherName":   func() ([]byte, []byte) { return ca.issue(t, "mallory", tomorrow, x509.ExtKeyUsageClientAuth) },
		"Expired": func() ([]byte, []byte) {
			return ca.issue(t, name, time.Now().Add(-time.Minute), x509.ExtKeyUsageClientAuth)
		},
		"ForServers": func() ([]byte, []byte) { return ca.issue(t, name, tomorrow, x509.ExtKeyUsageServerAuth) },
	} {
		t.Run(stranger, func(t *testing.T) {
			body := &counting{left: 8 << 20}
			config := &tls.Config{InsecureSkipVerify: true} //nolint:gosec // whom the stranger calls is not in question
			if pair != nil {
				certificate, err := tls.X509KeyPair(pair())
				if err != nil {
					t.Fatal(err)
				}
				config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &certificate, nil }
			}
			transport := &http.Transport{TLSClientConfig: config}
			defer transport.CloseIdleConnections()
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			request, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://"+address+"/validate", body)
			if err != nil {
				t.Fatal(err)
			}
			response, err := transport.RoundTrip(request)
			if err == nil {
				response.Body.Close()
				t.Fatalf("answered %s", response.Status)
			}
			t.Log(err)
		})
	}
	if now := g.reviews(t.Context()); now != judged {
		t.Errorf("strangers were judged: %s evaluations, and %s before", now, judged)
	}
	text, err := server.Get(t.Context(), "http://"+g.metrics+"/metrics")
	if err != nil || !strings.Contains(text, `podcullis_rejected_requests_total{reason="bad_request"} 0`) || !strings.Contains(text, "podcullis_admission_in_flight 0") {
		t.Errorf("a stranger's request was read: %v", err)
	}

	// The API server's own certificate ends.
	show(ca.issue(t, name, time.Now().Add(-time.Minute), x509.ExtKeyUsageClientAuth))
	restart := func() {
		t.Helper()
		if err := errors.Join(plane.StopAPIServer(), plane.StartAPIServer(t.Context())); err != nil {
			t.Fatal(err)
		}
	}
	restart()
	await(t, "the API server to say why", func(ctx context.Context) error {
		_, stderr, _ := c.Kubectl(ctx, hostPod, "create", "--dry-run=server", "-f", "-")
		if !strings.Contains(stderr, "failed calling webhook") || !strings.Contains(stderr, "tls: expired certificate") {
			return fmt.Errorf("it says %s", stderr)
		}
		return nil
	})
	show(ca.issue(t, name, tomorrow, x509.ExtKeyUsageClientAuth))
	restart()
	g.awaitAsked(t)
}

// counting is a body that does not end soon.
type counting struct{ left int }

func (b *counting) Read(p []byte) (int, error) {
	if b.left == 0 {
		return 0, io.EOF
	}
	n := min(len(p), b.left)
	for i := range p[:n] {
		p[i] = ' '
	}
	b.left -= n
	return n, nil
}
