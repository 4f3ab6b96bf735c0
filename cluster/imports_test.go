package cluster_test

import (
	"go/build"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// TestImports holds what doc.go and the design say this package is free of. It
// lives here, so that go test runs it again whenever a dependency changes.
func TestImports(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, dep := range strings.Fields(string(out)) {
		for _, banned := range []string{
			"k8s.io/client-go", "sigs.k8s.io/controller-runtime", "github.com/open-policy-agent/", "github.com/prometheus/",
			"testing",
		} {
			if dep == strings.TrimSuffix(banned, "/") || strings.HasPrefix(dep, strings.TrimSuffix(banned, "/")+"/") {
				t.Errorf("the package depends on %s", dep)
			}
		}
		if ours := "github.com/podcullis/podcullis/"; strings.HasPrefix(dep, ours) && dep != ours+"cluster" && dep != ours+"cluster/selector" {
			t.Errorf("the package depends on %s: it is below all others", dep)
		}
	}
	p, err := build.ImportDir(".", 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range p.Imports {
		if slices.Contains([]string{"os", "io", "net", "net/http", "log", "log/slog", "math/rand", "math/rand/v2", "k8s.io/klog/v2", "github.com/go-logr/logr"}, path) ||
			strings.HasPrefix(path, "os/") {
			t.Errorf("our code imports %s: no I/O, no logging, no chance", path)
		}
		if strings.HasPrefix(path, "k8s.io/") && !strings.HasPrefix(path, "k8s.io/api/") && !strings.HasPrefix(path, "k8s.io/apimachinery/") {
			t.Errorf("our code imports %s: the model needs types, and no client", path)
		}
	}
}
