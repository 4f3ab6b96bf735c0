package guardrail

import (
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/format"

	"github.com/podcullis/podcullis/guardrail/sandbox"
)

var update = flag.Bool("update", false, "rewrite the goldens, docs/capabilities.json among them")

const policiesDir = "../policies"

func regoFiles(t *testing.T) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	err := filepath.WalkDir(policiesDir, func(p string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(p, ".rego") {
			return err
		}
		files[p], err = os.ReadFile(p)
		return err
	})
	if err != nil || len(files) == 0 {
		t.Fatalf("no Rego files in %s: %v", policiesDir, err)
	}
	return files
}

func TestRegoIsFormatted(t *testing.T) {
	for file, text := range regoFiles(t) {
		want, err := format.SourceWithOpts(file, text, format.Opts{RegoVersion: ast.RegoV1, ParserOptions: &ast.ParserOptions{Capabilities: Capabilities(), RegoVersion: ast.RegoV1}})
		if err != nil {
			t.Fatal(err)
		}
		if *update {
			if err := os.WriteFile(file, want, 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if diff := cmp.Diff(string(want), string(text)); diff != "" {
			t.Errorf("%s is not as opa fmt writes it (-want +got):\n%s", file, diff)
		}
	}
}

// TestCapabilitiesFile keeps the file that opa check --capabilities and editors read.
func TestCapabilitiesFile(t *testing.T) {
	text, err := CapabilitiesJSON()
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "../docs/capabilities.json", string(text)+"\n")
	c, err := ast.LoadCapabilitiesFile("../docs/capabilities.json")
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range c.Builtins {
		if !sandbox.Allowed(b.Name) && !strings.HasPrefix(b.Name, "netpol.") && !strings.HasPrefix(b.Name, "cluster.") {
			t.Errorf("%s is in the file, but not allowed", b.Name)
		}
	}
	if c.AllowNet == nil {
		t.Error("allow_net is missing, which means every host")
	}
}

func golden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", file, diff)
	}
}
