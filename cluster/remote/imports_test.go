package remote_test

import (
	"os/exec"
	"strings"
	"testing"
)

// The command line reads a cluster; it does not follow one.
func TestImports(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	for dep := range strings.FieldsSeq(string(out)) {
		for _, banned := range []string{
			"sigs.k8s.io/controller-runtime", "k8s.io/client-go/informers", "github.com/open-policy-agent", "github.com/prometheus", "helm.sh",
			"github.com/podcullis/podcullis/cluster/live", "github.com/podcullis/podcullis/guardrail",
		} {
			if dep == banned || strings.HasPrefix(dep, banned+"/") {
				t.Errorf("remote must not link %s", dep)
			}
		}
	}
}
