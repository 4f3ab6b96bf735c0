package serving

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"

	"sigs.k8s.io/controller-runtime/pkg/healthz"
)

// Remark is what a check returns that has something to say and does not fail.
type Remark string

// Error is the text.
func (r Remark) Error() string { return string(r) }

// NewHealthHandler serves /healthz (should this process live?) and /readyz (should
// it get requests?). Each answers 200 if all its checks return nil, else 503, and
// shows every check by name in plain text. Without checks an answer is 200.
//
// Unlike controller-runtime's healthz.Handler it says why a check failed: the probe
// address is the operator's, who reads it there.
func NewHealthHandler(live, ready map[string]healthz.Checker) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/healthz":
			serveChecks(w, r, live)
		case "/readyz":
			serveChecks(w, r, ready)
		default:
			http.NotFound(w, r)
		}
	})
}

func serveChecks(w http.ResponseWriter, r *http.Request, checks map[string]healthz.Checker) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "use GET", http.StatusMethodNotAllowed)
		return
	}
	status, verdict := http.StatusOK, "ok"
	var text bytes.Buffer
	for _, name := range slices.Sorted(maps.Keys(checks)) {
		err := checks[name](r)
		if remark := Remark(""); errors.As(err, &remark) {
			fmt.Fprintf(&text, "[+]%s: ok, %s\n", name, remark)
			continue
		}
		if err != nil {
			status, verdict = http.StatusServiceUnavailable, "failed"
			fmt.Fprintf(&text, "[-]%s: %v\n", name, err)
			continue
		}
		fmt.Fprintf(&text, "[+]%s: ok\n", name)
	}
	fmt.Fprintf(&text, "%s\n", verdict)
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(text.Bytes())
}
