package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/podcullis/podcullis/cluster/manifest"
	"github.com/podcullis/podcullis/render"
	"github.com/podcullis/podcullis/test/controlplane"
)

// What kubectl and helm make of a manifest is what the command line makes of it.
func TestTaken(t *testing.T) {
	plane := controlplane.Start(t, controlplane.Options{})
	pod := func(name string) string {
		return "apiVersion: v1\nkind: Pod\nmetadata: {name: " + name + "}\nspec: {containers: [{name: c, image: c}]}\n"
	}
	netpol := func(spec string) string {
		return "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: np}\n" + spec
	}
	for name, tt := range map[string]struct {
		text string
		// refused: by both. ours: kubectl refuses it, and it is read all the same.
		refused, ours bool
	}{
		"ACommentAfterTheDashes":    {text: "---\n" + pod("a") + "---#b\n" + pod("b") + "---# the end\n"},
		"ACommentAfterTheFirst":     {text: "---# a\n" + pod("a"), ours: true}, // Helm takes it
		"AValueAfterTheDashes":      {text: pod("a") + "---kind: Pod\n", refused: true},
		"FourDashes":                {text: pod("a") + "----\n" + pod("b"), refused: true},
		"ADocumentAfterTheDashes":   {text: pod("a") + "--- {apiVersion: v1, kind: Pod, metadata: {name: b}, spec: {containers: [{name: c, image: c}]}}\n", ours: true},
		"DuplicateKeys":             {text: netpol("spec: {podSelector: {}, ingress: [{}], ingress: []}\n")},
		"DuplicateKeysInJSON":       {text: `{"apiVersion":"networking.k8s.io/v1","kind":"NetworkPolicy","metadata":{"name":"np"},"spec":{"podSelector":{"matchLabels":{"a":"b"}},"podSelector":{}}}`},
		"DuplicateKeysOfAConfigMap": {text: pod("a") + "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: c, labels: {a: b, a: c}}\n"},
		"SeveralMergeKeys":          {text: "apiVersion: v1\nkind: Pod\nmetadata: {name: a, labels: {<<: {a: b}, <<: {c: d}}}\nspec: {containers: [{name: c, image: c}]}\n"},
		"AnUnknownField":            {text: netpol("spec: {podSelecter: {}}\n"), refused: true},
		"AListInJSON":               {text: `[{"apiVersion":"v1","kind":"Pod","metadata":{"name":"a"}}]`, refused: true},
		"TheSameTwice":              {text: pod("a") + "---\n" + pod("a")},
		"StatusOfANetpol":           {text: netpol("spec: {podSelector: {}}\nstatus: {}\n"), ours: true}, // since Kubernetes 1.28
	} {
		t.Run(name, func(t *testing.T) {
			file := write(t, "a.yaml", tt.text)
			_, _, err := plane.Kubectl(t.Context(), "", "apply", "--dry-run=server", "-f", file)
			if (err != nil) != (tt.refused || tt.ours) {
				t.Errorf("kubectl: %v", err)
			}
			code, _, stderr := command(t, "connections", "-f", file)
			if want := map[bool]int{true: unable, false: clean}[tt.refused]; code != want {
				t.Errorf("exit code %d, want %d: %s", code, want, stderr)
			}
		})
	}

	t.Run("TheLastOfTwoKeysCounts", func(t *testing.T) {
		file := write(t, "a.yaml", netpol("spec: {podSelector: {}, policyTypes: [Ingress], policyTypes: [Egress]}\n"))
		out, _, err := plane.Kubectl(t.Context(), "", "apply", "--dry-run=server", "-o", "jsonpath={.spec.policyTypes[*]}", "-f", file)
		set, err2 := manifest.Load([]string{file}, nil)
		if err != nil || err2 != nil {
			t.Fatal(err, err2)
		}
		if out != "Egress" || !strings.Contains(string(set.Objects[0].JSON), `"policyTypes":["Egress"]`) {
			t.Errorf("kubectl has %q, and we %s", out, set.Objects[0].JSON)
		}
	})

	t.Run("HelmInstall", func(t *testing.T) {
		dir := t.TempDir()
		chart := "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: first}\n"
		for i, hook := range [][2]string{
			{"pre-install", ""},
			{"post-install", "before-hook-creation"},
			{"post-install,post-upgrade", "hook-failed"},
			{"pre-install,pre-upgrade", "before-hook-creation,hook-succeeded"},
			{"test", ""},
			{"pre-delete", ""},
			{"post-delete", ""},
			{"pre-upgrade", ""},
			{"post-rollback", ""},
			{"test,post-install", ""},
			{"no-such", ""},
			{"post-install,no-such", ""},
		} {
			chart += "---# " + hook[0] + "\n" + strings.Replace(netpol("spec: {podSelector: {}}\n"), "{name: np}",
				"{name: n"+string(rune('a'+i))+`, annotations: {helm.sh/hook: "`+hook[0]+`", helm.sh/hook-delete-policy: "`+hook[1]+`"}}`, 1)
		}
		for name, text := range map[string]string{"Chart.yaml": "{apiVersion: v2, name: hooks, version: 1.0.0}", "templates/all.yaml": chart} {
			path := filepath.Join(dir, name)
			if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if err := plane.CreateNamespace(t.Context(), "hooks", nil); err != nil {
			t.Fatal(err)
		}
		if _, _, err := plane.Helm(t.Context(), "install", "hooks", dir, "-n", "hooks"); err != nil {
			t.Fatal(err)
		}
		out, _, err := plane.Kubectl(t.Context(), "", "get", "networkpolicies", "-n", "hooks", "-o", "jsonpath={.items[*].metadata.name}")
		if err != nil {
			t.Fatal(err)
		}
		texts, err := render.Chart{Path: dir, Namespace: "hooks"}.Render(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		set, err := manifest.Read(manifest.Input{Texts: texts})
		if err != nil {
			t.Fatal(err)
		}
		var ours []string
		for _, o := range set.Objects {
			ours = append(ours, o.Name)
		}
		slices.Sort(ours)
		if diff := cmp.Diff(strings.Fields(out), ours); diff != "" {
			t.Errorf("what stays (-helm +ours):\n%s", diff)
		}
	})
}
