package picture_test

import (
	"os/exec"
	"slices"
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
		if strings.HasPrefix(dep, own) && !slices.Contains([]string{"report", "cluster", "cluster/selector", "connectivity"}, strings.TrimPrefix(dep, own)) {
			t.Errorf("picture must not import %s", dep)
		}
		if slices.Contains([]string{"os", "net/http", "net", "log", "log/slog"}, dep) {
			t.Errorf("picture does no I/O and writes no log; it imports %s", dep)
		}
	}
}
