package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	authentication "k8s.io/client-go/kubernetes/typed/authentication/v1"
	"k8s.io/client-go/rest"

	"github.com/podcullis/podcullis/webhook/serving"
)

const (
	// memoryWait is how long a caller waits for its turn: one is answered at a time.
	memoryWait = 2 * time.Second
	// memoryReviewTimeout is for what the API server is asked about a caller.
	memoryReviewTimeout = 2 * time.Second
	// maxToken is longer than any token of a service account.
	maxToken = 16 << 10
)

// memoryDoor hands the memory to other replicas: to whoever has the account of this one.
type memoryDoor struct {
	model model
	api   authentication.AuthenticationV1Interface
	log   *slog.Logger
	turn  chan struct{} // of whoever is answered
	own   string        // the name of the own account, once it is known; of who has the turn
}

func newMemoryDoor(m model, config *rest.Config, log *slog.Logger) (*memoryDoor, error) {
	api, err := authentication.NewForConfig(rest.AddUserAgent(config, "podcullis-webhook/"+version))
	if err != nil {
		return nil, fmt.Errorf("--memory-from: API server: %w", err)
	}
	return &memoryDoor{model: m, api: api, log: log, turn: make(chan struct{}, 1)}, nil
}

// ServeHTTP implements http.Handler.
func (d *memoryDoor) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	token, found := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	switch {
	case r.Method != http.MethodGet:
		w.Header().Set("Allow", http.MethodGet)
		http.Error(w, "the memory can only be read", http.StatusMethodNotAllowed)
		return
	case !found || token == "" || len(token) > maxToken:
		forbidden(w)
		return
	}
	waiting, cancel := context.WithTimeout(r.Context(), memoryWait)
	defer cancel()
	select {
	case d.turn <- struct{}{}:
		defer func() { <-d.turn }()
	case <-waiting.Done():
		http.Error(w, "another replica is being answered", http.StatusServiceUnavailable)
		return
	}
	ours, err := d.isOurs(r.Context(), token)
	switch {
	case err != nil:
		d.log.Warn("who asks for the memory cannot be told", "error", err)
		http.Error(w, "who asks cannot be told", http.StatusServiceUnavailable)
		return
	case !ours:
		forbidden(w)
		return
	}
	if err := d.model.ready(); err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	text, err := json.Marshal(d.model.Snapshot().Memory().Export(time.Now()))
	if err != nil {
		d.log.Error("the memory cannot be written", "error", err)
		http.Error(w, "the memory cannot be written", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	if _, err := w.Write(text); err == nil {
		d.log.Info("memory handed to another replica", "bytes", len(text), "to", r.RemoteAddr)
	}
}

func forbidden(w http.ResponseWriter) {
	http.Error(w, "the memory is for replicas with the same account only", http.StatusForbidden)
}

// isOurs reports whether a token is one of the own account.
func (d *memoryDoor) isOurs(ctx context.Context, token string) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, memoryReviewTimeout)
	defer cancel()
	own, err := d.ownName(ctx)
	if err != nil {
		return false, err
	}
	review := &authenticationv1.TokenReview{Spec: authenticationv1.TokenReviewSpec{Token: token}}
	if review, err = d.api.TokenReviews().Create(ctx, review, metav1.CreateOptions{}); err != nil {
		return false, fmt.Errorf("review of a token: %w", err)
	}
	return review.Status.Authenticated && review.Status.Error == "" && review.Status.User.Username == own, nil
}

func (d *memoryDoor) ownName(ctx context.Context) (string, error) {
	if d.own != "" {
		return d.own, nil
	}
	review, err := d.api.SelfSubjectReviews().Create(ctx, &authenticationv1.SelfSubjectReview{}, metav1.CreateOptions{})
	if err != nil {
		return "", fmt.Errorf("review of the own account: %w", err)
	}
	if review.Status.UserInfo.Username == "" {
		return "", errors.New("review of the own account: the API server does not name it")
	}
	d.own = review.Status.UserInfo.Username
	return d.own, nil
}

// openMemoryDoor serves the memory beside the webhook, if replicas are to have it.
func (a *app) openMemoryDoor(server *serving.Server) error {
	if a.options.memoryFrom == "" {
		return nil
	}
	config, err := restConfig(a.options)
	if err != nil {
		return fmt.Errorf("--memory-from: %w", err)
	}
	door, err := newMemoryDoor(a.model, config, a.log)
	if err != nil {
		return err
	}
	server.Register("/memory", door)
	return nil
}
