package fetch_test

import (
	"encoding/base64"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/registry"

	"github.com/podcullis/podcullis/guardrail/bundle"
	"github.com/podcullis/podcullis/guardrail/bundle/bundletest"
	"github.com/podcullis/podcullis/guardrail/bundle/fetch"
)

const configText = "apiVersion: podcullis.io/v1alpha1\nkind: Guardrails\nguardrails:\n- {name: isolated, guardrail: default-deny, action: deny}\n"

// local is a registry on this machine, behind a door.
func local(t *testing.T, door func(http.Handler) http.Handler) string {
	t.Helper()
	handler := registry.New(registry.Logger(log.New(io.Discard, "", 0)))
	if door != nil {
		handler = door(handler)
	}
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return "oci+http://" + strings.TrimPrefix(server.URL, "http://") + "/team/guardrails"
}

func made(t *testing.T, revision string) ([]byte, *bundle.Bundle) {
	t.Helper()
	raw := bundletest.Build(t, revision, -1, configText)
	b, err := bundle.Inspect(raw)
	if err != nil {
		t.Fatal(err)
	}
	return raw, b
}

func TestWhatIsPushedIsPulled(t *testing.T) {
	at := local(t, nil)
	raw, b := made(t, "v1")
	tagged := source(t, at+":prod", fetch.Options{})
	digest, err := tagged.Push(t.Context(), raw, b)
	if err != nil {
		t.Fatal(err)
	}
	got, err := tagged.Fetch(t.Context(), "")
	if err != nil || string(got.Raw) != string(raw) || got.Tag != digest {
		t.Fatalf("pulled %d bytes with %s, want %d with %s: %v", len(got.Raw), got.Tag, len(raw), digest, err)
	}
	if got, err = tagged.Fetch(t.Context(), digest); err != nil || !got.Unchanged {
		t.Errorf("the same image is new: %+v, %v", got, err)
	}
	// Twice is once.
	if again, err := tagged.Push(t.Context(), raw, b); err != nil || again != digest {
		t.Errorf("pushed again: %s, %v", again, err)
	}
	pinned := source(t, at+"@"+digest, fetch.Options{})
	if got, err = pinned.Fetch(t.Context(), ""); err != nil || string(got.Raw) != string(raw) {
		t.Errorf("by its digest: %v", err)
	}
	next, nextBundle := made(t, "v2")
	if _, err := pinned.Push(t.Context(), next, nextBundle); err == nil {
		t.Error("something else was pushed to a digest")
	}
	if _, err := tagged.Push(t.Context(), next, nextBundle); err != nil {
		t.Fatal(err)
	}
	if got, err = tagged.Fetch(t.Context(), digest); err != nil || string(got.Raw) != string(next) {
		t.Errorf("the tag was moved: %v", err)
	}
	if got, err = pinned.Fetch(t.Context(), ""); err != nil || string(got.Raw) != string(raw) {
		t.Errorf("a digest is no tag: %v", err)
	}
	_, err = source(t, at+":gone", fetch.Options{}).Fetch(t.Context(), "")
	refused(t, err, bundle.Unreachable, "not found")
	_, err = source(t, at+":prod", fetch.Options{Limits: bundle.Limits{Compressed: 10}}).Fetch(t.Context(), "")
	refused(t, err, bundle.TooLarge, "more than 10 bytes")
}

// A registry that answers with something else than it was asked for.
func TestARegistryIsNotBelieved(t *testing.T) {
	raw, b := made(t, "v1")
	var spoil func(path string, body []byte) []byte
	at := local(t, func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if spoil == nil || r.Method != http.MethodGet && r.Method != http.MethodHead {
				next.ServeHTTP(w, r)
				return
			}
			recorder := httptest.NewRecorder()
			asGet := r.Clone(r.Context())
			asGet.Method = http.MethodGet
			next.ServeHTTP(recorder, asGet)
			body := spoil(r.URL.Path, recorder.Body.Bytes())
			for _, name := range []string{"Content-Type", "Docker-Content-Digest"} {
				w.Header().Set(name, recorder.Header().Get(name))
			}
			w.Header().Set("Content-Length", fmt.Sprint(len(body)))
			w.WriteHeader(recorder.Code)
			if r.Method == http.MethodGet {
				w.Write(body)
			}
		})
	})
	s := source(t, at+":prod", fetch.Options{})
	if _, err := s.Push(t.Context(), raw, b); err != nil {
		t.Fatal(err)
	}
	layer := func(path string) bool { return strings.Contains(path, "/blobs/") }
	for name, test := range map[string]struct {
		spoil func(path string, body []byte) []byte
		whys  []bundle.Reason
	}{
		"AnotherLayer": {func(path string, body []byte) []byte {
			if layer(path) {
				body[len(body)/2] ^= 1
			}
			return body
		}, []bundle.Reason{bundle.Tampered}},
		"ALongerLayer": {func(path string, body []byte) []byte {
			if layer(path) {
				return append(body, 'x')
			}
			return body
		}, []bundle.Reason{bundle.Tampered, bundle.Unreachable}},
		"AShorterLayer": {func(path string, body []byte) []byte {
			if layer(path) {
				return body[:len(body)-1]
			}
			return body
		}, []bundle.Reason{bundle.Broken, bundle.Unreachable}},
		"AnotherManifest": {func(path string, body []byte) []byte {
			if !layer(path) {
				return []byte(strings.Replace(string(body), `"schemaVersion":2`, `"schemaVersion":3`, 1))
			}
			return body
		}, []bundle.Reason{bundle.Tampered}},
	} {
		t.Run(name, func(t *testing.T) {
			spoil = test.spoil
			_, err := s.Fetch(t.Context(), "")
			for _, why := range test.whys {
				if err != nil && bundle.ReasonOf(err) == why {
					return
				}
			}
			t.Errorf("want one of %v, got %s: %v", test.whys, bundle.ReasonOf(err), err)
		})
	}
}

