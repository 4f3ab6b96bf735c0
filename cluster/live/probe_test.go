package live

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"
)

func TestProbeTellsQuietFromBroken(t *testing.T) {
	event := func(kind, object string) string { return fmt.Sprintf(`{"type":%q,"object":%s}`+"\n", kind, object) }
	abort := func(http.ResponseWriter) { panic(http.ErrAbortHandler) }
	tests := map[string]struct {
		reason string
		status int
		body   string
		then   func(http.ResponseWriter)
		newest string
		err    string
		list   int // what the list before is answered, if not 200
	}{
		"Nothing":       {"the watch ends in good order", 200, "", nil, "", "", 0},
		"AChange":       {"the first event counts", 200, event("ADDED", `{"metadata":{"name":"a","resourceVersion":"12"}}`) + event("DELETED", `{"metadata":{"resourceVersion":"13"}}`), nil, "12", "", 0},
		"ABookmark":     {"it says how far the API server has come", 200, event("BOOKMARK", `{"metadata":{"resourceVersion":"14"}}`), nil, "14", "", 0},
		"BrokenOff":     {"who is cut off has not heard that nothing happened", 200, "", abort, "", "the watch broke off: unexpected EOF", 0},
		"BrokenInEvent": {"half an event", 200, `{"type":"ADDED","obj`, nil, "", "the watch broke off: unexpected EOF", 0},
		"TooOld":        {"as an event", 200, event("ERROR", `{"kind":"Status","code":410,"reason":"Expired","message":"too old resource version: 1 (2)"}`), nil, "", "too old resource version: 1 (2)", 0},
		"Refused":       {"overload or missing rights", 429, "later", nil, "", "429 Too Many Requests: later", 0},
		"NoEtcd":        {"what its cache says is worth nothing then", 0, "", nil, "", `504 Gateway Timeout: {"items":[]}`, 504},
		"NoVersion":     {"nothing to compare", 200, event("ADDED", `{"metadata":{}}`), nil, "", `an event of type "ADDED" has no resourceVersion`, 0},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			var asked, listed string
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Query().Get("limit") == "1" {
					listed = r.URL.String() + " " + r.Header.Get("Accept")
					if test.list != 0 {
						w.WriteHeader(test.list)
					}
					_, _ = fmt.Fprint(w, `{"items":[]}`)
					return
				}
				asked = r.URL.String() + " " + r.Header.Get("Accept")
				w.WriteHeader(test.status)
				_, _ = fmt.Fprint(w, test.body)
				_ = http.NewResponseController(w).Flush()
				if test.then != nil {
					test.then(w)
				}
			}))
			defer server.Close()
			probe, err := NewProbe(&rest.Config{Host: server.URL + "/behind"})
			if err != nil {
				t.Fatal(err)
			}
			newest, err := probe(t.Context(), schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "deployments"}, "10")
			got := ""
			if err != nil {
				got = err.Error()
			}
			if newest != test.newest || got != test.err {
				t.Errorf("newest %q, error %q; want %q, %q: %s", newest, got, test.newest, test.err, test.reason)
			}
			if want := "/behind/apis/apps/v1/deployments?limit=1 application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"; !strings.HasPrefix(listed, want) {
				t.Errorf("listed %s\nwant   %s", listed, want)
			}
			if test.list != 0 {
				if asked != "" {
					t.Errorf("asked %s", asked)
				}
				return
			}
			want := "/behind/apis/apps/v1/deployments?resourceVersion=10&timeoutSeconds=1&watch=1 application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
			if !strings.HasPrefix(asked, want) {
				t.Errorf("asked %s\nwant  %s", asked, want)
			}
		})
	}
}
