package serving

import (
	"context"
	"crypto/tls"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/podcullis/podcullis/webhook/serving/servingtest"
)

const inADay = 24 * time.Hour

// shown is the common name of the certificate that a new handshake sees.
func shown(t testing.TB, address string, authority *servingtest.Authority) string {
	t.Helper()
	conn, err := tls.Dial("tcp", address, &tls.Config{RootCAs: authority.Pool(), ServerName: "127.0.0.1"})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	return conn.ConnectionState().PeerCertificates[0].Subject.CommonName
}

func TestFiftyRotationsUnderLoadDropNothing(t *testing.T) {
	rotations := 50
	if testing.Short() {
		rotations = 10
	}
	ca := servingtest.NewAuthority(t)
	dir := t.TempDir()
	rotate := func(name string) {
		cert, key := ca.Issue(t, name, time.Now().Add(inADay))
		// Half-written states that a reader can meet in between.
		servingtest.WriteFile(t, dir, "tls.crt", cert[:len(cert)/2])
		servingtest.WriteFile(t, dir, "tls.crt", cert)
		servingtest.WriteFile(t, dir, "tls.key", key[:len(key)/2])
		servingtest.WriteFile(t, dir, "tls.key", key)
	}
	rotate("first")
	certificates, err := LoadCertificates(dir, CertificateDirOptions{Interval: time.Millisecond, Logger: servingtest.Quiet})
	if err != nil {
		t.Fatal(err)
	}
	r := serveTLS(t, Options{Certificates: certificates}, answerAllowed)

	stop := make(chan struct{})
	var callers sync.WaitGroup
	var calls atomic.Int64
	for range 4 {
		client := servingtest.CallerOf(t, ca.Pool())
		callers.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-stop:
					return
				default:
				}
				if n%2 == 0 {
					client.CloseIdleConnections() // and a new handshake
				}
				response, body, err := servingtest.Send(client, r.Address, "/validate", []byte(servingtest.PodReview))
				if err != nil || response.StatusCode != 200 || !strings.Contains(string(body), `"allowed":true`) {
					t.Errorf("call %d: %v %s", n, err, body)
					return
				}
				calls.Add(1)
			}
		})
	}
	for i := range rotations {
		name := "rotation-" + string(rune('A'+i%26)) + string(rune('A'+i/26))
		rotate(name)
		servingtest.Eventually(t, name+" is shown", func() bool { return shown(t, r.Address, ca) == name })
	}
	close(stop)
	callers.Wait()
	t.Logf("%d calls over %d rotations", calls.Load(), rotations)
}

func TestABrokenPairLeavesTheLastGoodOne(t *testing.T) {
	ca := servingtest.NewAuthority(t)
	cert, key := ca.Issue(t, "good", time.Now().Add(inADay))
	newCert, newKey := ca.Issue(t, "new", time.Now().Add(2*inADay))
	tests := map[string]func(t *testing.T, dir string){
		"HalfWrittenCertificate": func(t *testing.T, dir string) { servingtest.WriteFile(t, dir, "tls.crt", newCert[:len(newCert)/2]) },
		"EmptyCertificate":       func(t *testing.T, dir string) { servingtest.WriteFile(t, dir, "tls.crt", nil) },
		"KeyOfAnother":           func(t *testing.T, dir string) { servingtest.WriteFile(t, dir, "tls.crt", newCert) },
		"HalfWrittenKey": func(t *testing.T, dir string) {
			servingtest.WriteFile(t, dir, "tls.crt", newCert)
			servingtest.WriteFile(t, dir, "tls.key", newKey[:len(newKey)/2])
		},
		"KeyGone": func(t *testing.T, dir string) {
			if err := os.Remove(filepath.Join(dir, "tls.key")); err != nil {
				t.Fatal(err)
			}
		},
		"Gone": func(t *testing.T, dir string) {
			if err := os.RemoveAll(dir); err != nil {
				t.Fatal(err)
			}
		},
	}
	for name, spoil := range tests {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "certs")
			if err := os.Mkdir(dir, 0o700); err != nil {
				t.Fatal(err)
			}
			servingtest.WriteFile(t, dir, "tls.crt", cert)
			servingtest.WriteFile(t, dir, "tls.key", key)
			registry := prometheus.NewRegistry()
			certificates, err := LoadCertificates(dir, CertificateDirOptions{Logger: servingtest.Quiet, Metrics: NewMetrics(registry)})
			if err != nil {
				t.Fatal(err)
			}
			loads := func(want float64, when string) {
				t.Helper()
				if got := gauge(t, registry, "podcullis_certificate_last_reload_successful"); got != want {
					t.Errorf("%s: last_reload_successful is %v, want %v", when, got, want)
				}
			}
			loads(1, "at the start")
			spoil(t, dir)
			if changed, err := certificates.reload(); err == nil || changed {
				t.Errorf("reload of the broken pair: changed %v, error %v", changed, err)
			}
			current, err := certificates.GetCertificate(nil)
			if err != nil || current.Leaf.Subject.CommonName != "good" {
				t.Errorf("serving %+v, %v", current, err)
			}

			loads(0, "broken")

			if err := os.MkdirAll(dir, 0o700); err != nil {
				t.Fatal(err)
			}
			// The old pair is back: nothing changes for who calls, and all is well.
			servingtest.WriteFile(t, dir, "tls.crt", cert)
			servingtest.WriteFile(t, dir, "tls.key", key)
			if changed, err := certificates.reload(); err != nil || changed {
				t.Errorf("reload of the old pair: changed %v, error %v", changed, err)
			}
			loads(1, "with the old pair back")

			spoil(t, dir)
			if _, err := certificates.reload(); err == nil {
				t.Error("the second broken pair loads")
			}
			loads(0, "broken again")
			if err := os.MkdirAll(dir, 0o700); err != nil {
				t.Fatal(err)
			}
			servingtest.WriteFile(t, dir, "tls.crt", newCert)
			servingtest.WriteFile(t, dir, "tls.key", newKey)
			if changed, err := certificates.reload(); err != nil || !changed {
				t.Errorf("reload of the new pair: changed %v, error %v", changed, err)
			}
			loads(1, "mended")
		})
	}
}

