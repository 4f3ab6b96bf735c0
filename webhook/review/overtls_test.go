package review

import (
	"cmp"
	"crypto/x509"
	"net/http"
	"testing"
	"time"

	"github.com/podcullis/podcullis/webhook/serving"
	"github.com/podcullis/podcullis/webhook/serving/servingtest"
)

// reviewed is a server of a test that serves.
type reviewed struct {
	*servingtest.Running
	server *serving.Server
}

// overTLS starts a server on a free port of the loopback, with handler at /validate.
func overTLS(t testing.TB, options serving.Options, handler http.Handler) *reviewed {
	t.Helper()
	options.BindAddress = "127.0.0.1:0"
	options.Logger = cmp.Or(options.Logger, servingtest.Quiet)
	// Tests that are not about draining end at once.
	options.DrainDelay = cmp.Or(options.DrainDelay, time.Millisecond)
	options.DrainQuiet = cmp.Or(options.DrainQuiet, time.Millisecond)
	options.DrainTimeout = cmp.Or(options.DrainTimeout, 50*time.Millisecond)
	server, err := serving.NewServer(options)
	if err != nil {
		t.Fatal(err)
	}
	return &reviewed{servingtest.Start(t, server, handler), server}
}

// certificateFor is a certificate for the loopback and the pool that trusts it.
func certificateFor(t testing.TB) (*serving.SelfSignedCertificate, *x509.CertPool) {
	t.Helper()
	certificate, err := serving.SelfSigned(t.TempDir(), nil)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(certificate.CABundle)
	return certificate, pool
}
