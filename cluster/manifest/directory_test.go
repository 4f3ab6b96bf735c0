package manifest_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"github.com/podcullis/podcullis/cluster/manifest"
)

// TestDirectories is about what of a whole repository is a manifest, and what is
// told of the rest.
func TestDirectories(t *testing.T) {
	pod := func(name string) string {
		return "apiVersion: v1\nkind: Pod\nmetadata: {name: " + name + "}\n"
	}
	for name, tt := range map[string]struct {
		reason  string
		files   string
		exclude []string
		objects []string
		notes   []string
		err     string
	}{
		"FilesOfOtherTools": {
			reason: "one word of an object makes none; what cannot be parsed speaks of none",
			files: "-- a.yaml --\n" + pod("a") + `-- values.yaml --
image: {tag: 1, kind: x}
-- datasources.yaml --
apiVersion: 1
datasources: []
-- pipeline.yaml --
kind: pipeline
name: x
-- package.json --
{"name": "x", "scripts": {}}
-- tsconfig.json --
{ // settings
  "compilerOptions": {}
}
-- mkdocs.yml --
extension: !!python/name:a.b
-- patch.yaml --
- {op: remove, path: /spec}
-- empty.yaml --
# nothing
`,
			objects: []string{"a.yaml:1 default/Pod/a"},
			notes:   []string{". left out, no Kubernetes object being in it: datasources.yaml, mkdocs.yml, package.json, patch.yaml, pipeline.yaml and 2 more"},
		},
		"AttemptsAtAnObject": {
			reason: "a file that means to hold an object is none of another tool's",
			files: "-- a.yaml --\nApiVersion: v1\nmetadata: {name: a}\n" +
				"-- b.yaml --\napiVerson: v1\nmetadata: {name: a}\n" +
				"-- c.yaml --\nkind: Pod\nmetadata: {name: c}\n" +
				"-- d.yaml --\n- {apiVersion: v1, kind: Pod, metadata: {name: d}}\n" +
				"-- e.yaml --\napiVersion: v1\nkind: Pod\nmetadata: {name: {{ .x }}}\n" +
				"-- f.yaml --\nreplicas: 1\n---\n" + pod("f"),
			err: `a.yaml:1: no apiVersion: not a Kubernetes object
b.yaml:1: no apiVersion: not a Kubernetes object
c.yaml:1: no apiVersion: not a Kubernetes object
d.yaml:1: must be an object with apiVersion and kind, not a list of them: kubectl takes one with kind: List and items
e.yaml:1: not YAML: invalid map key: map[interface {}]interface {}{".x":interface {}(nil)} (a Helm template? podcullis ... --helm CHART renders it)
f.yaml:1: no apiVersion: not a Kubernetes object`,
		},
		"HiddenOnes": {
			reason: "settings of other tools; what is in .git nobody expects",
			files: "-- a.yaml --\n" + pod("a") + "-- .pre-commit-config.yaml --\nrepos: []\n-- .git/x.yaml --\n" + pod("x") +
				"-- .github/y.yaml --\n" + pod("y") + "-- d/.z.yaml --\n" + pod("z") + "-- .editorconfig --\nx\n",
			objects: []string{"a.yaml:1 default/Pod/a"},
			notes:   []string{". left out, being hidden: .github/, .pre-commit-config.yaml, d/.z.yaml"},
		},
		"Charts": {
			reason:  "a chart below a directory is named once, and none of its files is read",
			files:   "-- a.yaml --\n" + pod("a") + "-- c/Chart.yaml --\nname: c\n-- c/templates/x.yaml --\n{{ x }}\n-- c/charts/d/Chart.yaml --\nname: d\n",
			objects: []string{"a.yaml:1 default/Pod/a"},
			notes:   []string{"c a Helm chart, left out: podcullis ... --helm c renders it"},
		},
		"ManyCharts": {
			reason:  "some are named",
			files:   "-- a.yaml --\n" + pod("a") + "-- 1/Chart.yaml --\n-- 2/Chart.yaml --\n-- 3/Chart.yaml --\n-- 4/Chart.yaml --\n-- 5/Chart.yaml --\n-- 6/Chart.yaml --\n-- 7/Chart.yaml --\n",
			objects: []string{"a.yaml:1 default/Pod/a"},
			notes: []string{
				"1 a Helm chart, left out: podcullis ... --helm 1 renders it", "2 a Helm chart, left out: podcullis ... --helm 2 renders it",
				"3 a Helm chart, left out: podcullis ... --helm 3 renders it", "4 a Helm chart, left out: podcullis ... --helm 4 renders it",
				"5 a Helm chart, left out: podcullis ... --helm 5 renders it", ". left out, being Helm charts: 2 more",
			},
		},
		"AChart": {
			reason: "one error for all of it",
			files:  "-- Chart.yaml --\nname: c\n-- templates/x.yaml --\n{{ x }}\n-- values.yaml --\nx: 1\n",
			err:    "Chart.yaml:1: a Helm chart, and no manifests: podcullis ... --helm .",
		},
		"AnIgnoreFile": {
			reason: "as git reads a .gitignore: the last pattern counts, one with a slash begins at its directory",
			files: "-- .podcullisignore --\n# of tests\n\ntest/\n*-values.json\n/b.yaml\nd/**/x.yaml\n!keep.yaml\n" +
				"-- a.yaml --\n" + pod("a") + "-- b.yaml --\n" + pod("b") + "-- d/b.yaml --\n" + pod("db") +
				"-- test/t.yaml --\n" + pod("t") + "-- d/e/f/x.yaml --\n" + pod("x") + "-- d/x.yaml --\n" + pod("dx") +
				"-- d/.podcullisignore --\nk*.yaml\n!kee?.yaml\n-- d/keep.yaml --\n" + pod("keep") + "-- d/k.yaml --\n" + pod("k") +
				"-- prod-values.json --\n[1, 2]\n",
			objects: []string{"a.yaml:1 default/Pod/a", "d/b.yaml:1 default/Pod/db", "d/keep.yaml:1 default/Pod/keep"},
			notes:   []string{". left out by .podcullisignore: b.yaml, d/e/f/x.yaml, d/k.yaml, d/x.yaml, prod-values.json, test/"},
		},
		"Exclude": {
			reason:  "a pattern that leaves nothing out is told: it may be misspelt",
			exclude: []string{"test", "./d/[bc].yaml", "nowhere/**"},
			files: "-- a.yaml --\n" + pod("a") + "-- test/t.yaml --\n{{ t }}\n-- d/b.yaml --\nkind: x\n-- d/c.yaml --\nkind: x\n" +
				"-- d/d.yaml --\n" + pod("d"),
			objects: []string{"a.yaml:1 default/Pod/a", "d/d.yaml:1 default/Pod/d"},
			notes: []string{
				". left out by --exclude: d/b.yaml, d/c.yaml, test/",
				"--exclude nowhere/** leaves nothing out: no file or directory below the -f directories has such a path",
			},
		},
		"NoPattern": {
			reason:  "it names the file and the line",
			exclude: []string{"a[b"},
			files:   "-- .podcullisignore --\n\nb[c\n/\n-- a.yaml --\n" + pod("a"),
			err: `--exclude a[b: has no ] for its [
.podcullisignore:2: "b[c" has no ] for its [
.podcullisignore:3: "/" names nothing: write a pattern such as chart/ or *-values.yaml`,
		},
		"Kustomizations": {
			reason: "those that no other takes are built; components and what they take are not read alone",
			files: "-- a.yaml --\n" + pod("a") + "-- base/kustomization.yaml --\nresources: [x.yaml]\n-- base/x.yaml --\n" + pod("x") +
				"-- base/more/y.yaml --\nkind: nonsense\n" +
				"-- overlays/prod/kustomization.yml --\nresources: [../../base]\n-- overlays/prod/patch.yaml --\n" + pod("x") +
				"-- overlays/test/Kustomization --\nbases: [../../base]\ncomponents: [../../part]\n" +
				"-- part/kustomization.yaml --\nkind: Component\n-- idle/kustomization.yaml --\nkind: Component\n",
			objects: []string{"a.yaml:1 default/Pod/a", "overlays/prod default/Pod/prod", "overlays/test default/Pod/test"},
			notes: []string{
				". built as kustomize does, not read file by file, and what one takes not built alone: overlays/prod, overlays/test",
				". left out, components that no kustomization takes: idle",
			},
		},
		"AKustomization": {
			reason: "read file by file; what it takes as patches and settings is no object of its own",
			files: "-- kustomization.yaml --\nresources: [a.yaml]\npatches: [{path: p/a.yaml}, {patch: 'a: b'}]\npatchesStrategicMerge: [b.yaml, 'a: b']\n" +
				"patchesJson6902: [{path: c.yaml}]\ngenerators: [d.yaml]\ntransformers: [e.yaml]\nreplacements: [{path: f.yaml}]\nconfigurations: [g.yaml]\n" +
				"-- a.yaml --\n" + pod("a") + "-- p/a.yaml --\n" + strings.ReplaceAll(pod("a"), "}", ", labels: {a: b}}") +
				"-- b.yaml --\n" + strings.ReplaceAll(pod("a"), "}", ", labels: {b: b}}") + "-- c.yaml --\n[]\n" + "-- d.yaml --\n" + pod("d") +
				"-- e.yaml --\nkind: [\n-- f.yaml --\nkind: [\n-- g.yaml --\nkind: [\n",
			objects: []string{"a.yaml:1 default/Pod/a"},
			notes: []string{
				"kustomization.yaml:1 the manifests beside it are read as they are; to judge what kustomize makes of them: podcullis ... -k DIR",
				". left out, being patches and settings of a kustomization: b.yaml, c.yaml, d.yaml, e.yaml, f.yaml and 2 more",
			},
		},
		"ARemoteBase": {
			reason: "what -f names is on this machine",
			files:  "-- a.yaml --\n" + pod("a") + "-- o/kustomization.yaml --\nresources: ['https://example.com/x?ref=v1']\n",
			err:    "o: this kustomization takes https://example.com/x?ref=v1, which is not fetched for -f: podcullis ... -k o fetches it, and --exclude o leaves it out",
		},
		"TwoVariants": {
			reason: "a whole application that is there twice is one mistake",
			files: "-- a/x.yaml --\n" + pod("x") + "---\n" + pod("w") + "---\n" + pod("z") +
				"-- b/x.yaml --\n" + strings.ReplaceAll(pod("x")+"---\n"+pod("w")+"---\n"+pod("z"), "}", ", labels: {a: b}}"),
			err: `b/x.yaml:1: Pod default/x: defined twice, first at a/x.yaml:1, and not alike
b/x.yaml:5: Pod default/w: defined twice, first at a/x.yaml:5, and not alike
b: 3 objects are defined here and in a, and not alike: variants of one application? Name one of them, or leave the other out with --exclude`,
		},
		"NothingLeft": {
			reason: "a directory with only other files has nothing to evaluate, which is no broken directory",
			files:  "-- values.yaml --\na: b\n",
			notes:  []string{". left out, no Kubernetes object being in it: values.yaml"},
			err:    "nothing to evaluate: no Kubernetes objects in .",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Chdir(extract(t, txtar.Parse([]byte(tt.files))))
			set, err := manifest.Read(manifest.Input{
				Sources: []string{"."}, Exclude: tt.exclude,
				Kustomize: func(dir string) ([]manifest.Text, error) {
					return []manifest.Text{{Name: dir, Data: []byte(pod(dir[strings.LastIndexByte(dir, '/')+1:]))}}, nil
				},
			})
			text := ""
			if err != nil {
				text = err.Error()
			}
			if diff := cmp.Diff(tt.err, text); diff != "" {
				t.Fatalf("%s: error (-want +got):\n%s", tt.reason, diff)
			}
			if set == nil {
				return
			}
			var objects, notes []string
			for _, o := range set.Objects {
				objects = append(objects, o.Location.String()+" "+o.Ref().String())
			}
			for _, n := range set.Notes {
				notes = append(notes, n.Location.String()+" "+n.Text)
			}
			if diff := cmp.Diff(tt.objects, objects); diff != "" {
				t.Errorf("%s: objects (-want +got):\n%s", tt.reason, diff)
			}
			if diff := cmp.Diff(tt.notes, notes); diff != "" {
				t.Errorf("%s: notes (-want +got):\n%s", tt.reason, diff)
			}
		})
	}
}

