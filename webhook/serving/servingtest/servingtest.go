// Package servingtest is what tests of servers share: callers over TLS, certificates, and
// waiting for a condition. It knows no server but by what it does, so that the tests of the
// server itself can use it.
package servingtest

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// Quiet is a logger of which nobody hears.
var Quiet = slog.New(slog.DiscardHandler)

// TextLogger writes lines.
func TextLogger(w io.Writer) *slog.Logger { return slog.New(slog.NewTextHandler(w, nil)) }

// PodReview is an AdmissionReview of a new pod.
const PodReview = `{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","request":{"uid":"u-1",` +
	`"kind":{"group":"","version":"v1","kind":"Pod"},"resource":{"group":"","version":"v1","resource":"pods"},` +
	`"name":"web","namespace":"shop","operation":"CREATE","userInfo":{"username":"ann"},` +
	`"object":{"kind":"Pod","apiVersion":"v1","metadata":{"name":"web"}},"oldObject":null,"dryRun":false,"options":null}}`

// Server is a server that has not been started.
type Server interface {
	Register(path string, handler http.Handler)
	Listen(context.Context) (net.Addr, error)
	Start(context.Context) error
}

// Running is a server that serves.
type Running struct {
	Address string
	// Cancel tells it to end.
	Cancel context.CancelFunc
	// Done has what it ended with.
	Done chan error
}

// Start starts a server with handler at /validate; it ends with the test.
func Start(t testing.TB, server Server, handler http.Handler) *Running {
	t.Helper()
	server.Register("/validate", handler)
	address, err := server.Listen(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	r := &Running{Address: address.String(), Cancel: cancel, Done: make(chan error, 1)}
	go func() {
		r.Done <- server.Start(ctx)
		close(r.Done)
	}()
	t.Cleanup(func() {
		cancel()
		<-r.Done
	})
	return r
}

// Wait waits until the server has ended.
func (r *Running) Wait(t testing.TB) {
	t.Helper()
	select {
	case err := <-r.Done:
		if err != nil {
			t.Errorf("server ended with %v", err)
		}
	case <-time.After(60 * time.Second):
		t.Fatal("server does not end")
	}
}

// CallerOf returns an HTTP client that trusts the pool, and only it.
func CallerOf(t testing.TB, pool *x509.CertPool, certificates ...tls.Certificate) *http.Client {
	t.Helper()
	transport := &http.Transport{
		TLSClientConfig:     &tls.Config{RootCAs: pool, Certificates: certificates, ServerName: "127.0.0.1"},
		MaxIdleConnsPerHost: 64,
	}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: 30 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse
	}}
}

// Send posts a review and reads the answer.
func Send(client *http.Client, address, path string, body []byte) (*http.Response, []byte, error) {
	response, err := client.Post("https://"+address+path, "application/json", bytes.NewReader(body))
	if err != nil {
		return nil, nil, err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	return response, answer, err
}

// Eventually waits for a condition.
func Eventually(t testing.TB, what string, condition func() bool) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for !condition() {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", what)
		}
		time.Sleep(2 * time.Millisecond)
	}
}

// WriteFile writes a file of a certificate.
func WriteFile(t testing.TB, dir, name string, content []byte) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
		t.Fatal(err)
	}
}

// Authority is a CA.
type Authority struct {
	// PEM is its certificate.
	PEM []byte

	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// NewAuthority makes one.
func NewAuthority(t testing.TB) *Authority {
	t.Helper()
	template := template(t, "test CA", time.Now().Add(365*24*time.Hour))
	template.NotBefore = time.Now().Add(-time.Hour)
	template.IsCA, template.KeyUsage = true, x509.KeyUsageCertSign|x509.KeyUsageCRLSign
	cert, key := sign(t, template, nil, nil)
	return &Authority{pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw}), cert, key}
}

// Pool trusts it.
func (a *Authority) Pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	return pool
}

// Issue makes a PEM pair for 127.0.0.1, for both ends of a connection, that began two days
// before its end.
func (a *Authority) Issue(t testing.TB, name string, notAfter time.Time) (cert, key []byte) {
	t.Helper()
	template := template(t, name, notAfter)
	template.KeyUsage = x509.KeyUsageDigitalSignature
	template.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1)}
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
	leaf, leafKey := sign(t, template, a.cert, a.key)
	der, err := x509.MarshalPKCS8PrivateKey(leafKey)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: leaf.Raw}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}

// ClientCertificate is one to call with.
func (a *Authority) ClientCertificate(t testing.TB, name string, notAfter time.Time) tls.Certificate {
	t.Helper()
	pair, err := tls.X509KeyPair(a.Issue(t, name, notAfter))
	if err != nil {
		t.Fatal(err)
	}
	return pair
}

func template(t testing.TB, name string, notAfter time.Time) *x509.Certificate {
	t.Helper()
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 100))
	if err != nil {
		t.Fatal(err)
	}
	return &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: name}, BasicConstraintsValid: true,
		NotBefore: notAfter.Add(-48 * time.Hour), NotAfter: notAfter,
	}
}

// sign makes a certificate, by itself without a parent.
func sign(t testing.TB, template, parent *x509.Certificate, by *ecdsa.PrivateKey) (*x509.Certificate, *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if parent == nil {
		parent, by = template, key
	}
	raw, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), by)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(raw)
	if err != nil {
		t.Fatal(err)
	}
	return cert, key
}
