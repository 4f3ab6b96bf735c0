package claims

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
		if ours, isOurs := strings.CutPrefix(dep, module); isOurs && ours != "cluster" && ours != "cluster/selector" && ours != "claims" {
			t.Errorf("claims must not import %s", dep)
		}
		if strings.HasPrefix(dep, "github.com/open-policy-agent/opa") {
			t.Errorf("claims must not import %s", dep)
		}
	}
}
