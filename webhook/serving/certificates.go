package serving

import (
	"bytes"
	"cmp"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"
)

// defaultReloadInterval is how often the files are looked at. kubelet needs 30 to
// 100 s to bring a new Secret, so a second more is nothing.
const defaultReloadInterval = time.Second

// CertificateDirOptions says how a CertificateDir reloads.
type CertificateDirOptions struct {
	// Interval is how often the files are read; 1 s if 0.
	Interval time.Duration
	// Logger is slog.Default() if nil.
	Logger *slog.Logger
	// Metrics, if set, shows whether what lies in the directory is what is served.
	Metrics *Metrics
}

// CertificateDir is the certificate of a directory with tls.crt and tls.key, the
// form of a kubernetes.io/tls Secret's volume. It is read again when it changes;
// what does not parse or does not match (a half-written file, the new certificate
// beside the old key) leaves the last good pair in place.
//
// It reads the files every second instead of using controller-runtime's
// certwatcher: that one needs an inotify instance, of which a node has 128 and
// which it runs out of; takes a new chain under the same leaf for no change; and
// reports to a process-wide registry and logger.
type CertificateDir struct {
	certFile, keyFile string
	interval          time.Duration
	logger            *slog.Logger
	metrics           *Metrics
	current           atomic.Pointer[tls.Certificate]

	mu        sync.Mutex
	cert, key []byte // as loaded last
}

var _ Certificates = (*CertificateDir)(nil)

// LoadCertificates reads tls.crt and tls.key of the directory. That they are
// missing, unreadable or no pair is an error now, and no error later (Watch).
func LoadCertificates(dir string, options CertificateDirOptions) (*CertificateDir, error) {
	certificates := &CertificateDir{
		certFile: filepath.Join(dir, "tls.crt"),
		keyFile:  filepath.Join(dir, "tls.key"),
		interval: cmp.Or(options.Interval, defaultReloadInterval),
		logger:   cmp.Or(options.Logger, slog.Default()),
		metrics:  options.Metrics,
	}
	if _, err := certificates.reload(); err != nil {
		return nil, err
	}
	return certificates, nil
}

// GetCertificate returns the last good certificate.
func (d *CertificateDir) GetCertificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	return d.current.Load(), nil
}

// NotAfter is when the current certificate expires.
func (d *CertificateDir) NotAfter() time.Time { return d.current.Load().Leaf.NotAfter }

// Watch reads the pair again when it has changed, until ctx is done.
func (d *CertificateDir) Watch(ctx context.Context) {
	watchFiles(ctx, d.interval, d.logger, "certificate", d.reload)
}

func (d *CertificateDir) reload() (changed bool, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	defer func() { d.metrics.certificateLoaded(err) }()
	cert, err := os.ReadFile(d.certFile)
	if err != nil {
		return false, fmt.Errorf("read certificate: %w", err)
	}
	key, err := os.ReadFile(d.keyFile)
	if err != nil {
		return false, fmt.Errorf("read certificate: %w", err)
	}
	if bytes.Equal(cert, d.cert) && bytes.Equal(key, d.key) {
		return false, nil
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return false, fmt.Errorf("read certificate %s and its key: %w", d.certFile, err)
	}
	d.cert, d.key = cert, key
	d.current.Store(&pair)
	return true, nil
}

// watchFiles calls reload every interval until ctx is done, and logs what is new:
// the same error once, not every second.
func watchFiles(ctx context.Context, interval time.Duration, logger *slog.Logger, what string, reload func() (bool, error)) {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	last := ""
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		changed, err := reload()
		switch {
		case err != nil && err.Error() != last:
			last = err.Error()
			logger.Error("reload failed, the last good one stays", "what", what, "error", err)
		case err == nil:
			last = ""
		}
		if changed {
			logger.Info("reloaded", "what", what)
		}
	}
}

// selfSignedLifetime is for a development server; nothing renews the pair.
const selfSignedLifetime = 365 * 24 * time.Hour

