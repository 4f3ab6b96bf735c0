package gatekeeper

import (
	"encoding/json"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/podcullis/podcullis/guardrail"
)

// module is the folder of a module in the cache, which go test has filled.
func module(t *testing.T, path string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", path).Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

// command is `podcullis`, built once.
func command(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "podcullis")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", file, "./cmd/podcullis")
	build.Dir = filepath.Join("..", "..")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return file
}

// The suite with which Gatekeeper tests gator: all but what is expanded passes, and that is
// said to be what it is.
func TestGatorsOwnSuite(t *testing.T) {
	suite := filepath.Join(module(t, "github.com/open-policy-agent/gatekeeper/v3"), "test", "gator", "verify", "suite.yaml")
	out, err := exec.CommandContext(t.Context(), command(t), "test", suite, "-o", "json").Output()
	if exit := new(exec.ExitError); err != nil && !asExit(err, &exit) {
		t.Fatal(err)
	}
	var report struct {
		Items []struct{ Name, Outcome, Error string }
	}
	if err := json.Unmarshal(out, &report); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	passed := 0
	for _, x := range report.Items {
		switch {
		case x.Outcome == "pass":
			passed++
		case !strings.HasPrefix(x.Error, "expansion: "):
			t.Errorf("%s: %s: %s", x.Name, x.Outcome, x.Error)
		}
	}
	if passed < 6 {
		t.Errorf("%d cases pass, want at least 6", passed)
	}
}

func asExit(err error, into **exec.ExitError) bool {
	exit, ok := err.(*exec.ExitError)
	*into = exit
	return ok
}

// refused are the templates of Gatekeeper's demonstrations and tests that are not taken, and
// what has to be said of each.
var refused = map[string]string{
	"external_data":  "external_data is not in the sandbox",
	"K8sNativeValid": "which is not evaluated here",
	"misnamed":       "in small letters",                // which Gatekeeper refuses, too: it demonstrates that
	"the whole":      "what is read of it must be seen", // it prints all of data.inventory
}

// Each template that Gatekeeper itself demonstrates with compiles here, or says why not.
func TestGatekeepersTemplatesCompile(t *testing.T) {
	root := module(t, "github.com/open-policy-agent/gatekeeper/v3")
	compiled := 0
	for _, folder := range []string{"demo", "example"} {
		err := filepath.WalkDir(filepath.Join(root, folder), func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || filepath.Ext(path) != ".yaml" {
				return err
			}
			text, err := os.ReadFile(path)
			if err != nil || !strings.Contains(string(text), "kind: ConstraintTemplate") {
				return err
			}
			_, err = guardrail.LoadLibrary(guardrail.Source{Name: "x", FS: fstest.MapFS{"t.yaml": {Data: text}}})
			if err == nil {
				compiled++
				return nil
			}
			for _, why := range refused {
				if strings.Contains(err.Error(), why) {
					return nil
				}
			}
			t.Errorf("%s: %v", strings.TrimPrefix(path, root), err)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if compiled < 10 {
		t.Errorf("%d templates compile, want ten at least", compiled)
	}
}
