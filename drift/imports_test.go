package drift

import (
	"os/exec"
	"strings"
	"testing"
)

func TestImports(t *testing.T) {
	const own = "github.com/podcullis/podcullis/drift"
	for dir, allowed := range map[string]func(dep string) bool{
		".":          func(dep string) bool { return dep == own || !strings.HasPrefix(dep, "github.com/podcullis/") },
		"../webhook": func(dep string) bool { return dep != own },
	} {
		out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", dir).Output()
		if err != nil {
			t.Fatal(err)
		}
		for dep := range strings.FieldsSeq(string(out)) {
			if !allowed(dep) {
				t.Errorf("%s must not import %s", dir, dep)
			}
		}
	}
}
