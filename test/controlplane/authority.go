package controlplane

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"

	"k8s.io/client-go/util/cert"
	"k8s.io/client-go/util/keyutil"
)

// certLifetime suffices for a control plane that a person leaves running.
const certLifetime = 30 * 24 * time.Hour

// authority is the one certificate authority of a control plane. It vouches for the servers, for
// users (a certificate's common name and organisations are the user's name and groups) and for
// what the controller manager signs.
type authority struct {
	ca           *x509.Certificate
	caKey        crypto.Signer
	caFile       string
	caKeyFile    string
	serving      certFiles // of every server
	kubelets     certFiles // with which the API server asks kubelets for logs and commands
	tokenKeyFile string    // signs service account tokens
}

type certFiles struct{ certFile, keyFile string }

// newAuthority makes the keys and certificates every control plane needs and writes them to dir.
func newAuthority(dir string) (*authority, error) {
	caKey, err := newKey()
	if err != nil {
		return nil, err
	}
	ca, err := cert.NewSelfSignedCACert(cert.Config{CommonName: "podcullis-test-ca"}, caKey)
	if err != nil {
		return nil, err
	}
	a := &authority{
		ca:           ca,
		caKey:        caKey,
		caFile:       filepath.Join(dir, "ca.crt"),
		caKeyFile:    filepath.Join(dir, "ca.key"),
		tokenKeyFile: filepath.Join(dir, "token.key"),
		serving: certFiles{
			certFile: filepath.Join(dir, "serving.crt"),
			keyFile:  filepath.Join(dir, "serving.key"),
		},
		kubelets: certFiles{
			certFile: filepath.Join(dir, "kubelets.crt"),
			keyFile:  filepath.Join(dir, "kubelets.key"),
		},
	}
	if err := os.WriteFile(a.caFile, a.caPEM(), 0o600); err != nil {
		return nil, err
	}
	tokenKey, err := newKey()
	if err != nil {
		return nil, err
	}
	for file, key := range map[string]crypto.Signer{a.caKeyFile: caKey, a.tokenKeyFile: tokenKey} {
		content, err := keyutil.MarshalPrivateKeyToPEM(key)
		if err != nil {
			return nil, err
		}
		if err := os.WriteFile(file, content, 0o600); err != nil {
			return nil, err
		}
	}
	certPEM, keyPEM, err := a.issueServing()
	if err != nil {
		return nil, err
	}
	if err := a.serving.write(certPEM, keyPEM); err != nil {
		return nil, err
	}
	if certPEM, keyPEM, err = a.issueUser("kube-apiserver-kubelet-client", []string{"system:masters"}); err != nil {
		return nil, err
	}
	return a, a.kubelets.write(certPEM, keyPEM)
}

func (f certFiles) write(certPEM, keyPEM []byte) error {
	if err := os.WriteFile(f.certFile, certPEM, 0o600); err != nil {
		return err
	}
	return os.WriteFile(f.keyFile, keyPEM, 0o600)
}

func (a *authority) caPEM() []byte { return encodeCert(a.ca.Raw) }

func (a *authority) issueServing() (certPEM, keyPEM []byte, err error) {
	return a.issue(x509.Certificate{
		Subject: pkix.Name{CommonName: "podcullis-test-control-plane"},
		DNSNames: []string{
			"localhost",
			"kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local",
		},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.ParseIP(apiServiceIP)},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	})
}

// issueUser returns a client certificate that the API server takes for a user and groups
// (https://kubernetes.io/docs/reference/access-authn-authz/authentication/#x509-client-certificates).
func (a *authority) issueUser(name string, groups []string) (certPEM, keyPEM []byte, err error) {
	return a.issue(x509.Certificate{
		Subject:     pkix.Name{CommonName: name, Organization: groups},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
}

// issue signs a certificate for a new key after filling in what every certificate needs.
func (a *authority) issue(template x509.Certificate) (certPEM, keyPEM []byte, err error) {
	key, err := newKey()
	if err != nil {
		return nil, nil, err
	}
	if template.SerialNumber, err = rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127)); err != nil {
		return nil, nil, err
	}
	template.NotBefore = a.ca.NotBefore
	template.NotAfter = time.Now().Add(certLifetime)
	template.KeyUsage = x509.KeyUsageDigitalSignature
	raw, err := x509.CreateCertificate(rand.Reader, &template, a.ca, key.Public(), a.caKey)
	if err != nil {
		return nil, nil, err
	}
	keyPEM, err = keyutil.MarshalPrivateKeyToPEM(key)
	return encodeCert(raw), keyPEM, err
}

func newKey() (crypto.Signer, error) { return ecdsa.GenerateKey(elliptic.P256(), rand.Reader) }

func encodeCert(raw []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: cert.CertificateBlockType, Bytes: raw})
}
