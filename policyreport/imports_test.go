package policyreport_test

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
		if strings.HasPrefix(dep, own) && dep != own+"guardrail" && dep != own+"cluster" {
			t.Errorf("policyreport must not import %s", dep)
		}
		if strings.HasPrefix(dep, "k8s.io/client-go") || strings.HasPrefix(dep, "github.com/open-policy-agent/opa") {
			t.Errorf("policyreport must not import %s", dep)
		}
	}
}
