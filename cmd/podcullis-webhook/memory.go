package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"k8s.io/client-go/rest"

	"github.com/podcullis/podcullis/cluster"
)

const (
	// maxMemoryCopy bounds what is read: 1 kB for each of as many as are remembered at most.
	maxMemoryCopy = 64 << 20
	// memoryDialTimeout is for networks in which nobody refuses when nobody is there.
	memoryDialTimeout = time.Second
	memoryRetryPause  = 500 * time.Millisecond
)

// memorySource is another replica, behind the URL of all.
type memorySource struct {
	url    string
	config *rest.Config
	log    *slog.Logger
}

// newMemorySource says how to ask for a copy of a memory: with the account that asks
// the API server, and no other secret of it. The CA is read when it is needed: it may
// be renewed until then.
func newMemorySource(o *options, config *rest.Config, log *slog.Logger) (*memorySource, error) {
	if config.BearerToken == "" && config.BearerTokenFile == "" {
		return nil, errors.New("--memory-from needs the token of a service account: in a pod its own, else in the --kubeconfig")
	}
	return &memorySource{url: o.memoryFrom, log: log, config: &rest.Config{
		Host:        o.memoryFrom,
		BearerToken: config.BearerToken, BearerTokenFile: config.BearerTokenFile,
		UserAgent:       "podcullis-webhook/" + version,
		TLSClientConfig: rest.TLSClientConfig{CAFile: memoryCA(o)},
		Dial:            (&net.Dialer{Timeout: memoryDialTimeout}).DialContext,
		Proxy:           func(*http.Request) (*url.URL, error) { return nil, nil },
	}}, nil
}

// memoryCA is the file with the CA of the other replicas; empty for those of the system.
func memoryCA(o *options) string {
	if o.memoryCA != "" || o.certDir == "" {
		return o.memoryCA
	}
	file := filepath.Join(o.certDir, "ca.crt")
	if _, err := os.Stat(file); err != nil {
		return ""
	}
	return file
}

// ask is live.Options.AskOthers. Where nobody is ready there is nobody who remembers,
// and asking again would only delay the start; one who is busy or drains is asked again.
func (s *memorySource) ask(ctx context.Context) (*cluster.MemoryCopy, error) {
	client, err := rest.HTTPClientFor(s.config)
	if err != nil {
		return nil, fmt.Errorf("--memory-from: %w", err)
	}
	defer client.CloseIdleConnections()
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	for {
		c, again, err := s.get(ctx, client)
		switch {
		case err == nil:
			return c, nil
		case isDial(err):
			s.log.Info("no other replica is there from which to copy the memory", "answer", err)
			return nil, nil
		case !again || ctx.Err() != nil:
			return nil, err
		}
		select {
		case <-ctx.Done():
			return nil, err
		case <-time.After(memoryRetryPause):
		}
	}
}

// get reads the copy. An error that may not last says so.
func (s *memorySource) get(ctx context.Context, client *http.Client) (c *cluster.MemoryCopy, again bool, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url, nil)
	if err != nil {
		return nil, false, fmt.Errorf("--memory-from: %w", err)
	}
	answer, err := client.Do(request)
	if err != nil {
		var unknown *tls.CertificateVerificationError
		return nil, !errors.As(err, &unknown), fmt.Errorf("--memory-from: %w", err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(answer.Body, 200))
		return nil, answer.StatusCode == http.StatusServiceUnavailable, fmt.Errorf("--memory-from %s: %s: %q", s.url, answer.Status, text)
	}
	text, err := io.ReadAll(io.LimitReader(answer.Body, maxMemoryCopy+1))
	if err != nil {
		return nil, true, fmt.Errorf("--memory-from %s: %w", s.url, err)
	}
	if len(text) > maxMemoryCopy {
		return nil, false, fmt.Errorf("--memory-from %s: the copy is longer than %d bytes", s.url, maxMemoryCopy)
	}
	c = &cluster.MemoryCopy{}
	if err := json.Unmarshal(text, c); err != nil {
		return nil, false, fmt.Errorf("--memory-from %s: %w", s.url, err)
	}
	return c, false, nil
}

// isDial reports whether nobody was reached at all.
func isDial(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "dial"
}