// SelfSignedCertificate is a certificate that lives in this process only.
type SelfSignedCertificate struct {
	// CAFile is the PEM file with the CA certificate that callers must trust: the
	// caBundle of a ValidatingWebhookConfiguration, curl's --cacert.
	CAFile string
	// CABundle is that file's content.
	CABundle []byte

	pair tls.Certificate
}

var _ Certificates = (*SelfSignedCertificate)(nil)

// SelfSigned makes a CA and a serving certificate (ECDSA P-256, a year) for
// localhost, 127.0.0.1, ::1 and the given DNS names and IP addresses. Keys stay in
// memory, the CA's is thrown away; the CA certificate is written to ca.crt in dir,
// which is made if it is missing; an empty dir takes a new temporary one.
func SelfSigned(dir string, hosts []string) (*SelfSignedCertificate, error) {
	ca, caKey, err := selfSignedCA()
	if err != nil {
		return nil, fmt.Errorf("self-signed certificate: %w", err)
	}
	pair, err := selfSignedLeaf(ca, caKey, hosts)
	if err != nil {
		return nil, fmt.Errorf("self-signed certificate: %w", err)
	}
	bundle := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: ca.Raw})
	file, err := writeBundle(dir, bundle)
	if err != nil {
		return nil, fmt.Errorf("self-signed certificate: %w", err)
	}
	return &SelfSignedCertificate{CAFile: file, CABundle: bundle, pair: pair}, nil
}

// GetCertificate returns the certificate.
func (c *SelfSignedCertificate) GetCertificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	return &c.pair, nil
}

// Watch has nothing to do.
func (c *SelfSignedCertificate) Watch(context.Context) {}

// NotAfter is when the certificate expires.
func (c *SelfSignedCertificate) NotAfter() time.Time { return c.pair.Leaf.NotAfter }

func selfSignedCA() (*x509.Certificate, *ecdsa.PrivateKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	template, err := certificateTemplate("podcullis self-signed CA")
	if err != nil {
		return nil, nil, err
	}
	template.IsCA = true
	template.MaxPathLenZero = true
	template.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageCRLSign
	raw, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, nil, err
	}
	ca, err := x509.ParseCertificate(raw)
	return ca, key, err
}

func selfSignedLeaf(ca *x509.Certificate, caKey *ecdsa.PrivateKey, hosts []string) (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	template, err := certificateTemplate("podcullis-webhook")
	if err != nil {
		return tls.Certificate{}, err
	}
	template.KeyUsage = x509.KeyUsageDigitalSignature
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	for _, host := range append([]string{"localhost", "127.0.0.1", "::1"}, hosts...) {
		if ip := net.ParseIP(host); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, host)
		}
	}
	raw, err := x509.CreateCertificate(rand.Reader, template, ca, key.Public(), caKey)
	if err != nil {
		return tls.Certificate{}, err
	}
	leaf, err := x509.ParseCertificate(raw)
	if err != nil {
		return tls.Certificate{}, err
	}
	return tls.Certificate{Certificate: [][]byte{raw}, PrivateKey: key, Leaf: leaf}, nil
}

func certificateTemplate(name string) (*x509.Certificate, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, err
	}
	return &x509.Certificate{
		SerialNumber:          serial,
		Subject:               pkix.Name{CommonName: name},
		NotBefore:             time.Now().Add(-time.Hour), // clocks differ
		NotAfter:              time.Now().Add(selfSignedLifetime),
		BasicConstraintsValid: true,
	}, nil
}

func writeBundle(dir string, bundle []byte) (file string, err error) {
	if dir == "" {
		dir, err = os.MkdirTemp("", "podcullis-")
	} else {
		err = os.MkdirAll(dir, 0o755)
	}
	if err != nil {
		return "", err
	}
	file = filepath.Join(dir, "ca.crt")
	return file, os.WriteFile(file, bundle, 0o644)
}
