package bundles

import (
	"archive/tar"
	"bytes"
	"context"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/registry"

	"github.com/podcullis/podcullis/guardrail/bundle"
	"github.com/podcullis/podcullis/guardrail/bundle/bundletest"
	"github.com/podcullis/podcullis/guardrail/bundle/fetch"
)

// shelf is a web server with a bundle on it.
type shelf struct {
	*httptest.Server
	serve atomic.Pointer[http.HandlerFunc]
}

func newShelf(t *testing.T) *shelf {
	t.Helper()
	s := &shelf{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { (*s.serve.Load())(w, r) }))
	t.Cleanup(func() { s.CloseClientConnections(); s.Close() })
	return s
}

func (s *shelf) put(raw []byte) {
	tag := fmt.Sprintf("%q", fmt.Sprintf("%d-%x", len(raw), raw[max(0, len(raw)-8):]))
	s.handle(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", tag)
		if r.Header.Get("If-None-Match") == tag {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		_, _ = w.Write(raw)
	})
}

func (s *shelf) handle(h http.HandlerFunc) { s.serve.Store(&h) }

// Whatever is published, the last good bundle judges; why something is not taken is counted, logged and said
// by /readyz, and the next good one is taken without a restart.
func TestTheLastGoodBundleJudgesOn(t *testing.T) {
	key, stranger := bundletest.NewKey(t), bundletest.NewKey(t)
	at := newShelf(t)
	at.put(signed(t, key, "v5", 5))
	r := start(t, append(trusting(t, key), "--bundle", at.URL+"/bundle.tar.gz?signature=hunter2")...).ready(t)
	if got := r.judged(t); got != "of-v5 of v5" {
		t.Fatalf("the first bundle: %s", got)
	}
	next := func(change func(raw []byte) []byte) []byte { return change(signed(t, key, "v6", 6)) }
	resign := func(raw []byte) []byte { return bundletest.Sign(t, raw, key, "prod", signedAt) }
	with := func(name, text string) []byte {
		return next(func(raw []byte) []byte { return bundletest.With(t, raw, name, text) })
	}
	built := func(revision string, config string) []byte {
		return resign(bundletest.Build(t, revision, 6, config))
	}
	zeros := bytes.Repeat([]byte("0"), 40<<20)
	bad := map[string]struct {
		raw    []byte
		serve  http.HandlerFunc
		reason bundle.Reason
		says   string
	}{
		"Tampered":        {raw: with("guardrails.yaml", strings.Replace(config("of-v6"), "deny,", "audit,", 1)), reason: bundle.Tampered, says: "is not what was signed"},
		"AFileAdded":      {raw: with("rego/more.rego", "package lib.more\n"), reason: bundle.Tampered, says: "the signature does not name"},
		"AFileGone":       {raw: next(func(raw []byte) []byte { return bundletest.Without(t, raw, ".manifest") }), reason: bundle.Tampered, says: "which the bundle lacks"},
		"Unsigned":        {raw: next(func(raw []byte) []byte { return bundletest.Without(t, raw, ".signatures.json") }), reason: bundle.Unsigned, says: "is not signed"},
		"WronglySigned":   {raw: next(func(raw []byte) []byte { return bundletest.Sign(t, raw, stranger, "prod", signedAt) }), reason: bundle.BadSignature, says: "none of the trusted keys"},
		"OfAnotherKeyID":  {raw: next(func(raw []byte) []byte { return renamed(t, raw, key) }), reason: bundle.Key, says: "no trusted key is of that name"},
		"OfAnotherScope":  {raw: next(func(raw []byte) []byte { return bundletest.Sign(t, raw, key, "staging", signedAt) }), reason: bundle.Scope, says: `signed for the scope \"staging\"`},
		"Truncated":       {raw: next(func(raw []byte) []byte { return raw[:len(raw)/2] }), reason: bundle.Broken, says: "the archive is broken"},
		"CutOff":          {serve: cutOff(signed(t, key, "v6", 6)), reason: bundle.Broken, says: "cut off"},
		"Older":           {raw: signed(t, key, "v4", 4), reason: bundle.Older, says: "serial 4 is lower than 5"},
		"OfTheSameSerial": {raw: signed(t, key, "v5b", 5), reason: bundle.Older, says: "serial 5 is in force already"},
		"WithoutASerial":  {raw: signed(t, key, "v6", -1), reason: bundle.Older, says: "has no serial"},
		"Huge":            {raw: bytes.Repeat([]byte("x"), 9<<20), reason: bundle.TooLarge, says: "more than 8388608 bytes"},
		"ABomb":           {raw: bundletest.Archive(t, bundletest.File("guardrails.yaml", string(zeros))), reason: bundle.TooLarge, says: "unpacks to more than"},
		"ASymlink": {raw: next(func(raw []byte) []byte {
			return bundletest.Archive(t, append(bundletest.Entries(t, raw), bundletest.Entry{Header: tar.Header{Typeflag: tar.TypeSymlink, Name: "rego/x.rego", Linkname: "/etc/passwd"}})...)
		}), reason: bundle.Broken, says: "is a link"},
		"AboveItsRoot":       {raw: next(func(raw []byte) []byte { return resignable(t, raw, "../../x.rego") }), reason: bundle.Broken, says: "is no name of a file within"},
		"RootsOfOthers":      {raw: resign(with(".manifest", `{"revision":"v6","roots":["guardrails","podcullis","system"]}`)), reason: bundle.BadManifest, says: "is not about guardrails"},
		"AConfigurationBad":  {raw: built("v6", config("of-v6")+"exempt: []\n"), reason: bundle.Invalid, says: `bundle/guardrails.yaml:5: unknown field`},
		"NoSuchGuardrail":    {raw: built("v6", strings.Replace(config("of-v6"), "default-deny", "default-denny", 1)), reason: bundle.Invalid, says: "bundle/guardrails.yaml:4: guardrails[0].guardrail"},
		"RegoThatIsNone":     {raw: resign(with("rego/mine.rego", "package guardrails.mine\n\nx := \n")), reason: bundle.Invalid, says: "bundle/rego/mine.rego:4"},
		"AnUnknownBuiltin":   {raw: resign(with("rego/mine.rego", "package lib.mine\n\nx := http.send({})\n")), reason: bundle.Invalid, says: "bundle/rego/mine.rego:3: undefined function http.send"},
		"OtherKindsToFollow": {raw: built("v6", config("of-v6")+"extraWorkloads: [argo-rollouts]\n"), reason: bundle.Restart, says: "restart podcullis-webhook"},
		"Gone":               {serve: func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "hunter2", http.StatusNotFound) }, reason: bundle.Unreachable, says: "answers 404"},
		"ALogInPage":         {serve: func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html>") }, reason: bundle.Broken, says: "is no gzipped tar archive"},
	}
	for name, b := range bad {
		t.Run(name, func(t *testing.T) {
			series := `podcullis_bundle_failures_total\{reason="` + string(b.reason) + `"\}`
			before, err := r.metric(t.Context(), series)
			if err != nil {
				t.Fatal(err)
			}
			if b.serve != nil {
				at.handle(b.serve)
			} else {
				at.put(b.raw)
			}
			r.awaitMetric(t, series, func(now string) bool { return now != before })
			if got := r.judged(t); got != "of-v5 of v5" {
				t.Errorf("judged by %s", got)
			}
			code, text := r.readyz(t)
			if says := strings.ReplaceAll(b.says, `\"`, `"`); code != http.StatusOK || !strings.Contains(text, `revision "v5"`) || !strings.Contains(text, says) {
				t.Errorf("readyz %d lacks %q:\n%s", code, says, text)
			}
			lines := strings.Split(strings.TrimSpace(r.logged(t)), "\n")
			found := false
			for _, line := range lines {
				found = found || strings.Contains(line, "bundle not taken") && strings.Contains(line, "reason="+string(b.reason)) && strings.Contains(strings.ReplaceAll(line, `\"`, `"`), strings.ReplaceAll(b.says, `\"`, `"`))
			}
			if !found {
				t.Errorf("the log does not say reason=%s and %q", b.reason, b.says)
			}
		})
	}
	if strings.Contains(r.logged(t), "hunter2") {
		t.Error("the log has a secret")
	}
	r.awaitRevision(t, "v5")
	at.put(signed(t, key, "v6", 6))
	r.awaitRevision(t, "v6")
	if got := r.judged(t); got != "of-v6 of v6" {
		t.Errorf("the next good bundle: %s", got)
	}
	r.awaitMetric(t, "podcullis_last_reload_successful", func(v string) bool { return v == "1" })
	r.Stop(t, 30*time.Second)
}

