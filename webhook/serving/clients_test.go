package serving

import (
	"crypto/tls"
	"net/http"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/podcullis/podcullis/webhook/serving/servingtest"
)

func TestOnlyTheAPIServerGetsThroughTheHandshake(t *testing.T) {
	ca, other := servingtest.NewAuthority(t), servingtest.NewAuthority(t)
	dir := t.TempDir()
	servingtest.WriteFile(t, dir, "client-ca.crt", ca.PEM)
	clients, err := LoadClients(filepath.Join(dir, "client-ca.crt"), []string{"kube-apiserver"}, servingtest.Quiet)
	if err != nil {
		t.Fatal(err)
	}
	clients.interval = time.Millisecond
	certificate, pool := selfSignedFor(t)
	var served atomic.Int64
	r := serveTLS(t, Options{Certificates: certificate, Clients: clients}, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		served.Add(1)
	}))
	call := func(certificates ...tls.Certificate) error {
		_, _, err := servingtest.Send(servingtest.CallerOf(t, pool, certificates...), r.Address, "/validate", []byte(servingtest.PodReview))
		return err
	}
	tomorrow := time.Now().Add(inADay)
	for name, certificates := range map[string][]tls.Certificate{
		"NoCertificate": nil,
		"AnotherCA":     {other.ClientCertificate(t, "kube-apiserver", tomorrow)},
		"AnotherName":   {ca.ClientCertificate(t, "mallory", tomorrow)},
		"Expired":       {ca.ClientCertificate(t, "kube-apiserver", time.Now().Add(-inADay))},
	} {
		if err := call(certificates...); err == nil {
			t.Errorf("%s: got through", name)
		}
	}
	if served.Load() != 0 {
		t.Errorf("%d requests reached the handler", served.Load())
	}
	if err := call(ca.ClientCertificate(t, "kube-apiserver", tomorrow)); err != nil {
		t.Errorf("the API server: %v", err)
	}

	// A broken bundle changes nothing, a new CA does.
	servingtest.WriteFile(t, dir, "client-ca.crt", ca.PEM[:len(ca.PEM)/2])
	if _, err := clients.reload(); err == nil {
		t.Error("half a bundle was taken")
	}
	if err := call(ca.ClientCertificate(t, "kube-apiserver", tomorrow)); err != nil {
		t.Errorf("the API server, bundle half-written: %v", err)
	}
	servingtest.WriteFile(t, dir, "client-ca.crt", other.PEM)
	servingtest.Eventually(t, "the new CA counts", func() bool { return call(other.ClientCertificate(t, "kube-apiserver", tomorrow)) == nil })
	if err := call(ca.ClientCertificate(t, "kube-apiserver", tomorrow)); err == nil {
		t.Error("the old CA still counts")
	}
}

func TestLoadClientsNeedsACertificate(t *testing.T) {
	dir := t.TempDir()
	servingtest.WriteFile(t, dir, "ca.crt", []byte("hello"))
	if _, err := LoadClients(filepath.Join(dir, "ca.crt"), nil, servingtest.Quiet); err == nil || !strings.Contains(err.Error(), "no certificate in") {
		t.Errorf("got %v", err)
	}
}
