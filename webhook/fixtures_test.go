package webhook

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	admissionv1 "k8s.io/api/admission/v1"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"
)

var quiet = slog.New(slog.DiscardHandler)

// allowEverything is the judge of tests whose subject must refuse on its own.
var allowEverything = admission.HandlerFunc(func(context.Context, admission.Request) admission.Response {
	return admission.Allowed("")
})

const podReview = `{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","request":{"uid":"u-1",` +
	`"kind":{"group":"","version":"v1","kind":"Pod"},"resource":{"group":"","version":"v1","resource":"pods"},` +
	`"name":"web","namespace":"shop","operation":"CREATE","userInfo":{"username":"ann"},` +
	`"object":{"kind":"Pod","apiVersion":"v1","metadata":{"name":"web"}},"oldObject":null,"dryRun":false,"options":null}}`

// postReview sends body to the handler without a network.
func postReview(t testing.TB, handler http.Handler, target, body string) *http.Response {
	t.Helper()
	request := httptest.NewRequest(http.MethodPost, target, strings.NewReader(body))
	request.Header.Set("Content-Type", "application/json")
	recorder := httptest.NewRecorder()
	handler.ServeHTTP(recorder, request)
	return recorder.Result()
}

// reviewResponse reads the AdmissionReview of a 200.
func reviewResponse(t testing.TB, response *http.Response) (*admissionv1.AdmissionResponse, string) {
	t.Helper()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	var review admissionv1.AdmissionReview
	if err := json.Unmarshal(body, &review); err != nil || response.StatusCode != http.StatusOK || review.Response == nil {
		t.Fatalf("want an AdmissionReview with HTTP 200, got HTTP %d %s (%v)", response.StatusCode, body, err)
	}
	return review.Response, review.APIVersion
}

// authority is a CA of a test.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pem  []byte
}

func newAuthority(t testing.TB) *authority {
	t.Helper()
	cert, key, err := selfSignedCA()
	if err != nil {
		t.Fatal(err)
	}
	return &authority{cert, key, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw})}
}

func (a *authority) pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	return pool
}

// issue makes a PEM pair for 127.0.0.1, for both ends of a connection.
func (a *authority) issue(t testing.TB, name string, notAfter time.Time) (cert, key []byte) {
	t.Helper()
	leafKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	serial, _ := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 100))
	template, err := certificateTemplate(name)
	if err != nil {
		t.Fatal(err)
	}
	template.SerialNumber = serial
	template.Subject = pkix.Name{CommonName: name}
	template.NotBefore = notAfter.Add(-48 * time.Hour)
	template.NotAfter = notAfter
	template.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1)}
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
	raw, err := x509.CreateCertificate(rand.Reader, template, a.cert, leafKey.Public(), a.key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(leafKey)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: raw}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})
}

func (a *authority) clientCertificate(t testing.TB, name string, notAfter time.Time) tls.Certificate {
	t.Helper()
	pair, err := tls.X509KeyPair(a.issue(t, name, notAfter))
	if err != nil {
		t.Fatal(err)
	}
	return pair
}

func writeFile(t testing.TB, dir, name string, content []byte) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
		t.Fatal(err)
	}
}

// running is a server of a test that serves.
type running struct {
	server  *Server
	address string
	cancel  context.CancelFunc
	done    chan error
}

// stop tells the server to end; wait waits until it has.
func (r *running) wait(t testing.TB) {
	t.Helper()
	select {
	case err := <-r.done:
		if err != nil {
			t.Errorf("server ended with %v", err)
		}
	case <-time.After(60 * time.Second):
		t.Fatal("server does not end")
	}
}

// serveTLS starts a server on a free port of the loopback, with handler at /validate.
func serveTLS(t testing.TB, options ServerOptions, handler http.Handler) *running {
	t.Helper()
	options.BindAddress = "127.0.0.1:0"
	if options.Logger == nil {
		options.Logger = quiet
	}
	// Tests that are not about draining end at once.
	options.DrainDelay = orDefault(options.DrainDelay, time.Millisecond)
	options.DrainQuiet = orDefault(options.DrainQuiet, time.Millisecond)
	options.DrainTimeout = orDefault(options.DrainTimeout, 50*time.Millisecond)
	server, err := NewServer(options)
	if err != nil {
		t.Fatal(err)
	}
	server.Register("/validate", handler)
	address, err := server.Listen(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	r := &running{server: server, address: address.String(), cancel: cancel, done: make(chan error, 1)}
	go func() {
		err := server.Start(ctx)
		r.done <- err
		close(r.done)
	}()
	t.Cleanup(func() {
		cancel()
		<-r.done
	})
	return r
}

// callerOf returns an HTTP client that trusts the pool, and only it.
func callerOf(t testing.TB, pool *x509.CertPool, certificates ...tls.Certificate) *http.Client {
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

func sendReview(client *http.Client, address, path string, body []byte) (*http.Response, []byte, error) {
	response, err := client.Post("https://"+address+path, "application/json", bytes.NewReader(body))
	if err != nil {
		return nil, nil, err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	return response, answer, err
}

// selfSignedFor is a certificate for the loopback and the pool that trusts it.
func selfSignedFor(t testing.TB) (*SelfSignedCertificate, *x509.CertPool) {
	t.Helper()
	certificate, err := SelfSigned(t.TempDir(), nil)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(certificate.CABundle)
	return certificate, pool
}

// eventually waits for a condition.
func eventually(t testing.TB, what string, condition func() bool) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for !condition() {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", what)
		}
		time.Sleep(2 * time.Millisecond)
	}
}

func textLogger(w io.Writer) *slog.Logger { return slog.New(slog.NewTextHandler(w, nil)) }

// countedMetrics returns metrics and what they show: name{label="value",...} -> value,
// counters and gauges only.
func countedMetrics(t testing.TB) (*Metrics, func() map[string]float64) {
	t.Helper()
	registry := prometheus.NewRegistry()
	return NewMetrics(registry), func() map[string]float64 {
		t.Helper()
		families, err := registry.Gather()
		if err != nil {
			t.Fatal(err)
		}
		samples := map[string]float64{}
		for _, family := range families {
			for _, metric := range family.GetMetric() {
				var labels []string
				for _, label := range metric.GetLabel() {
					labels = append(labels, fmt.Sprintf("%s=%q", label.GetName(), label.GetValue()))
				}
				value := metric.GetCounter().GetValue() + metric.GetGauge().GetValue()
				samples[fmt.Sprintf("%s{%s}", family.GetName(), strings.Join(labels, ","))] = value
			}
		}
		return samples
	}
}
