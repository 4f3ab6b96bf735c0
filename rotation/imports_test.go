package rotation

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
	for dep := range strings.FieldsSeq(string(out)) {
		if dep != "github.com/podcullis/podcullis/rotation" && strings.HasPrefix(dep, "github.com/podcullis/") {
			t.Errorf("rotation must not import %s", dep)
		}
	}
}
