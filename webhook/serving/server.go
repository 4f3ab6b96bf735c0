package serving

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/healthz"
	ctrlwebhook "sigs.k8s.io/controller-runtime/pkg/webhook"
)

// The server's limits. A caller that is slower than this is not an API server.
const (
	readHeaderTimeout = 5 * time.Second // also bounds the TLS handshake
	readTimeout       = 15 * time.Second
	// writeTimeout counts from the request header, so it covers the body
	// (readTimeout), the longest webhook timeout there is (30 s,
	// ValidatingWebhook.timeoutSeconds) and the answer.
	writeTimeout = 60 * time.Second
	// idleTimeout is longer than the 90 s after which Go's HTTP client, and so the
	// API server, drops an idle connection: whoever sends must be the one who
	// closes, or a request meets a closing socket (kubernetes/kubernetes#127335).
	idleTimeout    = 120 * time.Second
	maxHeaderBytes = 64 << 10
)

const (
	defaultBindAddress = "127.0.0.1:9443"
	defaultMaxSockets  = 512
)

// Certificates hands out the certificate that the server shows.
type Certificates interface {
	// GetCertificate is tls.Config.GetCertificate: called for every handshake.
	GetCertificate(*tls.ClientHelloInfo) (*tls.Certificate, error)
	// Watch keeps the certificate fresh until ctx is done.
	Watch(ctx context.Context)
}

// Options says where and how a Server listens. The zero value of every
// field but Certificates is a sensible default.
type Options struct {
	// BindAddress is host:port; 127.0.0.1:9443 if empty. Port 0 takes a free one.
	BindAddress string
	// Certificates is required: the API server calls webhooks over TLS only.
	Certificates Certificates
	// Clients, if set, says whose client certificates are accepted; everybody
	// else fails the TLS handshake, before any byte of HTTP is read.
	Clients *Clients
	// MaxSockets is how many TCP connections may be open at once; 512 if 0.
	MaxSockets int
	// DrainDelay is how long after the end of Start's context the server keeps
	// accepting in any case, for the news to reach every caller; 10 s if 0.
	DrainDelay time.Duration
	// DrainQuiet is how long no TCP connection must have been open before the
	// server shuts down; 3 s if 0.
	DrainQuiet time.Duration
	// DrainTimeout is when the server shuts down even if connections are open;
	// 100 s if 0, which is the client's 90 s for idle connections and some.
	// terminationGracePeriodSeconds must be longer.
	DrainTimeout time.Duration
	// Logger is slog.Default() if nil.
	Logger *slog.Logger
	// Clock is by which client certificates are valid; time.Now if nil.
	Clock func() time.Time
}

// Server serves webhooks over TLS. It is a webhook.Server of controller-runtime,
// with a listener and a way of ending of its own: controller-runtime's shuts down
// at SIGTERM and loses requests then (see drain.go).
//
// It speaks HTTP/1.1 only. The API server uses HTTP/1.1 for webhooks behind a
// Service in any case and HTTP/2 only for loopback URLs
// (k8s.io/apiserver/pkg/util/webhook/client.go), so HTTP/2 would be attack surface
// (CVE-2023-44487) and tests over a transport that production never uses.
//
// It needs TLS 1.2 or better and takes 1.3 whenever the caller can, as every
// supported API server does; 1.2 stays for proxies and FIPS builds between, and
// Go's 1.2 cipher suites are sound.
type Server struct {
	options Options
	logger  *slog.Logger

	mu       sync.Mutex
	sockets  *sockets
	started  bool
	handlers map[string]http.Handler
	mux      *http.ServeMux

	serving  atomic.Bool
	draining atomic.Bool
}

var _ ctrlwebhook.Server = (*Server)(nil)

// NewServer returns a server that does not listen yet.
func NewServer(options Options) (*Server, error) {
	if options.Certificates == nil {
		return nil, errors.New("webhook server: no certificates given")
	}
	if options.MaxSockets < 0 {
		return nil, fmt.Errorf("webhook server: max sockets must be >= 0, got %d", options.MaxSockets)
	}
	options.BindAddress = cmp.Or(options.BindAddress, defaultBindAddress)
	options.MaxSockets = cmp.Or(options.MaxSockets, defaultMaxSockets)
	options.DrainDelay = cmp.Or(options.DrainDelay, defaultDrainDelay)
	options.DrainQuiet = cmp.Or(options.DrainQuiet, defaultDrainQuiet)
	options.DrainTimeout = cmp.Or(options.DrainTimeout, defaultDrainTimeout)
	options.Logger = cmp.Or(options.Logger, slog.Default())
	return &Server{
		options:  options,
		logger:   options.Logger,
		handlers: map[string]http.Handler{},
		mux:      http.NewServeMux(),
	}, nil
}

// NeedLeaderElection says no: every replica answers.
func (*Server) NeedLeaderElection() bool { return false }

// Register serves handler at exactly this path. Like controller-runtime's it
// panics if the path is taken.
func (s *Server) Register(path string, handler http.Handler) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mux.Handle(path, handler) // panics on a second one
	s.handlers[path] = handler
}