// Of two equal keys in JSON the last one counts alone: nothing of the first is
// left in it.
func TestRepeatedJSON(t *testing.T) {
	set, err := manifest.Load([]string{"-"}, strings.NewReader(`{"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": "a"},
		"spec": {"podSelector": {"matchLabels": {"a": "<b>"}}, "podSelector": {"matchLabels": {"c": "d"}}}}`))
	if err != nil {
		t.Fatal(err)
	}
	want := `{"apiVersion":"networking.k8s.io/v1","kind":"NetworkPolicy","metadata":{"name":"a"},"spec":{"podSelector":{"matchLabels":{"c":"d"}}}}`
	if got := string(set.Objects[0].JSON); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// Objects that name no namespace are in that of the input, those of a text in its
// own.
func TestDefaultNamespace(t *testing.T) {
	pod := []byte("apiVersion: v1\nkind: Pod\nmetadata: {name: a}\n---\napiVersion: v1\nkind: Pod\nmetadata: {name: a, namespace: other}\n")
	set, err := manifest.Read(manifest.Input{
		Sources: []string{"-"}, Stdin: strings.NewReader(string(pod)), Namespace: "shop",
		Texts: []manifest.Text{{Name: "b", Data: pod[:48], Namespace: "blog"}, {Name: "c", Note: "by the way"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, o := range set.Objects {
		got = append(got, o.Ref().String())
	}
	if diff := cmp.Diff([]string{"shop/Pod/a", "other/Pod/a", "blog/Pod/a"}, got); diff != "" {
		t.Errorf("objects (-want +got):\n%s", diff)
	}
	if len(set.Notes) != 1 || set.Notes[0].Text != "by the way" {
		t.Errorf("notes: %v", set.Notes)
	}
}
