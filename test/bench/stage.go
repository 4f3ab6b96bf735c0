package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/podcullis/podcullis/test/bench/standin"
	"github.com/podcullis/podcullis/test/bench/town"
)

// stage is the real webhook, following a town in a live API server, as a process
// of its own.
type stage struct {
	dir     string
	api     *standin.Server
	http    *http.Server
	webhook *program
}

// setStage builds the servers, serves the town to the webhook and waits until it
// is ready. The extra arguments are the webhook's. The caller must strike it.
func setStage(ctx context.Context, p town.Plan, args ...string) (s *stage, err error) {
	s = &stage{api: standin.New()}
	if s.dir, err = os.MkdirTemp("", "podcullis-bench"); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.strike())
		}
	}()
	if err := build(ctx, s.dir); err != nil {
		return s, err
	}
	for o := range p.Objects() {
		if err := s.api.Put(o); err != nil {
			return s, err
		}
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return s, err
	}
	s.http = &http.Server{Handler: s.api, ReadHeaderTimeout: time.Minute}
	go s.http.Serve(l) //nolint:errcheck // ends with strike
	kubeconfig := filepath.Join(s.dir, "kubeconfig")
	if err := os.WriteFile(kubeconfig, fmt.Appendf(nil, kubeconfigText, l.Addr()), 0o600); err != nil {
		return s, err
	}
	s.webhook, err = startWebhook(ctx, s.dir, kubeconfig, args...)
	return s, err
}

const kubeconfigText = `apiVersion: v1
kind: Config
clusters: [{name: standin, cluster: {server: "http://%s"}}]
users: [{name: nobody, user: {}}]
contexts: [{name: standin, context: {cluster: standin, user: nobody}}]
current-context: standin
`

// strike ends everything that setStage started.
func (s *stage) strike() error {
	var errs []error
	if s.webhook != nil {
		errs = append(errs, s.webhook.stop())
	}
	if s.http != nil {
		errs = append(errs, s.http.Close())
	}
	return errors.Join(append(errs, os.RemoveAll(s.dir))...)
}
