package render_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/podcullis/podcullis/render"
)

// What is there after helm install, by the annotations of a hook.
func TestHooks(t *testing.T) {
	for name, tt := range map[string]struct {
		hook, policy string
		stays        bool
	}{
		"BeforeInstallAndKept":    {"pre-install", "", true},
		"AfterInstallAndKept":     {"post-install, post-upgrade", "before-hook-creation", true},
		"GoneWhenItFails":         {"post-install", "hook-failed", true},
		"GoneWhenItSucceeds":      {"pre-install,pre-upgrade", "before-hook-creation, Hook-Succeeded", false},
		"ATest":                   {"test", "", false},
		"ATestOfHelm2":            {"test-success", "", false},
		"BeforeDeletion":          {"pre-delete", "", false},
		"AfterRollback":           {"post-rollback", "", false},
		"OnUpgradeOnly":           {"Pre-Upgrade,post-upgrade", "", false},
		"ATestThatIsInstalledToo": {"test,post-install", "", true},
		"HelmKnowsNoSuchEvent":    {"post-install,crd-install", "", false},
	} {
		t.Run(name, func(t *testing.T) {
			dir := unpack(t, fmt.Sprintf(`
-- Chart.yaml --
{apiVersion: v2, name: a, version: 1.0.0}
-- templates/a.yaml --
kind: A
metadata: {name: a}
---
kind: Job
metadata: {name: hook, annotations: {helm.sh/hook: %q, helm.sh/hook-delete-policy: %q}}
`, tt.hook, tt.policy))
			for _, all := range []bool{false, true} {
				texts, err := render.Chart{Path: dir, Hooks: all}.Render(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				there := strings.Contains(string(texts[len(texts)-1].Data), "kind: Job")
				if there != (tt.stays || all) {
					t.Errorf("Hooks %v: hook there: %v", all, there)
				}
				note := "1 hook is left out, not being there any more after helm install: Job hook; --hooks takes all in"
				if there {
					note = ""
				}
				if got := texts[len(texts)-1].Note; got != note {
					t.Errorf("Hooks %v: note %q, want %q", all, got, note)
				}
			}
		})
	}
}

// Helm begins a document wherever a line begins with three dashes, whatever
// follows; lines count in what the template renders to.
func TestSeparators(t *testing.T) {
	dir := unpack(t, `
-- Chart.yaml --
{apiVersion: v2, name: a, version: 1.0.0}
-- templates/a.yaml --
kind: A
---
{{- if true -}}
# trimmed
kind: B
{{- end }}
---
{{- if true -}}
kind: C
{{- end }}
---  
--- {kind: D}
---
`)
	texts, err := render.Chart{Path: dir}.Render(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, x := range texts {
		got = append(got, fmt.Sprintf("%d: %s", x.Line, strings.Join(strings.Fields(string(x.Data)), " ")))
	}
	if diff := cmp.Diff([]string{"0: kind: A", "1: # trimmed kind: B", "3: kind: C", "5: {kind: D}"}, got); diff != "" {
		t.Errorf("documents (-want +got):\n%s", diff)
	}
}
