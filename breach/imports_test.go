package breach_test

import (
	"os/exec"
	"strings"
	"testing"
)

func TestImports(t *testing.T) {
	const own = "github.com/podcullis/podcullis/"
	list := func(args ...string) []string {
		out, err := exec.CommandContext(t.Context(), "go", append([]string{"list"}, args...)...).Output()
		if err != nil {
			t.Fatal(err)
		}
		return strings.Fields(string(out))
	}
	for _, dep := range list("-f", `{{join .Imports "\n"}}`, ".") {
		if strings.HasPrefix(dep, own) && dep != own+"guardrail" && dep != own+"cluster" {
			t.Errorf("breach must not import %s", dep)
		}
		if strings.HasPrefix(dep, "github.com/open-policy-agent/opa") {
			t.Errorf("only guardrail imports OPA, breach imports %s", dep)
		}
	}
	for _, dep := range list("-deps", ".") {
		if strings.HasPrefix(dep, "k8s.io/client-go") || strings.HasPrefix(dep, "sigs.k8s.io/controller-runtime") || dep == own+"webhook" {
			t.Errorf("breach must not link %s", dep)
		}
	}
}
