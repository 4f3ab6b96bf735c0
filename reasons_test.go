package podcullis_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/connectivity"
)

// TestReasonsInDocumentation: docs/semantics.md explains every reason for which
// something is unknown, the path guardrails take each, and there is no other.
func TestReasonsInDocumentation(t *testing.T) {
	var want []string
	for _, u := range connectivity.Uncertainties() {
		want = append(want, string(u))
	}
	if diff := cmp.Diff(declaredReasons(t), want); diff != "" {
		t.Errorf("connectivity.Uncertainties lists others than are declared (-declared +listed):\n%s", diff)
	}
	_, section, _ := strings.Cut(read(t, "docs/semantics.md"), "\n## Unknown\n")
	section, _, _ = strings.Cut(section, "\n## ")
	var told []string
	for _, m := range regexp.MustCompile("(?m)^\\| `([a-z-]+)` \\| [^|]+ \\| [^|]+ \\|$").FindAllStringSubmatch(section, -1) {
		told = append(told, m[1])
	}
	if diff := cmp.Diff(want, told); diff != "" {
		t.Errorf("docs/semantics.md explains others, or not what each means and what settles it (-reasons +told):\n%s", diff)
	}
	for _, file := range []string{"policies/forbidden_paths.rego", "policies/required_paths.rego"} {
		m := regexp.MustCompile(`items: \{enum: \[([a-z, -]+)\]\}`).FindStringSubmatch(read(t, file))
		if m == nil {
			t.Errorf("%s takes no reasons", file)
			continue
		}
		if diff := cmp.Diff(want, strings.Split(m[1], ", ")); diff != "" {
			t.Errorf("%s takes others (-reasons +taken):\n%s", file, diff)
		}
	}
	words := read(t, "policies/lib/paths.rego")
	for _, reason := range want {
		if !strings.Contains(words, `"`+reason+`"`) {
			t.Errorf("policies/lib/paths.rego has no words for %s", reason)
		}
	}
}

// declaredReasons are the constants of type Uncertainty, by value.
func declaredReasons(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("connectivity/*.go")
	if err != nil || len(files) == 0 {
		t.Fatal(err)
	}
	var out []string
	for _, name := range files {
		source, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, source, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			spec, ok := n.(*ast.ValueSpec)
			if !ok {
				return true
			}
			if of, ok := spec.Type.(*ast.Ident); !ok || of.Name != "Uncertainty" || len(spec.Values) != 1 {
				return true
			}
			if value, ok := spec.Values[0].(*ast.BasicLit); ok {
				text, err := strconv.Unquote(value.Value)
				if err != nil {
					t.Fatal(err)
				}
				out = append(out, text)
			}
			return true
		})
	}
	slices.Sort(out)
	return out
}

// foreignKinds is the table of other policy APIs.
func foreignKinds(*testing.T) string {
	var b strings.Builder
	b.WriteString("| group | may open and restrict | may restrict | neither |\n|---|---|---|---|\n")
	var groups []string
	cells := map[string][3][]string{}
	for _, k := range cluster.ForeignKinds() {
		if !slices.Contains(groups, k.Group) {
			groups = append(groups, k.Group)
		}
		i, name := 2, k.Kind
		switch {
		case k.Opens:
			i = 0
		case k.Restricts:
			i = 1
		}
		switch {
		case k.Root == "*":
			name += " (for all namespaces)"
		case k.Root != "":
			name += " (one in " + k.Root + " for all)"
		}
		if len(k.Shipped) > 0 {
			name += " (but " + strings.Join(k.Shipped, ", ") + ")"
		}
		row := cells[k.Group]
		row[i] = append(row[i], name)
		cells[k.Group] = row
	}
	for _, g := range groups {
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", g, strings.Join(cells[g][0], ", "), strings.Join(cells[g][1], ", "), strings.Join(cells[g][2], ", "))
	}
	return b.String()
}