func cutOff(raw []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", fmt.Sprint(len(raw)))
		_, _ = w.Write(raw[:len(raw)/2])
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	}
}

func renamed(t *testing.T, raw []byte, key bundletest.Key) []byte {
	t.Helper()
	k, err := bundle.ParsePrivateKey("other", key.Private)
	if err != nil {
		t.Fatal(err)
	}
	out, err := bundle.Sign(raw, bundle.Signing{Key: k, Scope: "prod", Now: signedAt})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func resignable(t *testing.T, raw []byte, name string) []byte {
	t.Helper()
	return bundletest.Archive(t, append(bundletest.Entries(t, raw), bundletest.File(name, "package lib.x\n"))...)
}

// A server that sends and sends, and never comes to the end of it, holds nobody up.
func TestASlowServerHoldsNobodyUp(t *testing.T) {
	key := bundletest.NewKey(t)
	at := newShelf(t)
	at.put(signed(t, key, "v1", 1))
	r := start(t, append(trusting(t, key), "--bundle", at.URL)...).ready(t)
	asked := make(chan struct{}, 1000)
	at.handle(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "\x1f\x8b")
		w.(http.Flusher).Flush()
		asked <- struct{}{}
		<-r.Context().Done()
	})
	<-asked
	for range 5 {
		if got := r.judged(t); got != "of-v1 of v1" {
			t.Errorf("judged by %s", got)
		}
	}
	r.awaitMetric(t, `podcullis_bundle_failures_total\{reason="slow"\}`, func(v string) bool { return v != "0" })
	if got := r.judged(t); got != "of-v1 of v1" {
		t.Errorf("judged by %s", got)
	}
	<-asked // it asks again
	at.put(signed(t, key, "v2", 2))
	r.awaitRevision(t, "v2")
	r.Stop(t, 30*time.Second)
}