// Images that are no bundles.
func TestOtherImagesAreNoBundles(t *testing.T) {
	at := local(t, nil)
	put := func(tag, mediaType, text string) {
		t.Helper()
		url := strings.Replace(at, "oci+http", "http", 1)
		url = strings.Replace(url, "/team/", "/v2/team/", 1) + "/manifests/" + tag
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPut, url, strings.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", mediaType)
		response, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if response.StatusCode != http.StatusCreated {
			t.Fatal(response.Status)
		}
	}
	const image = "application/vnd.oci.image.manifest.v1+json"
	layer := func(mediaType, digest string, size int) string {
		return fmt.Sprintf(`{"mediaType":%q,"digest":%q,"size":%d}`, mediaType, digest, size)
	}
	const gzipped, some = "application/vnd.oci.image.layer.v1.tar+gzip", "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
	for name, test := range map[string]struct {
		mediaType, text string
		why             bundle.Reason
		says            string
	}{
		"index":   {"application/vnd.oci.image.index.v1+json", `{"schemaVersion":2,"manifests":[]}`, bundle.Broken, "want an image"},
		"nothing": {image, `{"schemaVersion":2,"layers":[]}`, bundle.Broken, "has 0 layers"},
		"plain":   {image, `{"schemaVersion":2,"layers":[` + layer("application/vnd.oci.image.layer.v1.tar", some, 1) + `]}`, bundle.Broken, "has 0 layers"},
		"two":     {image, `{"schemaVersion":2,"layers":[` + layer(gzipped, some, 1) + "," + layer(gzipped, some, 2) + `]}`, bundle.Broken, "has 2 layers"},
		"huge":    {image, `{"schemaVersion":2,"layers":[` + layer(gzipped, some, 1<<40) + `]}`, bundle.TooLarge, "more than"},
		"less":    {image, `{"schemaVersion":2,"layers":[` + layer(gzipped, some, -1) + `]}`, bundle.Broken, "names what cannot be"},
		"digest":  {image, `{"schemaVersion":2,"layers":[` + layer(gzipped, "sha256:../../x", 1) + `]}`, bundle.Broken, "names what cannot be"},
		"absent":  {image, `{"schemaVersion":2,"layers":[` + layer(gzipped, "sha256:"+strings.Repeat("0", 64), 1) + `]}`, bundle.Unreachable, "not found"},
	} {
		t.Run(name, func(t *testing.T) {
			put(name, test.mediaType, test.text)
			_, err := source(t, at+":"+name, fetch.Options{}).Fetch(t.Context(), "")
			refused(t, err, test.why, test.says)
		})
	}
}

func TestCredentialsOfRegistries(t *testing.T) {
	const basic = "me:hunter2"
	at := local(t, func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Authorization") != "Basic "+base64.StdEncoding.EncodeToString([]byte(basic)) {
				w.Header().Set("WWW-Authenticate", `Basic realm="here"`)
				w.WriteHeader(http.StatusUnauthorized)
				fmt.Fprintf(w, `{"errors":[{"code":"UNAUTHORIZED","message":"you sent %s"}]}`, r.Header.Get("Authorization"))
				return
			}
			next.ServeHTTP(w, r)
		})
	})
	// One that lets somebody in and then repeats, in an error, by what.
	talkative := local(t, func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodGet && strings.Contains(r.URL.Path, "/blobs/") {
				w.WriteHeader(http.StatusForbidden)
				fmt.Fprintf(w, `{"errors":[{"code":"DENIED","message":"you sent hunter2"}]}`)
				return
			}
			next.ServeHTTP(w, r)
		})
	})
	quiet := source(t, talkative+":prod", fetch.Options{})
	some, of := made(t, "v1")
	if _, err := quiet.Push(t.Context(), some, of); err != nil {
		t.Fatal(err)
	}
	if _, err := quiet.Fetch(t.Context(), ""); err == nil || !strings.Contains(err.Error(), "answers 403 Forbidden") || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("what a registry says is repeated: %v", err)
	}
	host, _, _ := strings.Cut(strings.TrimPrefix(at, "oci+http://"), "/")
	docker := file(t, "config.json", fmt.Sprintf(`{"auths":{%q:{"auth":%q}}}`, host, base64.StdEncoding.EncodeToString([]byte(basic))))
	raw, b := made(t, "v1")
	s := source(t, at+":prod", fetch.Options{RegistryConfig: docker})
	if _, err := s.Push(t.Context(), raw, b); err != nil {
		t.Fatal(err)
	}
	if got, err := s.Fetch(t.Context(), ""); err != nil || len(got.Raw) != len(raw) {
		t.Error(err)
	}
	_, err := source(t, at+":prod", fetch.Options{}).Fetch(t.Context(), "")
	refused(t, err, bundle.Unreachable, "")
	wrong := file(t, "config.json", fmt.Sprintf(`{"auths":{%q:{"auth":%q}}}`, host, base64.StdEncoding.EncodeToString([]byte("me:hunter3"))))
	_, err = source(t, at+":prod", fetch.Options{RegistryConfig: wrong}).Fetch(t.Context(), "")
	refused(t, err, bundle.Unreachable, "401")
	if strings.Contains(fmt.Sprint(err), base64.StdEncoding.EncodeToString([]byte("me:hunter3"))) {
		t.Errorf("the error has the password: %v", err)
	}
}
