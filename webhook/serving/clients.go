package serving

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Clients says who may call: whoever shows a certificate for client authentication
// that a CA of a file has signed and that bears one of the names. The API server
// shows one if its AdmissionConfiguration has a kubeConfigFile (Kubernetes
// documentation, "Authenticate apiservers"). The file is read again when it changes.
type Clients struct {
	file     string
	names    []string
	interval time.Duration
	logger   *slog.Logger
	pool     atomic.Pointer[x509.CertPool]

	mu      sync.Mutex
	content []byte // as loaded last
}

// LoadClients reads the CA bundle (PEM). names are the allowed common names and DNS
// names; none means everybody whom the CA signed. logger is slog.Default() if nil.
func LoadClients(caFile string, names []string, logger *slog.Logger) (*Clients, error) {
	clients := &Clients{
		file:     caFile,
		names:    names,
		interval: defaultReloadInterval,
		logger:   cmp.Or(logger, slog.Default()),
	}
	if _, err := clients.reload(); err != nil {
		return nil, err
	}
	return clients, nil
}

// Watch reads the CA bundle again when it has changed, until ctx is done. A bundle
// that cannot be read leaves the last good one in place.
func (c *Clients) Watch(ctx context.Context) {
	watchFiles(ctx, c.interval, c.logger, "client CA", c.reload)
}

func (c *Clients) reload() (changed bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	content, err := os.ReadFile(c.file)
	if err != nil {
		return false, fmt.Errorf("read client CA: %w", err)
	}
	if slices.Equal(content, c.content) {
		return false, nil
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(content) {
		return false, fmt.Errorf("read client CA: no certificate in %s", c.file)
	}
	c.content = content
	c.pool.Store(pool)
	return true, nil
}

// demand makes config insist on a client certificate. There is no session
// resumption: a resumed session would outlive the CA that let it in.
func (c *Clients) demand(config *tls.Config) {
	config.SessionTicketsDisabled = true
	config.ClientAuth = tls.RequireAndVerifyClientCert
	config.ClientCAs = c.pool.Load()
	config.VerifyConnection = c.verify
	base := config.Clone()
	config.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) {
		current := base.Clone()
		current.ClientCAs = c.pool.Load()
		return current, nil
	}
}

// verify checks the name; crypto/tls has checked the chain.
func (c *Clients) verify(state tls.ConnectionState) error {
	if len(state.VerifiedChains) == 0 || len(state.PeerCertificates) == 0 {
		return errors.New("no verified client certificate")
	}
	if len(c.names) == 0 {
		return nil
	}
	leaf := state.PeerCertificates[0]
	if slices.Contains(c.names, leaf.Subject.CommonName) {
		return nil
	}
	for _, name := range leaf.DNSNames {
		if slices.Contains(c.names, name) {
			return nil
		}
	}
	return fmt.Errorf("client certificate of %q is not allowed", leaf.Subject.CommonName)
}