// localRegistry is one on this machine that can be killed.
func localRegistry(t *testing.T) (*httptest.Server, func(raw []byte)) {
	t.Helper()
	s := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	t.Cleanup(s.Close)
	return s, func(raw []byte) {
		t.Helper()
		b, err := bundle.Inspect(raw)
		if err != nil {
			t.Fatal(err)
		}
		a, err := fetch.ParseAddress(ociAddress(s))
		if err != nil {
			t.Fatal(err)
		}
		source, err := fetch.New(a, fetch.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := source.Push(t.Context(), raw, b); err != nil {
			t.Fatal(err)
		}
	}
}

func ociAddress(s *httptest.Server) string {
	return "oci+http://" + strings.TrimPrefix(s.URL, "http://") + "/team/guardrails:prod"
}

// The registry goes: what is in force judges on, also after a restart, and /readyz says how old it is.
func TestTheRegistryIsGone(t *testing.T) {
	key := bundletest.NewKey(t)
	server, push := localRegistry(t)
	push(signed(t, key, "v1", 1))
	dir := t.TempDir()
	flags := append(trusting(t, key), "--bundle", ociAddress(server), "--bundle-dir", dir)
	r := start(t, flags...).ready(t)
	push(signed(t, key, "v2", 2))
	r.awaitRevision(t, "v2")
	server.Close()
	r.awaitMetric(t, `podcullis_bundle_failures_total\{reason="unreachable"\}`, func(v string) bool { return v != "0" })
	if got := r.judged(t); got != "of-v2 of v2" {
		t.Errorf("without a registry judged by %s", got)
	}
	if code, text := r.readyz(t); code != http.StatusOK || !strings.Contains(text, "unreachable") || !strings.Contains(text, "confirmed ") {
		t.Errorf("readyz %d does not say how old the bundle is:\n%s", code, text)
	}
	r.Stop(t, 30*time.Second)

	restarted := start(t, flags...).ready(t)
	if got := restarted.judged(t); got != "of-v2 of v2" {
		t.Errorf("after a restart judged by %s", got)
	}
	if code, text := restarted.readyz(t); code != http.StatusOK || !strings.Contains(text, "never confirmed") {
		t.Errorf("readyz %d does not say that nobody confirmed the bundle:\n%s", code, text)
	}
	restarted.Stop(t, 30*time.Second)

	t.Run("AndTheDirectoryWasTamperedWith", func(t *testing.T) {
		file := filepath.Join(dir, "bundle.tar.gz")
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		write(t, file, string(bundletest.With(t, raw, "guardrails.yaml", strings.Replace(config("of-v2"), "deny,", "audit,", 1))))
		r := start(t, flags...)
		r.awaitMetric(t, `podcullis_bundle_failures_total\{reason="tampered"\}`, func(v string) bool { return v == "1" })
		if code, text := r.readyz(t); code != http.StatusServiceUnavailable || !strings.Contains(text, "none is in force yet") {
			t.Errorf("readyz %d:\n%s", code, text)
		}
	})
	t.Run("AndTheKeyIsNotTrustedAnyMore", func(t *testing.T) {
		write(t, filepath.Join(dir, "bundle.tar.gz"), string(signed(t, key, "v2", 2)))
		r := start(t, append(trusting(t, bundletest.NewKey(t)), "--bundle", ociAddress(server), "--bundle-dir", dir)...)
		r.awaitMetric(t, `podcullis_bundle_failures_total\{reason="signature"\}`, func(v string) bool { return v == "1" })
		if code, _ := r.readyz(t); code != http.StatusServiceUnavailable {
			t.Errorf("readyz %d", code)
		}
	})
}

// A restart is no way back: what was in force is remembered in the directory.
func TestAnOlderBundleDoesNotComeBackWithARestart(t *testing.T) {
	key := bundletest.NewKey(t)
	at, dir := newShelf(t), t.TempDir()
	flags := append(trusting(t, key), "--bundle", at.URL, "--bundle-dir", dir)
	at.put(signed(t, key, "v5", 5))
	r := start(t, flags...).ready(t)
	r.Stop(t, 30*time.Second)
	at.put(signed(t, key, "v4", 4))
	r = start(t, flags...).ready(t)
	if got := r.judged(t); got != "of-v5 of v5" {
		t.Errorf("judged by %s", got)
	}
	r.awaitMetric(t, `podcullis_bundle_failures_total\{reason="older"\}`, func(v string) bool { return v != "0" })
	r.awaitMetric(t, "podcullis_last_reload_successful", func(v string) bool { return v == "0" })
	r.Stop(t, 30*time.Second)

	// Who says so goes back.
	r = start(t, append(flags, "--bundle-allow-older")...).ready(t)
	if got := r.judged(t); got != "of-v4 of v4" {
		t.Errorf("with --bundle-allow-older judged by %s", got)
	}
	r.Stop(t, 30*time.Second)
}

// Without a bundle nothing is judged, and nothing is allowed; the server lives, and says why.
func TestAStartWithoutABundleWaits(t *testing.T) {
	key := bundletest.NewKey(t)
	at := newShelf(t)
	at.handle(func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "", http.StatusServiceUnavailable) })
	r := start(t, append(trusting(t, key), "--bundle", at.URL)...)
	await(t, "it says that there is no bundle", func(context.Context) error {
		if code, text := r.readyz(t); code != http.StatusServiceUnavailable || !strings.Contains(text, "[-]bundle: none is in force yet; not taken") || !strings.Contains(text, "answers 503") {
			return fmt.Errorf("readyz %d: %s", code, text)
		}
		return nil
	})
	if got := r.judged(t); !strings.Contains(got, "refused") {
		t.Errorf("without a bundle somebody answers: %s", got)
	}
	at.put(bundletest.Without(t, signed(t, key, "v1", 1), ".signatures.json"))
	r.awaitMetric(t, `podcullis_bundle_failures_total\{reason="unsigned"\}`, func(v string) bool { return v == "1" })
	if code, _ := r.readyz(t); code != http.StatusServiceUnavailable {
		t.Errorf("readyz %d with a bundle that is not signed", code)
	}
	at.put(signed(t, key, "v1", 1))
	r.ready(t)
	if got := r.judged(t); got != "of-v1 of v1" {
		t.Errorf("judged by %s", got)
	}
	r.Stop(t, 30*time.Second)

	at.handle(func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "", http.StatusServiceUnavailable) })
	waiting := start(t, append(trusting(t, key), "--bundle", at.URL)...)
	await(t, "it waits", func(context.Context) error {
		if code, text := waiting.readyz(t); code != http.StatusServiceUnavailable {
			return fmt.Errorf("readyz %d: %s", code, text)
		}
		return nil
	})
	waiting.Stop(t, 30*time.Second) // also while it waits
}

