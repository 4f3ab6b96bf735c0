package rounds

import (
	"os/exec"
	"strings"
	"testing"
)

func TestImports(t *testing.T) {
	const own = "github.com/podcullis/podcullis/"
	out, err := exec.CommandContext(t.Context(), "go", "list", "-f", `{{join .Imports "\n"}}`, ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	for dep := range strings.FieldsSeq(string(out)) {
		if strings.HasPrefix(dep, own) && dep != own+"guardrail" && dep != own+"cluster" && dep != own+"policyreport" && dep != own+"internal/span" {
			t.Errorf("rounds must not import %s", dep)
		}
	}
	out, err = exec.CommandContext(t.Context(), "go", "list", "-deps", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	for dep := range strings.FieldsSeq(string(out)) {
		if strings.HasPrefix(dep, "k8s.io/client-go") || strings.HasPrefix(dep, "sigs.k8s.io/controller-runtime") {
			t.Errorf("rounds must not link %s", dep)
		}
	}
}