// A server that makes its own certificate has no files that could fail to load.
func TestWithoutFilesThereIsNoCertificateMetric(t *testing.T) {
	registry := prometheus.NewRegistry()
	NewMetrics(registry)
	if families, err := registry.Gather(); err != nil || len(families) > 0 {
		t.Errorf("%v is shown, %v", families, err)
	}
}

func TestANewChainUnderTheSameLeafIsANewCertificate(t *testing.T) {
	ca, other := servingtest.NewAuthority(t), servingtest.NewAuthority(t)
	dir := t.TempDir()
	cert, key := ca.Issue(t, "leaf", time.Now().Add(inADay))
	servingtest.WriteFile(t, dir, "tls.crt", cert)
	servingtest.WriteFile(t, dir, "tls.key", key)
	certificates, err := LoadCertificates(dir, CertificateDirOptions{Logger: servingtest.Quiet})
	if err != nil {
		t.Fatal(err)
	}
	servingtest.WriteFile(t, dir, "tls.crt", slices.Concat(cert, other.PEM))
	if changed, err := certificates.reload(); err != nil || !changed {
		t.Errorf("changed %v, error %v", changed, err)
	}
	if current, _ := certificates.GetCertificate(nil); len(current.Certificate) != 2 {
		t.Errorf("a chain of %d", len(current.Certificate))
	}
}

func TestWatchLogsABrokenPairOnce(t *testing.T) {
	var log strings.Builder
	reloads := 0
	ctx, cancel := context.WithCancel(t.Context())
	watchFiles(ctx, time.Millisecond, servingtest.TextLogger(&log), "certificate", func() (bool, error) {
		if reloads++; reloads == 5 {
			cancel()
		}
		return false, os.ErrNotExist
	})
	if got := strings.Count(log.String(), "level=ERROR"); got != 1 {
		t.Errorf("logged %d times:\n%s", got, log.String())
	}
}

func TestLoadCertificatesNeedsAPair(t *testing.T) {
	if _, err := LoadCertificates(t.TempDir(), CertificateDirOptions{Logger: servingtest.Quiet}); err == nil || !strings.Contains(err.Error(), "tls.crt") {
		t.Errorf("an empty directory: %v", err)
	}
}

func TestSelfSignedIsTrustedThroughItsBundleOnly(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new")
	certificate, err := SelfSigned(dir, []string{"podcullis.podcullis.svc", "192.0.2.7"})
	if err != nil {
		t.Fatal(err)
	}
	if certificate.CAFile != filepath.Join(dir, "ca.crt") {
		t.Errorf("bundle in %s", certificate.CAFile)
	}
	bundle, err := os.ReadFile(certificate.CAFile)
	if err != nil {
		t.Fatal(err)
	}
	trusting := servingtest.NewAuthority(t).Pool()
	r := serveTLS(t, Options{Certificates: certificate}, answerOK)
	for name, want := range map[string]bool{"localhost": true, "127.0.0.1": true, "::1": true, "podcullis.podcullis.svc": true, "192.0.2.7": true, "example.org": false} {
		_, err := tls.Dial("tcp", r.Address, &tls.Config{RootCAs: trusting, ServerName: name})
		if err == nil {
			t.Errorf("%s: trusted without its bundle", name)
		}
		pool := trusting.Clone()
		pool.AppendCertsFromPEM(bundle)
		conn, err := tls.Dial("tcp", r.Address, &tls.Config{RootCAs: pool, ServerName: name})
		if (err == nil) != want {
			t.Errorf("%s: %v", name, err)
		}
		if err == nil {
			conn.Close()
		}
	}
	if left := time.Until(certificate.NotAfter()); left < 300*inADay {
		t.Errorf("expires in %s", left)
	}
	files, _ := os.ReadDir(dir)
	if len(files) != 1 {
		t.Errorf("wrote %v, want the CA certificate and no key", files)
	}
}
