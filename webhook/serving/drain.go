package serving

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"
)

// How a server ends without losing a request.
//
// The API server keeps idle HTTP/1.1 connections and sends its next review on one
// of them. A POST that meets a connection which the server is just closing is lost:
// neither net/http nor client-go sends it again, so the user sees "failed calling
// webhook: EOF", or under failurePolicy Ignore nothing was judged at all
// (kubernetes/kubernetes#127335). http.Server.Shutdown closes idle connections at
// once, so waiting before it only makes the loss rarer. Here the client closes:
//
//  1. every answer says "Connection: close" from now on,
//  2. new connections are still accepted and served, for callers that have not
//     heard yet that this server goes,
//  3. the listener closes when no connection has been open for DrainQuiet, and
//     not before DrainDelay has passed.
//
// Nobody tells when the last caller has heard. EndpointSlices, kube-proxy and the
// API server's own list of endpoints (--enable-aggregator-routing) are mostly there
// in half a second, and after several where something is busy. A caller that asks
// once in a while leaves gaps between its connections, so that a short quiet proves
// nothing.
//
// An idle connection that nobody uses again dies at the client's idle timeout
// (90 s in Go); DrainTimeout bounds the wait.
const (
	defaultDrainDelay   = 10 * time.Second
	defaultDrainQuiet   = 3 * time.Second
	defaultDrainTimeout = 100 * time.Second

	drainPoll = 20 * time.Millisecond
	// shutdownTimeout is for the requests that are in flight when DrainTimeout ends.
	shutdownTimeout = 5 * time.Second
)

// drain waits for the last connection and ends the server. failed is what Serve
// returned, if it did.
func (s *Server) drain(server *http.Server, failed <-chan error) error {
	s.draining.Store(true)
	began := time.Now()
	s.logger.Info("draining", "timeout", s.options.DrainTimeout)

	if err := s.waitUntilQuiet(failed); err != nil {
		return err
	}
	left, _ := s.sockets.count()
	if left > 0 {
		s.logger.Warn("drain timeout is over, closing open connections", "open", left)
	}

	ctx, cancel := context.WithTimeout(context.Background(), shutdownTimeout)
	defer cancel()
	if err := server.Shutdown(ctx); err != nil {
		_ = server.Close()
		return fmt.Errorf("webhook server: shut down with requests in flight: %w", err)
	}
	s.logger.Info("drained", "duration", time.Since(began))
	return nil
}

// waitUntilQuiet returns when no connection has been open for DrainQuiet, or when
// DrainTimeout is over.
func (s *Server) waitUntilQuiet(failed <-chan error) error {
	ticker := time.NewTicker(drainPoll)
	defer ticker.Stop()
	earliest := time.Now().Add(s.options.DrainDelay)
	latest := time.Now().Add(s.options.DrainTimeout)
	quietSince := time.Now()
	_, seen := s.sockets.count()
	for {
		select {
		case err := <-failed:
			if errors.Is(err, http.ErrServerClosed) {
				return nil
			}
			return fmt.Errorf("webhook server: while draining: %w", err)
		case now := <-ticker.C:
			open, accepted := s.sockets.count()
			if open > 0 || accepted != seen {
				quietSince, seen = now, accepted
			}
			quiet := now.Sub(quietSince) >= s.options.DrainQuiet
			if (quiet && now.After(earliest)) || now.After(latest) {
				return nil
			}
		}
	}
}

// lastAnswer is a response that asks the client to close the connection if, when
// its header is written, it is the last one that the server wants to give on it:
// because the server drains, or because all its places are taken.
type lastAnswer struct {
	http.ResponseWriter
	last  func() bool
	wrote bool
}

// finish is for handlers that write nothing.
func (w *lastAnswer) finish() {
	if !w.wrote && w.last() {
		w.Header().Set("Connection", "close")
	}
}

func (w *lastAnswer) WriteHeader(status int) {
	w.finish()
	w.wrote = w.wrote || status >= http.StatusOK
	w.ResponseWriter.WriteHeader(status)
}

func (w *lastAnswer) Write(body []byte) (int, error) {
	if !w.wrote {
		w.WriteHeader(http.StatusOK)
	}
	return w.ResponseWriter.Write(body)
}

// Unwrap is for http.ResponseController.
func (w *lastAnswer) Unwrap() http.ResponseWriter { return w.ResponseWriter }
