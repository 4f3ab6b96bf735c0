package guardrail

import (
	"context"
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/cover"
	"github.com/open-policy-agent/opa/v1/format"
	"github.com/open-policy-agent/opa/v1/rego"
	"github.com/open-policy-agent/opa/v1/tester"

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

// TestRego runs policies/*_test.rego inside the sandbox, and wants every line of
// the guardrails to be seen by one of them.
func TestRego(t *testing.T) {
	modules := map[string]*ast.Module{}
	for file, text := range regoFiles(t) {
		m, err := ast.ParseModuleWithOpts(file, string(text), ast.ParserOptions{Capabilities: Capabilities(), ProcessAnnotation: true, RegoVersion: ast.RegoV1})
		if err != nil {
			t.Fatal(err)
		}
		modules[file] = m
	}
	var custom []*tester.Builtin
	for i, option := range builtinOptions() {
		if builtins[i].name == "netpol.fix" { // no review, no fix: a test that wants one says which
			option = rego.FunctionDyn(&rego.Function{Name: builtins[i].name, Decl: builtins[i].function()},
				func(rego.BuiltinContext, []*ast.Term) (*ast.Term, error) { return nil, nil })
		}
		if builtins[i].name == "netpol.grouped" { // it needs no review
			option = rego.FunctionDyn(&rego.Function{Name: builtins[i].name, Decl: builtins[i].function()},
				func(_ rego.BuiltinContext, args []*ast.Term) (*ast.Term, error) {
					v, err := (&evaluation{world: &world{}}).grouped(args)
					return ast.NewTerm(v), err
				})
		}
		custom = append(custom, &tester.Builtin{Decl: builtins[i].decl(), Func: option})
	}
	coverage := cover.New()
	results, err := tester.NewRunner().
		SetCompiler(ast.NewCompiler().WithCapabilities(Capabilities()).WithSchemas(inputSchema())).
		SetModules(modules).
		AddCustomBuiltins(custom).
		RaiseBuiltinErrors(true).
		SetCoverageQueryTracer(coverage).
		RunTests(context.Background(), nil)
	if err != nil {
		t.Fatal(err)
	}
	tests := 0
	for r := range results {
		tests++
		if !r.Pass() {
			t.Errorf("%s: %s.%s failed: %v", r.Location, r.Package, r.Name, r.Error)
		}
	}
	if tests < 25 {
		t.Errorf("ran %d Rego tests, want more than that", tests)
	}
	for file, r := range coverage.Report(modules).Files {
		if !strings.HasSuffix(file, "_test.rego") && len(r.NotCovered) > 0 {
			t.Errorf("%s: no test reaches the lines %v", file, r.NotCovered)
		}
	}
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
