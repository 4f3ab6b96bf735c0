package fetch_test

import (
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/podcullis/podcullis/guardrail/bundle"
	"github.com/podcullis/podcullis/guardrail/bundle/fetch"
)

func source(t *testing.T, address string, o fetch.Options) *fetch.Source {
	t.Helper()
	a, err := fetch.ParseAddress(address)
	if err != nil {
		t.Fatal(err)
	}
	s, err := fetch.New(a, o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func file(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// refused checks why nothing came.
func refused(t *testing.T, err error, why bundle.Reason, says string) {
	t.Helper()
	if err == nil || bundle.ReasonOf(err) != why || !strings.Contains(err.Error(), says) {
		t.Errorf("want %s: ...%s..., got %s: %v", why, says, bundle.ReasonOf(err), err)
	}
}

func TestAddresses(t *testing.T) {
	for text, says := range map[string]string{
		"bundle.tar.gz":                                              "",
		"file:///srv/bundle.tar.gz":                                  "",
		"https://registry.example/bundle.tar.gz?a=b":                 "",
		"oci://registry.example/team/guardrails:v1":                  "",
		"oci+http://127.0.0.1:5000/guardrails:v1":                    "",
		"oci://registry.example/g@sha256:" + strings.Repeat("a", 64): "",
		"":                                            "is empty",
		"file://bundle.tar.gz":                        "want file:///PATH",
		"ftp://registry.example/x":                    `scheme "ftp" is not known`,
		"https:///x":                                  "is no URL",
		"https://me:pw@registry.example/x":            "credentials go into a file",
		"oci://me:pw@registry.example/x:v1":           "credentials go into a file",
		"oci://registry.example/guardrails":           "has neither tag nor digest",
		"oci://registry.example/Guardrails:v1":        "invalid",
		"oci://registry.example/g@sha256:abc":         "invalid",
		"https://me:hunter2@registry.example/%zz?x=y": "is no URL",
	} {
		a, err := fetch.ParseAddress(text)
		switch {
		case says == "" && err != nil:
			t.Errorf("%s: %v", text, err)
		case says != "" && (err == nil || !strings.Contains(err.Error(), says)):
			t.Errorf("%s: want %q, got %v", text, says, err)
		case err != nil && (strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), ":pw")):
			t.Errorf("%s: the error has the password: %v", text, err)
		case strings.Contains(a.String(), "a=b"):
			t.Errorf("%s: its text has the query: %s", text, a)
		}
	}
}

func TestCredentialsAreNotSentInTheClear(t *testing.T) {
	for address, fine := range map[string]bool{
		"https://registry.example/x": true, "http://127.0.0.1:8080/x": true, "http://[::1]:8080/x": true, "http://localhost/x": true, "oci://registry.example/x:1": true, "oci+http://127.0.0.1:5000/x:1": true,
		"http://registry.example/x": false, "oci+http://registry.example/x:1": false, "oci+http://localhost.example:80/x:1": false, "bundle.tar.gz": false,
	} {
		a, err := fetch.ParseAddress(address)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := fetch.New(a, fetch.Options{TokenFile: "token"}); (err == nil) != fine {
			t.Errorf("%s with a token: %v", address, err)
		}
	}
}

func TestAFileIsReadAgainWhenItChanges(t *testing.T) {
	path := file(t, "bundle.tar.gz", "one")
	s := source(t, path, fetch.Options{})
	first, err := s.Fetch(t.Context(), "")
	if err != nil || string(first.Raw) != "one" {
		t.Fatal(first, err)
	}
	if again, err := s.Fetch(t.Context(), first.Tag); err != nil || !again.Unchanged {
		t.Errorf("the same file is new: %+v, %v", again, err)
	}
	if err := os.WriteFile(path, []byte("two"), 0o600); err != nil {
		t.Fatal(err)
	}
	if next, err := s.Fetch(t.Context(), first.Tag); err != nil || string(next.Raw) != "two" {
		t.Errorf("another file is the same: %+v, %v", next, err)
	}
	_, err = source(t, filepath.Dir(path), fetch.Options{}).Fetch(t.Context(), "")
	refused(t, err, bundle.Unreachable, "is no file")
	_, err = source(t, path+".gone", fetch.Options{}).Fetch(t.Context(), "")
	refused(t, err, bundle.Unreachable, "no such file")
	_, err = source(t, path, fetch.Options{Limits: bundle.Limits{Compressed: 2}}).Fetch(t.Context(), "")
	refused(t, err, bundle.TooLarge, "more than 2 bytes")
}

func TestAWebServerIsAskedByETag(t *testing.T) {
	var asked []string
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.Header.Get("If-None-Match")+" "+r.Header.Get("Authorization"))
		w.Header().Set("ETag", `"v1"`)
		if r.Header.Get("If-None-Match") == `"v1"` {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		io.WriteString(w, "bundle")
	}))
	defer server.Close()
	ca := file(t, "ca.crt", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})))
	token := file(t, "token", "first\n")
	s := source(t, server.URL+"/b.tar.gz", fetch.Options{CAFile: ca, TokenFile: token})
	got, err := s.Fetch(t.Context(), "")
	if err != nil || string(got.Raw) != "bundle" || got.Tag != `"v1"` {
		t.Fatal(got, err)
	}
	// A token that is renewed needs no restart.
	if err := os.WriteFile(token, []byte("second"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err = s.Fetch(t.Context(), got.Tag); err != nil || !got.Unchanged {
		t.Errorf("got %+v, %v", got, err)
	}
	if want := ` Bearer first, "v1" Bearer second`; strings.Join(asked, ", ") != want {
		t.Errorf("asked %q, want %q", strings.Join(asked, ", "), want)
	}
	_, err = source(t, server.URL, fetch.Options{}).Fetch(t.Context(), "")
	refused(t, err, bundle.Unreachable, "certificate")
	// Some servers have one tag for all that they ever serve.
	lazy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("ETag", `"v1"`)
		io.WriteString(w, "another")
	}))
	defer lazy.Close()
	if got, err := source(t, lazy.URL, fetch.Options{}).Fetch(t.Context(), `"v1"`); err != nil || got.Unchanged || string(got.Raw) != "another" {
		t.Errorf("what was sent is not looked at: %+v, %v", got, err)
	}
	_, err = source(t, server.URL, fetch.Options{CAFile: token}).Fetch(t.Context(), "")
	refused(t, err, bundle.Unreachable, "holds no certificate")
}

