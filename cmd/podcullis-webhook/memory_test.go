package main

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	authenticationv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/cluster/clustertest"
)

// reviewers is an API server that knows tokens: TOKEN is of the account TOKEN.
func reviewers(t *testing.T, own string) *rest.Config {
	t.Helper()
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var answer any
		switch r.URL.Path {
		case "/apis/authentication.k8s.io/v1/selfsubjectreviews":
			answer = authenticationv1.SelfSubjectReview{TypeMeta: typeOf("SelfSubjectReview"), Status: authenticationv1.SelfSubjectReviewStatus{UserInfo: authenticationv1.UserInfo{Username: own}}}
		case "/apis/authentication.k8s.io/v1/tokenreviews":
			var review authenticationv1.TokenReview
			if err := json.NewDecoder(r.Body).Decode(&review); err != nil {
				t.Error(err)
			}
			review.TypeMeta = typeOf("TokenReview")
			if review.Spec.Token == "api-down" {
				http.Error(w, "down", http.StatusInternalServerError)
				return
			}
			if review.Spec.Token != "stranger" {
				review.Status = authenticationv1.TokenReviewStatus{Authenticated: true, User: authenticationv1.UserInfo{Username: review.Spec.Token}}
			}
			answer = review
		default:
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		if err := json.NewEncoder(w).Encode(answer); err != nil {
			t.Error(err)
		}
	}))
	t.Cleanup(api.Close)
	return &rest.Config{Host: api.URL, ContentConfig: rest.ContentConfig{ContentType: "application/json"}}
}

func typeOf(kind string) metav1.TypeMeta {
	return metav1.TypeMeta{APIVersion: "authentication.k8s.io/v1", Kind: kind}
}

// remembering is a model in which the only pod of an operator is gone.
func remembering(t *testing.T, ready error) model {
	t.Helper()
	pg := clustertest.Pod("shop/pg-0", clustertest.ControlledBy("Postgres/pg"), clustertest.Labels("tier=db"))
	s := clustertest.Snapshot(t, clustertest.Namespace("shop"), pg)
	m := cluster.NewMemory(s, cluster.DefaultMemoryLimits())
	s = clustertest.Apply(t, s, clustertest.Delete(t, pg)...)
	return model{Model: still{s.WithMemory(m.After(s, time.Now()))}, live: true, ready: func() error { return ready }}
}

func newTestDoor(t *testing.T, m model) *memoryDoor {
	t.Helper()
	d, err := newMemoryDoor(m, reviewers(t, "system:serviceaccount:podcullis:podcullis"), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

const ownToken = "system:serviceaccount:podcullis:podcullis"

func TestTheMemoryIsForTheOwnAccountOnly(t *testing.T) {
	for name, tc := range map[string]struct {
		reason        string
		method        string
		authorization string
		ready         error
		busy          bool
		want          int
	}{
		"TheOwnAccount":   {reason: "another replica", authorization: "Bearer " + ownToken, want: 200},
		"NoToken":         {reason: "anybody", want: 403},
		"AnEmptyToken":    {reason: "anybody", authorization: "Bearer ", want: 403},
		"NoBearer":        {reason: "the API server reviews tokens only", authorization: "Basic " + ownToken, want: 403},
		"AStrangersToken": {reason: "the API server does not know it", authorization: "Bearer stranger", want: 403},
		"AnotherAccount":  {reason: "known, and not ours", authorization: "Bearer system:serviceaccount:podcullis:default", want: 403},
		"ALongToken":      {reason: "not worth a question", authorization: "Bearer " + strings.Repeat("x", maxToken+1), want: 403},
		"NotReady":        {reason: "what it remembers may be too little", authorization: "Bearer " + ownToken, ready: errors.New("not synced"), want: 503},
		"AStrangerWhenNotReady": {
			reason: "a stranger learns nothing", authorization: "Bearer stranger", ready: errors.New("not synced"), want: 403,
		},
		"NoAPIServer": {reason: "nobody knows who that is", authorization: "Bearer api-down", want: 503},
		"Writing":     {reason: "it can only be read", method: "POST", authorization: "Bearer " + ownToken, want: 405},
	} {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRequest(orGet(tc.method), "/memory", nil)
			if tc.authorization != "" {
				r.Header.Set("Authorization", tc.authorization)
			}
			w := httptest.NewRecorder()
			newTestDoor(t, remembering(t, tc.ready)).ServeHTTP(w, r)
			if w.Code != tc.want {
				t.Errorf("%d, want %d: %s\n%s", w.Code, tc.want, tc.reason, w.Body)
			}
			if (w.Code == 200) != strings.Contains(w.Body.String(), "Postgres") {
				t.Errorf("%d with %s", w.Code, w.Body)
			}
		})
	}
}

func orGet(method string) string {
	if method == "" {
		return http.MethodGet
	}
	return method
}

func TestTheMemoryIsHandedToOneAtATime(t *testing.T) {
	d := newTestDoor(t, remembering(t, nil))
	d.turn <- struct{}{} // somebody is being answered
	ctx, cancel := context.WithCancel(t.Context())
	cancel() // and nobody waits for this one
	r := httptest.NewRequestWithContext(ctx, http.MethodGet, "/memory", nil)
	r.Header.Set("Authorization", "Bearer "+ownToken)
	w := httptest.NewRecorder()
	d.ServeHTTP(w, r)
	if w.Code != http.StatusServiceUnavailable {
		t.Errorf("%d, want 503", w.Code)
	}
	<-d.turn
	w = httptest.NewRecorder()
	r = httptest.NewRequest(http.MethodGet, "/memory", nil)
	r.Header.Set("Authorization", "Bearer "+ownToken)
	if d.ServeHTTP(w, r); w.Code != http.StatusOK {
		t.Errorf("%d after the other was answered, want 200", w.Code)
	}
}

