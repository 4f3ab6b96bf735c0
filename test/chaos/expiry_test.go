package chaos

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"

	"github.com/podcullis/podcullis/test/server"
)

// Nothing touches the certificate; the time just passes. The replica stops being ready in
// the second in which API servers stop talking to it, says so, and is itself again when a
// new pair lies there.
func TestACertificateThatExpiresIsSeenFromWithin(t *testing.T) {
	c := start(t)
	ca, certs := newAuthority(t), t.TempDir()
	end := time.Now().Add(time.Duration(size(15, 30)) * time.Second).Truncate(time.Second)
	ca.writeUntil(t, certs, end)
	r := c.launch(t, replicaOptions{certs: certs})
	c.register(t, r.address, ca.bundle(), admissionregistrationv1.Fail)
	if text, err := server.Get(t.Context(), "http://"+r.probes+"/readyz"); err != nil || !strings.Contains(text, "[+]certificate: ok, the serving certificate") {
		t.Errorf("within its last day readiness says %q, %v", text, err)
	}
	l := c.load(t, 4, unhurried)
	for time.Now().Before(end.Add(-time.Second)) {
		pause(t, 50*time.Millisecond)
	}
	before := l.asked.Load()
	if n := l.lostSoFar(); n > 0 {
		t.Errorf("%d calls were lost before the end", n)
	}
	for time.Now().Before(end.Add(time.Second)) {
		pause(t, 50*time.Millisecond)
	}
	if _, err := server.Get(t.Context(), "http://"+r.probes+"/readyz"); err == nil || !strings.Contains(err.Error(), "[-]certificate: the serving certificate") || !strings.Contains(err.Error(), "has expired") {
		t.Errorf("a second after the end readiness says %v", err)
	}
	if text, err := server.Get(t.Context(), "http://"+r.metrics+"/metrics"); err != nil || !strings.Contains(text, "podcullis_certificate_valid 0") {
		t.Errorf("metrics without podcullis_certificate_valid 0: %v", err)
	}
	await(t, "the log to tell", func(context.Context) error {
		text, err := os.ReadFile(r.logFile)
		if err == nil && !strings.Contains(string(text), "does not accept the serving certificate") {
			err = errors.New("not yet")
		}
		return err
	})
	// Connections that are open stay in use; who has to make one is refused.
	var kept, refused int64
	for range 20 {
		switch a, err := c.judge(t.Context(), forbidden); {
		case a == wrong:
			t.Fatalf("after the end: %v", err)
		case a == right:
			kept++
		case strings.Contains(err.Error(), "x509: certificate has expired"):
			refused++
		default:
			t.Errorf("after the end: %v", err)
		}
	}
	ca.write(t, certs)
	await(t, "the new pair to be served", func(ctx context.Context) error {
		if _, err := server.Get(ctx, "http://"+r.probes+"/readyz"); err != nil {
			return err
		}
		if c.tries(ctx, forbidden) != right {
			return errors.New("the API server does not get an answer")
		}
		return nil
	})
	l.end()
	record(t, l.row("certificate expires", "nobody renews it; then somebody does",
		fmt.Sprintf("%d asked before the end; not ready within 1 s of it; of 20 calls after it %d came over connections that were open and %d were refused by the API server (x509); right when renewed, without a restart", before, kept, refused)))
	if l.wrong.Load() > 0 {
		t.Errorf("%d wrong answers", l.wrong.Load())
	}
}
