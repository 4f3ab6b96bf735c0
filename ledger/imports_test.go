package ledger_test

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// TestImports holds what doc.go says. It lives here, so that go test runs it again
// whenever a dependency changes.
func TestImports(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "go", "list", "-f", `{{join .Imports "\n"}}`, ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range strings.Fields(string(out)) {
		switch first, _, _ := strings.Cut(path, "/"); {
		case path == "github.com/podcullis/podcullis/cluster", path == "k8s.io/apimachinery/pkg/types":
		case strings.Contains(first, "."):
			t.Errorf("the package imports %s: want the standard library, cluster and types of apimachinery", path)
		case slices.Contains([]string{"os", "net", "net/http", "log", "log/slog"}, path):
			t.Errorf("the package imports %s: no I/O, no log", path)
		}
	}
	deps, err := exec.CommandContext(t.Context(), "go", "list", "-deps", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, banned := range []string{"k8s.io/client-go", "sigs.k8s.io/controller-runtime", "github.com/open-policy-agent/"} {
		if strings.Contains(string(deps), banned) {
			t.Errorf("the package depends on %s", banned)
		}
	}
}