func TestWhatServersDo(t *testing.T) {
	elsewhere := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "token %q", r.Header.Get("Authorization"))
	}))
	defer elsewhere.Close()
	release := make(chan struct{})
	mux := http.NewServeMux()
	mux.HandleFunc("/huge", func(w http.ResponseWriter, _ *http.Request) { w.Write(make([]byte, 2000)) })
	mux.HandleFunc("/endless", func(w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			if _, err := w.Write(make([]byte, 500)); err != nil {
				return
			}
			w.(http.Flusher).Flush()
		}
	})
	mux.HandleFunc("/stops", func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "some")
		w.(http.Flusher).Flush()
		select {
		case <-r.Context().Done():
		case <-release:
		}
	})
	mux.HandleFunc("/begins", func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusOK)
		w.(http.Flusher).Flush()
		select {
		case <-r.Context().Done():
		case <-release:
		}
	})
	mux.HandleFunc("/silent", func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-r.Context().Done():
		case <-release:
		}
	})
	mux.HandleFunc("/drips", func(w http.ResponseWriter, r *http.Request) {
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-r.Context().Done():
				return
			case <-tick.C:
			}
			if _, err := w.Write([]byte("x")); err != nil {
				return
			}
			w.(http.Flusher).Flush()
		}
	})
	mux.HandleFunc("/cut", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "500")
		w.Write(make([]byte, 100))
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	})
	mux.HandleFunc("/secret", func(w http.ResponseWriter, r *http.Request) {
		http.Error(w, "you sent "+r.Header.Get("Authorization"), http.StatusForbidden)
	})
	mux.HandleFunc("/around", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/around?signature=hunter2", http.StatusFound)
	})
	mux.HandleFunc("/elsewhere", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, elsewhere.URL+"/x?signature=hunter2", http.StatusFound)
	})
	mux.HandleFunc("/nowhere", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "http://127.0.0.1:1/x?signature=hunter2", http.StatusFound)
	})
	mux.HandleFunc("/file", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "file:///etc/passwd", http.StatusFound)
	})
	server := httptest.NewServer(mux)
	defer server.Close()
	defer close(release)
	o := fetch.Options{
		Limits: bundle.Limits{Compressed: 1000}, Patience: fetch.Patience{Whole: time.Second, Still: 300 * time.Millisecond},
		TokenFile: file(t, "token", "hunter2"),
	}
	for path, test := range map[string]struct {
		why  bundle.Reason
		says string
	}{
		"/huge":    {bundle.TooLarge, "more than 1000 bytes"},
		"/endless": {bundle.TooLarge, "more than 1000 bytes"},
		"/begins":  {bundle.Slow, "nothing came for 300ms"},
		"/stops":   {bundle.Slow, "nothing came for 300ms"},
		"/silent":  {bundle.Slow, "no answer in time"},
		"/drips":   {bundle.Slow, "not there after 1s"},
		"/cut":     {bundle.Broken, "cut off"},
		"/secret":  {bundle.Unreachable, "answers 403 Forbidden"},
		"/gone":    {bundle.Unreachable, "answers 404 Not Found"},
		"/around":  {bundle.Unreachable, "points elsewhere more than 5 times"},
		"/nowhere": {bundle.Unreachable, "refused"},
		"/file":    {bundle.Unreachable, "points to what is no web server"},
	} {
		t.Run(strings.TrimPrefix(path, "/"), func(t *testing.T) {
			_, err := source(t, server.URL+path, o).Fetch(t.Context(), "")
			refused(t, err, test.why, test.says)
			if strings.Contains(fmt.Sprint(err), "hunter2") {
				t.Errorf("the error has a secret: %v", err)
			}
		})
	}
	got, err := source(t, server.URL+"/elsewhere", o).Fetch(t.Context(), "")
	if err != nil || string(got.Raw) != `token ""` {
		t.Errorf("another host got %s, %v", got.Raw, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := source(t, server.URL+"/silent", o).Fetch(ctx, ""); err == nil || errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a fetch that is called off: %v", err)
	}
}

func TestTLSIsNotGivenUpOnTheWay(t *testing.T) {
	plain := httptest.NewServer(http.NotFoundHandler())
	defer plain.Close()
	server := httptest.NewTLSServer(http.RedirectHandler(plain.URL+"/x", http.StatusFound))
	defer server.Close()
	ca := file(t, "ca.crt", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})))
	_, err := source(t, server.URL, fetch.Options{CAFile: ca}).Fetch(t.Context(), "")
	refused(t, err, bundle.Unreachable, "points from https to http")
}
