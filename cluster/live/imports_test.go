package live

import (
	"os/exec"
	"strings"
	"testing"
)

func TestImports(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	const module = "github.com/podcullis/podcullis/"
	for dep := range strings.FieldsSeq(string(out)) {
		ours, isOurs := strings.CutPrefix(dep, module)
		if isOurs && ours != "cluster" && ours != "cluster/selector" && ours != "cluster/live" {
			t.Errorf("live must not import %s", dep)
		}
		if strings.HasPrefix(dep, "github.com/open-policy-agent/opa") {
			t.Errorf("live must not import %s", dep)
		}
	}
}
