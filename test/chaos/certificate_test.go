package chaos

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"k8s.io/client-go/util/cert"
)

// authority is a CA for serving certificates.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ca, err := cert.NewSelfSignedCACert(cert.Config{CommonName: "chaos"}, key)
	if err != nil {
		t.Fatal(err)
	}
	return &authority{ca, key}
}

func (a *authority) bundle() []byte { return encode("CERTIFICATE", a.cert.Raw) }

// write puts a new serving pair for 127.0.0.1 and the Service in dir, the certificate first.
func (a *authority) write(t *testing.T, dir string) {
	t.Helper()
	a.writeUntil(t, dir, time.Now().Add(48*time.Hour))
}

// writeUntil is write with an end.
func (a *authority) writeUntil(t *testing.T, dir string, end time.Time) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 100))
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: "podcullis-webhook"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: end,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, DNSNames: []string{serviceName + "." + serviceNamespace + ".svc"},
	}, a.cert, key.Public(), a.key)
	if err != nil {
		t.Fatal(err)
	}
	keyRaw, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	err = errors.Join(
		os.WriteFile(filepath.Join(dir, "tls.crt"), encode("CERTIFICATE", leaf), 0o600),
		os.WriteFile(filepath.Join(dir, "tls.key"), encode("PRIVATE KEY", keyRaw), 0o600),
	)
	if err != nil {
		t.Fatal(err)
	}
}

func encode(kind string, raw []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: raw})
}

// certificates is a directory with a pair, and the bundle to trust.
func certificates(t *testing.T) (dir string, ca []byte) {
	t.Helper()
	a := newAuthority(t)
	dir = t.TempDir()
	a.write(t, dir)
	return dir, a.bundle()
}