// Replicas that judge by different bundles are told apart by their metrics.
func TestReplicasOfDifferentRevisionsAreSeen(t *testing.T) {
	key := bundletest.NewKey(t)
	dir := t.TempDir()
	one, two := filepath.Join(dir, "one.tar.gz"), filepath.Join(dir, "two.tar.gz")
	write(t, one, string(signed(t, key, "v1", 1)))
	write(t, two, string(signed(t, key, "v2", 2)))
	a := start(t, append(trusting(t, key), "--bundle", one)...).ready(t)
	b := start(t, append(trusting(t, key), "--bundle", two)...).ready(t)
	a.awaitRevision(t, "v1")
	b.awaitRevision(t, "v2")
	if x, y := a.judged(t), b.judged(t); x != "of-v1 of v1" || y != "of-v2 of v2" {
		t.Errorf("judged by %s and by %s", x, y)
	}
	// Kubernetes replaces files by renaming.
	write(t, one+".new", string(signed(t, key, "v2", 2)))
	if err := os.Rename(one+".new", one); err != nil {
		t.Fatal(err)
	}
	a.awaitRevision(t, "v2")
	if got, err := a.metric(t.Context(), `podcullis_bundle_info\{digest="[0-9a-f]{12}",revision="v1"\}`); err == nil {
		t.Errorf("the bundle before is still shown: %s", got)
	}
}

