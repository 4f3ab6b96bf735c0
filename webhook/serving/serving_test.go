package serving

import (
	"cmp"
	"crypto/x509"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/podcullis/podcullis/webhook/serving/servingtest"
)

// running is a server of a test that serves.
type running struct {
	*servingtest.Running
	server *Server
}

// serveTLS starts a server on a free port of the loopback, with handler at /validate.
func serveTLS(t testing.TB, options Options, handler http.Handler) *running {
	t.Helper()
	options.BindAddress = "127.0.0.1:0"
	options.Logger = cmp.Or(options.Logger, servingtest.Quiet)
	// Tests that are not about draining end at once.
	options.DrainDelay = cmp.Or(options.DrainDelay, time.Millisecond)
	options.DrainQuiet = cmp.Or(options.DrainQuiet, time.Millisecond)
	options.DrainTimeout = cmp.Or(options.DrainTimeout, 50*time.Millisecond)
	server, err := NewServer(options)
	if err != nil {
		t.Fatal(err)
	}
	return &running{servingtest.Start(t, server, handler), server}
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

// answerAllowed reads a review and allows it, whatever it is.
var answerAllowed = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
	if _, err := io.Copy(io.Discard, r.Body); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(w, `{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","response":{"uid":"u-1","allowed":true}}`)
})
