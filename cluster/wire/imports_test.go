package wire_test

import (
	"os/exec"
	"strings"
	"testing"
)

// The package is beside the model and below whoever reads for it.
func TestImports(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, dep := range strings.Fields(string(out)) {
		for _, banned := range []string{"k8s.io/client-go", "sigs.k8s.io/controller-runtime", "github.com/open-policy-agent", "github.com/prometheus"} {
			if dep == banned || strings.HasPrefix(dep, banned+"/") {
				t.Errorf("the package depends on %s", dep)
			}
		}
		if strings.HasPrefix(dep, "github.com/podcullis/podcullis/") && !strings.HasSuffix(dep, "/cluster/wire") {
			t.Errorf("the package depends on %s: it imports nothing of ours", dep)
		}
	}
}