// Guardrails, configuration and revision change together: no answer is of two bundles.
func TestAnActivationIsWhole(t *testing.T) {
	key := bundletest.NewKey(t)
	at := newShelf(t)
	at.put(signed(t, key, "v1", 1))
	r := start(t, append(trusting(t, key), "--bundle", at.URL)...).ready(t)
	ended := make(chan struct{})
	var asking sync.WaitGroup
	for range 3 {
		asking.Go(func() {
			for {
				select {
				case <-ended:
					return
				default:
				}
				got := r.judged(t)
				who, of, _ := strings.Cut(got, " of ")
				if who != "of-"+of {
					t.Errorf("judged by %s", got)
				}
			}
		})
	}
	for n := int64(2); n < 8; n++ {
		revision := fmt.Sprintf("v%d", n)
		at.put(signed(t, key, revision, n))
		r.awaitRevision(t, revision)
	}
	close(ended)
	asking.Wait()
}

// A key is changed without a restart and without a moment in which nothing is taken.
func TestAKeyIsRotated(t *testing.T) {
	old, next := bundletest.NewKey(t), bundletest.NewKey(t)
	at := newShelf(t)
	at.put(signed(t, old, "v1", 1))
	dir := t.TempDir()
	file := write(t, filepath.Join(dir, "key.pem"), string(old.Public))
	r := start(t, "--bundle-key", file, "--bundle-scope", "prod", "--bundle", at.URL).ready(t)
	at.put(signed(t, next, "v2", 2))
	r.awaitMetric(t, `podcullis_bundle_failures_total\{reason="signature"\}`, func(v string) bool { return v == "1" })
	write(t, file+".new", string(next.Public))
	if err := os.Rename(file+".new", file); err != nil {
		t.Fatal(err)
	}
	r.awaitRevision(t, "v2")
}
