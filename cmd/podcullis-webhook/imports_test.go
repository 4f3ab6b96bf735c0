package main

import (
	"os/exec"
	"strings"
	"testing"
)

// The server judges objects and renders none: what charts and kustomizations are
// made with, templates and all, has no place in its memory.
func TestLinks(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", ".", "../../connectivity", "../../cluster/...").Output()
	if err != nil {
		t.Fatal(err)
	}
	for dep := range strings.FieldsSeq(string(out)) {
		for _, banned := range []string{
			"helm.sh", "sigs.k8s.io/kustomize", "github.com/Masterminds/sprig", "github.com/podcullis/podcullis/render", "github.com/podcullis/podcullis/guardrail/regotest", "github.com/podcullis/podcullis/guardrail/regolint",
			"github.com/podcullis/podcullis/report", "github.com/spf13/cobra",
		} {
			if dep == banned || strings.HasPrefix(dep, banned+"/") {
				t.Errorf("podcullis-webhook must not link %s", dep)
			}
		}
	}
}
