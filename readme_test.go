package podcullis_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	admissionv1 "k8s.io/api/admission/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/yaml"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/cluster/manifest"
	"github.com/podcullis/podcullis/connectivity"
	"github.com/podcullis/podcullis/guardrail"
	"github.com/podcullis/podcullis/policies"
	"github.com/podcullis/podcullis/remedy"
	"github.com/podcullis/podcullis/report"
)

var update = flag.Bool("update", false, "rewrite the generated parts of the documentation")

// TestDenialOfREADME judges the change that README.md shows, by the example's own
// guardrails, and compares the answer with the one that README.md shows.
func TestDenialOfREADME(t *testing.T) {
	readme := read(t, "README.md")
	raw, err := yaml.YAMLToJSON([]byte(block(t, readme, "change", "yaml")))
	if err != nil {
		t.Fatal(err)
	}
	var netpol networkingv1.NetworkPolicy
	if err := json.Unmarshal(raw, &netpol); err != nil {
		t.Fatal(err)
	}
	object, err := cluster.FromAPI(&netpol)
	if err != nil {
		t.Fatal(err)
	}
	set, err := manifest.Load([]string{"examples/shop"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	before, err := set.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	change := cluster.Change{After: object}
	after, err := before.Apply(change)
	if err != nil {
		t.Fatal(err)
	}
	judge := engine(t, "examples/shop-guardrails.yaml")
	review := guardrail.Review{
		Request: &admissionv1.AdmissionRequest{
			UID: "1", Operation: admissionv1.Create, Namespace: netpol.Namespace, Name: netpol.Name,
			Kind:   metav1.GroupVersionKind{Group: "networking.k8s.io", Version: "v1", Kind: "NetworkPolicy"},
			Object: runtime.RawExtension{Raw: raw},
		},
		Change: change, Before: before, After: after, Origin: guardrail.Admission, Time: time.Now(),
	}
	decision, err := judge.Evaluate(t.Context(), review)
	if err != nil {
		t.Fatal(err)
	}
	decision.Advice = remedy.Advise(t.Context(), judge, review, decision)
	if diff := cmp.Diff(decision.DenialMessage(), strings.TrimSpace(block(t, readme, "denial", "text"))); diff != "" {
		t.Errorf("README.md shows another denial (-real +shown):\n%s", diff)
	}
}

// TestDiffOfREADME compares the two shops, and the table with the one that README.md shows.
func TestDiffOfREADME(t *testing.T) {
	readme := read(t, "README.md")
	arguments := strings.Fields(block(t, readme, "diff command", "sh"))
	if len(arguments) != 6 || arguments[2] != "-f" || arguments[4] != "-f" {
		t.Fatalf("README.md shows %q, want podcullis diff -f OLD -f NEW", arguments)
	}
	var versions [2]*cluster.Snapshot
	for i, dir := range []string{arguments[3], arguments[5]} {
		set, err := manifest.Load([]string{dir}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if versions[i], err = set.Snapshot(); err != nil {
			t.Fatal(err)
		}
	}
	var table bytes.Buffer
	if err := report.DiffText(&table, connectivity.WithCauses(connectivity.Diff(versions[0], versions[1], connectivity.Options{}), versions[0], versions[1], connectivity.Options{}), report.Style{}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(table.String(), block(t, readme, "diff", "text")); diff != "" {
		t.Errorf("README.md shows another difference (-real +shown):\n%s", diff)
	}
}

// TestConfigurationsInDocumentation loads every configuration that the documentation shows.
func TestConfigurationsInDocumentation(t *testing.T) {
	found := 0
	for _, file := range documents(t) {
		for _, text := range fences(read(t, file), "yaml") {
			if !strings.Contains(text, "kind: Guardrails") || strings.Contains(text, "guardrail: team-label\n") { // the tutorial's own, which is followed
				continue
			}
			found++
			config, err := guardrail.ParseConfig(file, []byte(text))
			if err != nil {
				t.Errorf("%s: %v\n%s", file, err, text)
				continue
			}
			if _, err := guardrail.New(library(t), config); err != nil {
				t.Errorf("%s: %v\n%s", file, err, text)
			}
		}
	}
	if found < 2 {
		t.Errorf("found %d configurations, want those of README.md and docs/configuration.md", found)
	}
}

// TestGuardrailsInDocumentation compiles every guardrail that the documentation shows.
func TestGuardrailsInDocumentation(t *testing.T) {
	found := 0
	for _, file := range documents(t) {
		for i, text := range fences(read(t, file), "rego") {
			if !strings.Contains(text, "\npackage guardrails.") {
				continue
			}
			found++
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, "example.rego"), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := guardrail.LoadLibrary(
				guardrail.Source{Name: "embedded", FS: policies.FS},
				guardrail.Source{Name: fmt.Sprintf("%s#%d", file, i), FS: os.DirFS(dir)},
			); err != nil {
				t.Error(err)
			}
		}
	}
	if found == 0 {
		t.Error("docs/guardrails.md shows no guardrail")
	}
}

// TestBuiltinsInDocumentation finds each of our builtins in docs/guardrails.md, and no other.
func TestBuiltinsInDocumentation(t *testing.T) {
	text := read(t, "docs/guardrails.md")
	ours := map[string]bool{}
	for _, b := range guardrail.Capabilities().Builtins {
		if strings.HasPrefix(b.Name, "netpol.") || strings.HasPrefix(b.Name, "cluster.") {
			ours[b.Name] = true
			if !strings.Contains(text, "`"+b.Name+"(") {
				t.Errorf("docs/guardrails.md does not describe %s", b.Name)
			}
		}
	}
	for _, m := range regexp.MustCompile("`((?:netpol|cluster)\\.[a-z]+)\\(").FindAllStringSubmatch(text, -1) {
		if !ours[m[1]] {
			t.Errorf("docs/guardrails.md describes %s, which there is not", m[1])
		}
	}
}

// TestGeneratedParts compares the generated parts of the documentation with what
// they are generated from.
func TestGeneratedParts(t *testing.T) {
	for _, part := range []struct {
		file, name string
		generate   func(*testing.T) string
	}{
		{"charts/podcullis/README.md", "values", chartValues},
		{"docs/webhook.md", "flags", webhookFlags},
		{"docs/library.md", "library", shippedLibrary},
		{"docs/semantics.md", "lifecycles", lifecycles},
		{"docs/semantics.md", "foreign", foreignKinds},
	} {
		t.Run(part.file, func(t *testing.T) {
			text := read(t, part.file)
			begin, end := "<!-- generated: "+part.name+" (make docs) -->\n", "<!-- end -->"
			at := strings.Index(text, begin)
			if at < 0 {
				t.Fatalf("%s has no part %q", part.file, begin)
			}
			at += len(begin)
			length := strings.Index(text[at:], end)
			if length < 0 {
				t.Fatalf("%s: part %s has no end", part.file, part.name)
			}
			want := part.generate(t)
			if *update {
				if err := os.WriteFile(part.file, []byte(text[:at]+want+text[at+length:]), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(want, text[at:at+length]); diff != "" {
				t.Errorf("out of date; run make docs (-want +got):\n%s", diff)
			}
		})
	}
}

func webhookFlags(t *testing.T) string {
	var help bytes.Buffer
	c := exec.CommandContext(t.Context(), "go", "run", "./cmd/podcullis-webhook", "--help")
	c.Stderr = &help
	if err := c.Run(); err != nil {
		t.Fatalf("%v\n%s", err, help.String())
	}
	_, flags, found := strings.Cut(help.String(), "Flags:\n")
	if !found {
		t.Fatalf("no flags in\n%s", help.String())
	}
	return "```\n" + flags + "```\n"
}

// shippedLibrary is what the command line says of the library.
func shippedLibrary(t *testing.T) string {
	var out strings.Builder
	for i, args := range [][]string{{"list", "-o", "markdown"}, {"show", "-o", "markdown"}} {
		text, err := exec.CommandContext(t.Context(), "go", append([]string{"run", "./cmd/podcullis", "guardrails"}, args...)...).Output()
		if err != nil {
			t.Fatal(err)
		}
		if i > 0 {
			out.WriteString("\n")
		}
		out.Write(text)
	}
	return out.String()
}

// TestWhereIsWhat finds every path and every Go symbol of README.md's table, and every
// path of ARCHITECTURE.md's map.
func TestWhereIsWhat(t *testing.T) {
	_, section, found := strings.Cut(read(t, "README.md"), "## Where is what\n")
	if !found {
		t.Fatal("README.md has no section Where is what")
	}
	section, _, _ = strings.Cut(section, "\n## ")
	rows := 0
	for line := range strings.Lines(section) {
		if !strings.HasPrefix(line, "| `") {
			continue
		}
		rows++
		cells := strings.Split(line, "|")
		dir := strings.Trim(strings.TrimSpace(cells[1]), "`")
		if _, err := os.Stat(dir); err != nil {
			t.Errorf("%s is not there: %v", dir, err)
			continue
		}
		for _, m := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(strings.Join(cells[2:], "|"), -1) {
			name := m[1]
			switch {
			case strings.ContainsAny(name, "/") || strings.HasSuffix(name, ".go") || strings.HasSuffix(name, ".yaml"):
				if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
					t.Errorf("row %s names %s: %v", dir, name, err)
				}
			case regexp.MustCompile(`^[A-Z]\w*(\.\w+)?$`).MatchString(name):
				if !declares(t, dir, name) {
					t.Errorf("row %s names %s, which no Go file there declares", dir, name)
				}
			}
		}
	}
	if rows != 5 {
		t.Errorf("the table has %d rows, want five: the others are in ARCHITECTURE.md", rows)
	}
	_, section, _ = strings.Cut(read(t, "ARCHITECTURE.md"), "## Code map\n")
	section, _, _ = strings.Cut(section, "\n## ")
	for line := range strings.Lines(section) {
		if !strings.HasPrefix(line, "| `") {
			continue
		}
		rows++
		for _, m := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(strings.Split(line, "|")[1], -1) {
			if _, err := os.Stat(m[1]); err != nil {
				t.Errorf("ARCHITECTURE.md's map has %s, which is not there: %v", m[1], err)
			}
		}
	}
	if rows < 20 {
		t.Errorf("both tables have %d rows; has their form changed?", rows)
	}
}

// TestLinksOfDocumentation finds the target of every relative link.
func TestLinksOfDocumentation(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)#:]+)(?:#[^)]*)?\)`)
	for _, file := range documents(t) {
		for _, m := range link.FindAllStringSubmatch(read(t, file), -1) {
			if _, err := os.Stat(filepath.Join(filepath.Dir(file), m[1])); err != nil {
				t.Errorf("%s links to %s: %v", file, m[1], err)
			}
		}
	}
}

func TestArchitectureIsShort(t *testing.T) {
	if n := strings.Count(read(t, "ARCHITECTURE.md"), "\n"); n >= 150 {
		t.Errorf("ARCHITECTURE.md has %d lines, want under 150", n)
	}
}

// declares tells whether a package declares Name, or Type.Method.
func declares(t *testing.T, dir, name string) bool {
	owner, method, isMethod := strings.Cut(name, ".")
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range f.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				if isMethod && d.Name.Name == method && d.Recv != nil && receiver(d) == owner {
					return true
				}
				if !isMethod && d.Name.Name == name && d.Recv == nil {
					return true
				}
			case *ast.GenDecl:
				for _, s := range d.Specs {
					if s, ok := s.(*ast.TypeSpec); ok && !isMethod && s.Name.Name == name {
						return true
					}
				}
			}
		}
	}
	return false
}

