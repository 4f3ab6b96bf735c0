package serving

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
)

func TestProbesShowEveryCheckByName(t *testing.T) {
	fine := func(*http.Request) error { return nil }
	broken := func(*http.Request) error { return errors.New("pods have not synced") }
	handler := NewHealthHandler(nil, map[string]healthz.Checker{"informers": broken, "guardrails": fine, "certificate": fine})
	ready := NewHealthHandler(nil, map[string]healthz.Checker{"guardrails": fine})
	noted := NewHealthHandler(nil, map[string]healthz.Checker{"guardrails": fine, "certificate": func(*http.Request) error { return Remark("it ends soon") }})
	tests := map[string]struct {
		handler      http.Handler
		method, path string
		status       int
		body         string
	}{
		"AliveWithoutChecks": {handler, "GET", "/healthz", 200, "ok\n"},
		"NotReady":           {handler, "GET", "/readyz", 503, "[+]certificate: ok\n[+]guardrails: ok\n[-]informers: pods have not synced\nfailed\n"},
		"Ready":              {ready, "GET", "/readyz", 200, "[+]guardrails: ok\nok\n"},
		"ReadyWithARemark":   {noted, "GET", "/readyz", 200, "[+]certificate: ok, it ends soon\n[+]guardrails: ok\nok\n"},
		"Post":               {ready, "POST", "/readyz", 405, "use GET\n"},
		"Elsewhere":          {ready, "GET", "/readyz/", 404, "404 page not found\n"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			recorder := httptest.NewRecorder()
			test.handler.ServeHTTP(recorder, httptest.NewRequest(test.method, test.path, nil))
			if diff := cmp.Diff(test.body, recorder.Body.String()); recorder.Code != test.status || diff != "" {
				t.Errorf("HTTP %d, want %d; body (-want +got):\n%s", recorder.Code, test.status, diff)
			}
		})
	}
}
