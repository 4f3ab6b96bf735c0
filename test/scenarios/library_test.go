package scenarios

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"

	"github.com/podcullis/podcullis/guardrail"
	"github.com/podcullis/podcullis/policies"
)

// TestLibrary has everything of the library, with the configuration that it is shown with,
// judge the changes of its story in library: those that it has to refuse, and those that it
// has to let pass. Each has some of both; test/e2e has the API server ask about the same.
func TestLibrary(t *testing.T) {
	l, err := guardrail.LoadLibrary(guardrail.Source{Name: "embedded", FS: policies.FS})
	if err != nil {
		t.Fatal(err)
	}
	catalog, err := guardrail.Catalog(l, policies.FS)
	if err != nil {
		t.Fatal(err)
	}
	if len(catalog) < 20 {
		t.Errorf("the library has %d entries, want twenty", len(catalog))
	}
	for _, entry := range catalog {
		t.Run(entry.ID, func(t *testing.T) {
			a, err := txtar.ParseFile(filepath.Join("library", entry.ID+".txtar"))
			if err != nil {
				t.Fatal(err)
			}
			config, err := guardrail.ParseConfig(entry.ID, []byte(guardrailsOf(entry)))
			if err != nil {
				t.Fatal(err)
			}
			engine, err := guardrail.New(l, config)
			if err != nil {
				t.Fatal(err)
			}
			told := map[string]int{}
			for i := range a.Files {
				kind, what, found := strings.Cut(a.Files[i].Name, " ")
				if !found {
					continue
				}
				told[kind]++
				s := changeOf(t, a, i, engine)
				got := s.admit(t)
				if refused := !strings.HasSuffix(got, "allowed\n"); refused != (kind == "refused") {
					t.Errorf("%s %s: %s", kind, what, got)
				} else if refused && !slices.ContainsFunc(config.Guardrails, func(in guardrail.Instance) bool { return strings.Contains(got, "["+in.Name+"] ") }) {
					t.Errorf("%s is refused by somebody else: %s", what, got)
				} else if refused && !strings.Contains(got, "\n  to fix: ") && !strings.Contains(got, "\nto fix: ") {
					t.Errorf("%s: nothing says how to fix it: %s", what, got)
				}
				if testing.Verbose() {
					t.Logf("%s %s:\n%s", kind, what, got)
				}
			}
			if told["refused"] == 0 || told["passes"] == 0 {
				t.Errorf("the story has %d changes that are refused and %d that pass, want both", told["refused"], told["passes"])
			}
		})
	}
	files, err := os.ReadDir("library")
	if err != nil {
		t.Fatal(err)
	}
	if len(files) != len(catalog) {
		t.Errorf("there are %d stories, and %d entries in the library", len(files), len(catalog))
	}
}

// guardrailsOf is a configuration with one entry of the library.
func guardrailsOf(e guardrail.Entry) string {
	return "apiVersion: podcullis.io/v1alpha1\nkind: Guardrails\nguardrails:\n" + e.Example
}

// changeOf is the change of one section of a story, to its cluster.
func changeOf(t *testing.T, a *txtar.Archive, section int, engine *guardrail.Engine) *scenario {
	t.Helper()
	s := &scenario{engine: engine, cluster: load(t, a.Files[slices.IndexFunc(a.Files, func(f txtar.File) bool { return f.Name == "cluster.yaml" })].Data)}
	var err error
	if s.snapshot, err = s.cluster.Snapshot(); err != nil {
		t.Fatal(err)
	}
	text := string(a.Files[section].Data)
	if ref, isDelete := strings.CutPrefix(text, "delete: "); isDelete {
		if s.before = s.lookup(strings.TrimSpace(ref)); s.before == nil {
			t.Fatalf("%s: there is no %s", a.Files[section].Name, ref)
		}
		return s
	}
	s.after = &load(t, []byte(text)).Objects[0]
	s.before = s.lookup(s.after.Ref().String())
	return s
}
