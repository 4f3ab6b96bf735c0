package connectivity_test

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
			"github.com/podcullis/podcullis/guardrail", "github.com/podcullis/podcullis/webhook", "github.com/podcullis/podcullis/cmd",
			"github.com/podcullis/podcullis/cluster/live", "github.com/podcullis/podcullis/cluster/manifest", "testing",
		} {
			if dep == strings.TrimSuffix(banned, "/") || strings.HasPrefix(dep, strings.TrimSuffix(banned, "/")+"/") {
				t.Errorf("the package depends on %s", dep)
			}
		}
	}
	p, err := build.ImportDir(".", 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range p.Imports {
		if slices.Contains([]string{"os", "io", "net", "net/http", "log", "log/slog", "time", "math/rand", "math/rand/v2", "k8s.io/klog/v2", "github.com/go-logr/logr"}, path) ||
			strings.HasPrefix(path, "os/") {
			t.Errorf("our code imports %s: no I/O, no logging, no time, no chance", path)
		}
		if strings.HasPrefix(path, "k8s.io/") {
			t.Errorf("our code imports %s: only package cluster reads the Kubernetes API", path)
		}
	}
}