// WebhookMux returns a mux that knows what was registered, because
// controller-runtime's builder asks it. Requests are not served through it: a
// ServeMux answers unclean paths with redirects, and a webhook must never redirect
// the API server (CVE-2020-8561).
func (s *Server) WebhookMux() *http.ServeMux { return s.mux }

// Listen opens the listener and returns its address, so that a caller that asked
// for port 0 learns it before Start. Callers that come before Start wait in the
// kernel's queue. A second call returns the same address.
func (s *Server) Listen(ctx context.Context) (net.Addr, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.sockets == nil {
		var config net.ListenConfig
		listener, err := config.Listen(ctx, "tcp", s.options.BindAddress)
		if err != nil {
			return nil, fmt.Errorf("webhook server: %w", err)
		}
		s.sockets = newSockets(listener, s.options.MaxSockets)
	}
	return s.sockets.Addr(), nil
}

// Connections is how many TCP connections are open.
func (s *Server) Connections() int {
	s.mu.Lock()
	sockets := s.sockets
	s.mu.Unlock()
	if sockets == nil {
		return 0
	}
	open, _ := sockets.count()
	return open
}

// Start serves until ctx is done, then drains, which takes up to DrainTimeout, and
// returns nil. Requests in flight do not notice that ctx is done. It can be called
// once.
func (s *Server) Start(ctx context.Context) error {
	address, err := s.Listen(ctx)
	if err != nil {
		return err
	}
	s.mu.Lock()
	again := s.started
	s.started = true
	s.mu.Unlock()
	if again {
		return errors.New("webhook server: started twice")
	}

	serving, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	go s.options.Certificates.Watch(serving)
	if s.options.Clients != nil {
		go s.options.Clients.Watch(serving)
	}

	server := s.httpServer(serving)
	failed := make(chan error, 1)
	go func() { failed <- server.ServeTLS(s.sockets, "", "") }()
	s.serving.Store(true)
	defer s.serving.Store(false)
	s.logger.Info("serving webhooks", "address", address.String())

	select {
	case err := <-failed:
		return fmt.Errorf("webhook server: %w", err)
	case <-ctx.Done():
	}
	return s.drain(server, failed)
}

func (s *Server) httpServer(ctx context.Context) *http.Server {
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	return &http.Server{
		Handler:                      http.HandlerFunc(s.serve),
		BaseContext:                  func(net.Listener) context.Context { return ctx },
		TLSConfig:                    s.tlsConfig(),
		Protocols:                    &protocols,
		ReadHeaderTimeout:            readHeaderTimeout,
		ReadTimeout:                  readTimeout,
		WriteTimeout:                 writeTimeout,
		IdleTimeout:                  idleTimeout,
		MaxHeaderBytes:               maxHeaderBytes,
		ConnState:                    s.sockets.stateChanged,
		ConnContext:                  withSocket,
		DisableGeneralOptionsHandler: true,
		// Failed handshakes: whoever can reach the port could fill the log.
		ErrorLog: slog.NewLogLogger(s.logger.Handler(), slog.LevelDebug),
	}
}

func (s *Server) tlsConfig() *tls.Config {
	config := &tls.Config{
		MinVersion:     tls.VersionTLS12,
		NextProtos:     []string{"http/1.1"},
		GetCertificate: s.options.Certificates.GetCertificate,
		Time:           s.options.Clock,
	}
	if s.options.Clients != nil {
		s.options.Clients.demand(config)
	}
	return config
}

// serve finds the handler by the exact path, without cleaning and without
// redirects.
func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	answer := &lastAnswer{ResponseWriter: w, last: func() bool { return s.draining.Load() || s.sockets.full() }}
	defer answer.finish()
	arrives(answer, r)
	s.mu.Lock()
	handler, found := s.handlers[r.URL.Path]
	s.mu.Unlock()
	if !found || r.URL.RawPath != "" {
		http.NotFound(answer, r)
		return
	}
	handler.ServeHTTP(answer, r)
}

// arrives makes of a request's body one whose caller must not be slow.
func arrives(w http.ResponseWriter, r *http.Request) {
	body := BodyOf(w, r)
	sock := socketFrom(r.Context())
	if sock != nil {
		body.whole = func() { sock.become(asking) }
		body.unread = func() bool { return hasUnread(sock.Conn) }
	}
	if r.Body == http.NoBody {
		body.Finish()
		return
	}
	if sock != nil {
		sock.reading(body)
	}
	r.Body = body
}

// StartedChecker is a readiness check: an error before Start and from the moment
// that the server drains. It dials nothing, so that probes take no socket and need
// no client certificate.
func (s *Server) StartedChecker() healthz.Checker {
	return func(*http.Request) error {
		switch {
		case !s.serving.Load():
			return errors.New("webhook server is not serving")
		case s.draining.Load():
			return errors.New("webhook server is draining")
		}
		return nil
	}
}