// source asks a server with TLS, whose CA is in a file.
func source(t *testing.T, server *httptest.Server, log io.Writer) *memorySource {
	t.Helper()
	dir := t.TempDir()
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	for name, text := range map[string][]byte{"ca.crt": ca, "token": []byte(ownToken)} {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	o := defaultOptions()
	o.memoryFrom, o.certDir = server.URL+"/memory", dir
	s, err := newMemorySource(o, &rest.Config{BearerTokenFile: filepath.Join(dir, "token")}, slog.New(slog.NewTextHandler(log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestTheMemoryIsCopiedFromAReadyReplica(t *testing.T) {
	server := httptest.NewTLSServer(newTestDoor(t, remembering(t, nil)))
	defer server.Close()
	c, err := source(t, server, io.Discard).ask(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	s := clustertest.Snapshot(t, clustertest.Namespace("shop"))
	if n := cluster.NewMemoryFrom(s, cluster.DefaultMemoryLimits(), *c, time.Now()).Len(); n != 1 {
		t.Errorf("%d are remembered, want 1", n)
	}
}

func TestOneWhoIsNotReadyIsAskedAgain(t *testing.T) {
	asked := 0
	door := newTestDoor(t, remembering(t, nil))
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if asked++; asked == 1 {
			http.Error(w, "not synced", http.StatusServiceUnavailable)
			return
		}
		door.ServeHTTP(w, r)
	}))
	defer server.Close()
	if c, err := source(t, server, io.Discard).ask(t.Context()); err != nil || c == nil || asked != 2 {
		t.Errorf("%v, %v after %d questions", c, err, asked)
	}
}

func TestWhenNobodyIsThereTheStartDoesNotWait(t *testing.T) {
	server := httptest.NewTLSServer(http.NotFoundHandler())
	var log bytes.Buffer
	s := source(t, server, &log)
	server.Close()
	if c, err := s.ask(t.Context()); c != nil || err != nil {
		t.Errorf("%v, %v, want neither", c, err)
	}
	if !strings.Contains(log.String(), "no other replica is there") {
		t.Errorf("the log: %s", log.String())
	}
}

// A wrong CA does not get right by asking again.
func TestWhoShowsAnotherCertificateIsNobody(t *testing.T) {
	asked := 0
	server := httptest.NewUnstartedServer(http.NotFoundHandler())
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug)
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			asked++
		}
	}
	server.StartTLS()
	s := source(t, server, io.Discard)
	s.config.CAFile = ""
	c, err := s.ask(t.Context())
	server.Close()
	if c != nil || err == nil || !strings.Contains(err.Error(), "certificate") || asked != 1 {
		t.Errorf("%v, %v after %d questions", c, err, asked)
	}
}

func TestWhatIsNoCopyIsAnError(t *testing.T) {
	for name, tc := range map[string]struct {
		status int
		body   string
		want   string
	}{
		"Forbidden": {403, "no", `--memory-from URL: 403 Forbidden: "no"`},
		"Elsewhere": {302, "", `--memory-from URL: 302 Found: ""`},
		"NoJSON":    {200, "hello", `--memory-from URL: invalid character 'h' looking for beginning of value`},
		"Nonsense":  {200, `{"version": 1, "step": -1}`, `--memory-from URL: read a copy of the memory: json: cannot unmarshal number -1 into Go struct field memoryCopy.step of type uint64`},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path != "/memory" {
					t.Errorf("it follows to %s with %s", r.URL, r.Header.Get("Authorization"))
				}
				if tc.status == 302 {
					w.Header().Set("Location", "/elsewhere")
				}
				w.WriteHeader(tc.status)
				fmt.Fprint(w, tc.body)
			}))
			defer server.Close()
			_, err := source(t, server, io.Discard).ask(t.Context())
			if err == nil {
				t.Fatal("no error")
			}
			if diff := cmp.Diff(tc.want, strings.ReplaceAll(err.Error(), server.URL+"/memory", "URL")); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestMemoryFlags(t *testing.T) {
	for name, tc := range map[string]struct {
		set  func(o *options)
		want string
	}{
		"Right":     {func(o *options) { o.memoryFrom = "https://podcullis.podcullis.svc/memory" }, ""},
		"PlainHTTP": {func(o *options) { o.memoryFrom = "http://podcullis/memory" }, `--memory-from must be a URL https://host[:port]/memory, got "http://podcullis/memory"`},
		"OnlyACA":   {func(o *options) { o.memoryCA = "ca.crt" }, "--memory-ca-file needs --memory-from"},
		"Manifests": {func(o *options) { o.memoryFrom, o.clusterManifests = "https://p/memory", []string{"x"} }, "--memory-from needs an API server, and --cluster-manifests takes the place of one"},
		"ClientCA":  {func(o *options) { o.memoryFrom, o.clientCA = "https://p/memory", "ca.crt" }, "--memory-from and --client-ca-file: replicas have no client certificate with which to ask each other; give one of them"},
	} {
		t.Run(name, func(t *testing.T) {
			o := defaultOptions()
			tc.set(o)
			got := ""
			if err := o.Validate(nil); err != nil {
				got = err.Error()
			}
			if got != tc.want {
				t.Errorf("got %s, want %s", got, tc.want)
			}
		})
	}
	_, err := newMemorySource(defaultOptions(), &rest.Config{}, nil)
	if want := "--memory-from needs the token of a service account: in a pod its own, else in the --kubeconfig"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}