func receiver(d *ast.FuncDecl) string {
	of := d.Recv.List[0].Type
	if star, ok := of.(*ast.StarExpr); ok {
		of = star.X
	}
	if name, ok := of.(*ast.Ident); ok {
		return name.Name
	}
	return ""
}

func library(t *testing.T) *guardrail.Library {
	t.Helper()
	l, err := guardrail.LoadLibrary(guardrail.Source{Name: "embedded", FS: policies.FS})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func engine(t *testing.T, file string) *guardrail.Engine {
	t.Helper()
	config, err := guardrail.ParseConfig(file, []byte(read(t, file)))
	if err != nil {
		t.Fatal(err)
	}
	e, err := guardrail.New(library(t), config)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// documents are the Markdown files of the repository's root and docs/.
func documents(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("*.md")
	if err != nil {
		t.Fatal(err)
	}
	err = filepath.WalkDir("docs", func(path string, _ fs.DirEntry, err error) error {
		if strings.HasSuffix(path, ".md") {
			files = append(files, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func read(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// block is the fenced code that follows the comment <!-- test: name -->.
func block(t *testing.T, text, name, language string) string {
	t.Helper()
	_, rest, found := strings.Cut(text, "<!-- test: "+name+" -->")
	if list := fences(rest, language); found && len(list) > 0 {
		return list[0]
	}
	t.Fatalf("no %s block %q", language, name)
	return ""
}

// fences are the contents of all fenced code of one language.
func fences(text, language string) []string {
	var out []string
	for {
		_, rest, found := strings.Cut(text, "\n```"+language+"\n")
		if !found {
			return out
		}
		code, after, _ := strings.Cut(rest, "\n```")
		out, text = append(out, code+"\n"), after
	}
}

// TestPictureInDocumentation draws the shop as docs/pictures.md shows it.
func TestPictureInDocumentation(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "go", "run", "./cmd/podcullis", "graph", "-f", "examples/shop", "--config", "examples/shop-guardrails.yaml").Output()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(out), block(t, read(t, "docs/pictures.md"), "mermaid", "mermaid")); diff != "" {
		t.Errorf("docs/pictures.md shows another picture (-real +shown):\n%s", diff)
	}
}
