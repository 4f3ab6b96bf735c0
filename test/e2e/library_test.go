package e2e

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	"sigs.k8s.io/yaml"

	"github.com/podcullis/podcullis/guardrail"
	"github.com/podcullis/podcullis/policies"
)

// Everything of the library is in force at once, each for the namespaces of its story in
// test/scenarios/library, and the API server asks about the changes of all stories: what
// they say is refused is refused, by that guardrail, and the rest passes.
func TestLibraryOnTheAPIServer(t *testing.T) {
	c := start(t)
	l, err := guardrail.LoadLibrary(guardrail.Source{Name: guardrail.Embedded, FS: policies.FS})
	if err != nil {
		t.Fatal(err)
	}
	catalog, err := guardrail.Catalog(l, policies.FS)
	if err != nil {
		t.Fatal(err)
	}
	var entries []any
	stories := map[string]*txtar.Archive{}
	made := map[string]bool{} // namespaces
	for _, e := range catalog {
		a, err := txtar.ParseFile(repository(t, "test", "scenarios", "library", e.ID+".txtar"))
		if err != nil {
			t.Fatal(err)
		}
		stories[e.ID] = a
		own := namespacesOf(a)
		for _, ns := range own {
			made[ns] = true
		}
		entries = append(entries, within(t, e, own)...)
	}
	c.kubectl(t, entriesRole, "apply", "-f", "-")
	t.Cleanup(func() {
		c.kubectlAnyway("delete", "deployment", "coredns", "-n", "kube-system", "--ignore-not-found")
		for ns := range made {
			if ns != "kube-system" {
				c.kubectlAnyway("delete", "namespace", ns, "--ignore-not-found", "--wait=false")
			}
		}
	})
	var before strings.Builder
	for _, id := range slices.Sorted(maps.Keys(stories)) {
		before.WriteString("---\n" + string(section(stories[id], "cluster.yaml")))
	}
	c.applied(t, before.String())

	config, err := yaml.Marshal(map[string]any{"apiVersion": guardrail.ConfigAPIVersion, "kind": guardrail.ConfigKind, "guardrails": entries})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "guardrails.yaml")
	write(t, file, config)
	every := func(group, version string, resources ...string) admissionregistrationv1.RuleWithOperations {
		return admissionregistrationv1.RuleWithOperations{
			Operations: []admissionregistrationv1.OperationType{"CREATE", "UPDATE", "DELETE"},
			Rule:       admissionregistrationv1.Rule{APIGroups: []string{group}, APIVersions: []string{version}, Resources: resources, Scope: ptr(admissionregistrationv1.AllScopes)},
		}
	}
	c.gate(t, gateOptions{args: []string{"--config", file}, rules: []admissionregistrationv1.RuleWithOperations{
		every("", "v1", "services"), every("networking.k8s.io", "v1", "ingresses"),
	}})

	for _, e := range catalog {
		t.Run(e.ID, func(t *testing.T) {
			names, err := e.Names()
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range stories[e.ID].Files {
				kind, what, isStep := strings.Cut(f.Name, " ")
				if !isStep {
					continue
				}
				out, stderr, err := c.tried(t, string(f.Data))
				switch {
				case kind == "passes" && err != nil:
					t.Errorf("%s is refused: %s", what, stderr)
				case kind == "refused" && err == nil:
					t.Errorf("%s passes: %s", what, out)
				case kind == "refused" && !slices.ContainsFunc(slices.Collect(maps.Keys(names)), func(n string) bool { return strings.Contains(stderr, "["+n+"] ") }):
					t.Errorf("%s is refused by somebody else: %s", what, stderr)
				}
			}
		})
	}
}

// within are the entries of an example, for the objects of some namespaces only.
func within(t *testing.T, e guardrail.Entry, namespaces []string) []any {
	t.Helper()
	var entries []map[string]any
	if err := yaml.Unmarshal([]byte(e.Example), &entries); err != nil {
		t.Fatal(err)
	}
	var out []any
	for _, entry := range entries {
		match, ok := entry["match"].(map[string]any)
		if !ok {
			match = map[string]any{}
		}
		match["namespaces"] = namespaces
		entry["match"] = match
		out = append(out, entry)
	}
	return out
}

// namespacesOf are those that a story has, and makes.
func namespacesOf(a *txtar.Archive) []string {
	found := map[string]bool{}
	for _, f := range a.Files {
		for doc := range bytes.SplitSeq(f.Data, []byte("\n---\n")) {
			var o struct {
				Kind     string
				Metadata struct{ Name, Namespace string }
			}
			if err := yaml.Unmarshal(doc, &o); err != nil {
				continue // it is a deletion
			}
			if o.Kind == "Namespace" {
				found[o.Metadata.Name] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(found))
}

func section(a *txtar.Archive, name string) []byte {
	for _, f := range a.Files {
		if f.Name == name {
			return f.Data
		}
	}
	return nil
}

// applied applies manifests, namespaces first, until the API server takes them all: pods wait
// for the service account of their namespace.
func (c cluster) applied(t *testing.T, manifests string) {
	t.Helper()
	var namespaces, others strings.Builder
	for doc := range strings.SplitSeq(manifests, "---\n") {
		to := &others
		if strings.Contains(doc, "kind: Namespace,") {
			to = &namespaces
		}
		to.WriteString("---\n" + doc)
	}
	c.kubectl(t, namespaces.String(), "apply", "-f", "-")
	await(t, "the clusters of the stories", func(ctx context.Context) error {
		_, _, err := c.Kubectl(ctx, others.String(), "apply", "-f", "-")
		return err
	})
}

// tried has the API server say what it would do about one change.
func (c cluster) tried(t *testing.T, change string) (stdout, stderr string, err error) {
	t.Helper()
	ref, isDelete := strings.CutPrefix(change, "delete: ")
	if !isDelete {
		return c.Kubectl(t.Context(), change, "apply", "--dry-run=server", "-f", "-")
	}
	parts := strings.Split(strings.TrimSpace(ref), "/")
	if len(parts) != 3 {
		return "", "", fmt.Errorf("delete: %q is not NAMESPACE/KIND/NAME", ref)
	}
	return c.Kubectl(t.Context(), "", "delete", parts[1], parts[2], "-n", parts[0], "--dry-run=server")
}
