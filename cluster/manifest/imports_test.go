package manifest_test

import (
	"os/exec"
	"strings"
	"testing"
)

// The CLI reads files without a cluster: nothing below this package may be able
// to talk to one.
func TestImports(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	for dep := range strings.FieldsSeq(string(out)) {
		for _, banned := range []string{
			"k8s.io/client-go", "sigs.k8s.io/controller-runtime", "github.com/open-policy-agent/opa",
			"github.com/prometheus",
		} {
			if dep == banned || strings.HasPrefix(dep, banned+"/") {
				t.Errorf("manifest must not import %s", dep)
			}
		}
	}
}
