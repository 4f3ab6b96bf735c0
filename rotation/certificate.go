package rotation

import (
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"maps"
	"time"

	"github.com/open-policy-agent/cert-controller/pkg/rotator"
	corev1 "k8s.io/api/core/v1"
)

// The keys of the Secret beside those of a kubernetes.io/tls Secret; cert-controller's.
const (
	caCertificate = "ca.crt"
	caKey         = "ca.key"
)

const (
	caLifetime   = 10 * 365 * 24 * time.Hour
	leafLifetime = 365 * 24 * time.Hour
	// ahead is how long before its end a certificate is renewed.
	ahead = 90 * 24 * time.Hour
	// back is for how long before it is made a CA is valid, and each certificate of it: who
	// makes one while its clock is ahead, must not leave everybody with one that is to come.
	back = 10 * 365 * 24 * time.Hour

	caName = "podcullis-ca"
)

// renewed returns the Secret's data with what had to be renewed, and says what
// that was: "CA", "certificate", or nothing.
func renewed(data map[string][]byte, hosts []string, now time.Time) (map[string][]byte, string, error) {
	ca := authorityOf(data, now)
	var what string
	maker := &rotator.CertRotator{
		CAName: caName, CAOrganization: "podcullis",
		DNSName: hosts[0], ExtraDNSNames: hosts[1:],
		ExtKeyUsages: &[]x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	switch {
	case ca == nil:
		what = "CA"
		var err error
		if ca, err = maker.CreateCACert(now.Add(-back), now.Add(caLifetime)); err != nil {
			return nil, "", fmt.Errorf("make CA: %w", err)
		}
	case !validLeaf(data, hosts, now):
		what = "certificate"
	default:
		return data, "", nil
	}
	certificate, key, err := maker.CreateCertPEM(ca, ca.Cert.NotBefore, now.Add(leafLifetime))
	if err != nil {
		return nil, "", fmt.Errorf("make certificate: %w", err)
	}
	out := maps.Clone(data)
	if out == nil {
		out = map[string][]byte{}
	}
	out[caCertificate], out[caKey] = ca.CertPEM, ca.KeyPEM
	out[corev1.TLSCertKey], out[corev1.TLSPrivateKeyKey] = certificate, key
	return out, what, nil
}

// authorityOf is the CA in the Secret, or nil if there is none that is valid and lasts.
func authorityOf(data map[string][]byte, now time.Time) *rotator.KeyPairArtifacts {
	certificate, key := data[caCertificate], data[caKey]
	for _, at := range []time.Time{now, now.Add(ahead)} {
		if ok, err := rotator.ValidCert(certificate, certificate, key, caName, nil, at); err != nil || !ok {
			return nil
		}
	}
	pair, err := tls.X509KeyPair(certificate, key)
	if err != nil {
		return nil
	}
	private, ok := pair.PrivateKey.(*rsa.PrivateKey)
	if !ok {
		return nil
	}
	return &rotator.KeyPairArtifacts{Cert: pair.Leaf, Key: private, CertPEM: certificate, KeyPEM: key}
}

func validLeaf(data map[string][]byte, hosts []string, now time.Time) bool {
	for _, host := range hosts {
		for _, at := range []time.Time{now, now.Add(ahead)} {
			ok, err := rotator.ValidCert(data[caCertificate], data[corev1.TLSCertKey], data[corev1.TLSPrivateKeyKey],
				host, &[]x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, at)
			if err != nil || !ok {
				return false
			}
		}
	}
	return true
}

func validAt(raw []byte, now time.Time) bool {
	c, err := x509.ParseCertificate(raw)
	return err == nil && now.Before(c.NotAfter)
}
