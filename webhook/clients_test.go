package webhook

import (
	"crypto/tls"
	"net/http"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func TestOnlyTheAPIServerGetsThroughTheHandshake(t *testing.T) {
	ca, other := newAuthority(t), newAuthority(t)
	dir := t.TempDir()
	writeFile(t, dir, "client-ca.crt", ca.pem)
	clients, err := LoadClients(filepath.Join(dir, "client-ca.crt"), []string{"kube-apiserver"}, quiet)
	if err != nil {
		t.Fatal(err)
	}
	clients.interval = time.Millisecond
	certificate, pool := selfSignedFor(t)
	var served atomic.Int64
	r := serveTLS(t, ServerOptions{Certificates: certificate, Clients: clients}, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		served.Add(1)
	}))
	call := func(certificates ...tls.Certificate) error {
		_, _, err := sendReview(callerOf(t, pool, certificates...), r.address, "/validate", []byte(podReview))
		return err
	}
	tomorrow := time.Now().Add(inADay)
	for name, certificates := range map[string][]tls.Certificate{
		"NoCertificate": nil,
		"AnotherCA":     {other.clientCertificate(t, "kube-apiserver", tomorrow)},
		"AnotherName":   {ca.clientCertificate(t, "mallory", tomorrow)},
		"Expired":       {ca.clientCertificate(t, "kube-apiserver", time.Now().Add(-inADay))},
	} {
		if err := call(certificates...); err == nil {
			t.Errorf("%s: got through", name)
		}
	}
	if served.Load() != 0 {
		t.Errorf("%d requests reached the handler", served.Load())
	}
	if err := call(ca.clientCertificate(t, "kube-apiserver", tomorrow)); err != nil {
		t.Errorf("the API server: %v", err)
	}

	// A broken bundle changes nothing, a new CA does.
	writeFile(t, dir, "client-ca.crt", ca.pem[:len(ca.pem)/2])
	if _, err := clients.reload(); err == nil {
		t.Error("half a bundle was taken")
	}
	if err := call(ca.clientCertificate(t, "kube-apiserver", tomorrow)); err != nil {
		t.Errorf("the API server, bundle half-written: %v", err)
	}
	writeFile(t, dir, "client-ca.crt", other.pem)
	eventually(t, "the new CA counts", func() bool { return call(other.clientCertificate(t, "kube-apiserver", tomorrow)) == nil })
	if err := call(ca.clientCertificate(t, "kube-apiserver", tomorrow)); err == nil {
		t.Error("the old CA still counts")
	}
}

func TestLoadClientsNeedsACertificate(t *testing.T) {
	dir := t.TempDir()
	writeFile(t, dir, "ca.crt", []byte("hello"))
	if _, err := LoadClients(filepath.Join(dir, "ca.crt"), nil, quiet); err == nil || !strings.Contains(err.Error(), "no certificate in") {
		t.Errorf("got %v", err)
	}
}
