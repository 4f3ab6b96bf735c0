package manifest_test

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/cluster/manifest"
)

const netpol = `apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: %}
spec: {podSelector: {}}
`

func TestLoad(t *testing.T) {
	for name, tt := range map[string]struct {
		reason  string
		files   string // txtar
		sources []string
		stdin   string
		objects []string // "file:line namespace/Kind/name"
		skipped map[string]int
		notes   []string
	}{
		"SeveralDocumentsOneFile": {
			reason: "the line is that of a document's first content, not of the --- before it",
			files: `-- a.yaml --
# the shop
apiVersion: v1
kind: Namespace
metadata: {name: shop}
--- # its web
# with a comment

apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop}
`,
			sources: []string{"a.yaml"},
			objects: []string{"a.yaml:2 Namespace/shop", "a.yaml:8 shop/Pod/web"},
		},
		"EmptyDocuments": {
			reason: "templates render to nothing, and that is fine",
			files: `-- a.yaml --
---
---
# nothing
---
null
---
...
---
apiVersion: v1
kind: Pod
metadata: {name: web}
---
`,
			sources: []string{"a.yaml"},
			objects: []string{"a.yaml:9 default/Pod/web"},
		},
		"Directives": {
			reason: "a %YAML line belongs to the document after it, and three dots end one",
			stdin: "%YAML 1.1\n---\napiVersion: v1\nkind: Pod\nmetadata: {name: a}\n...\n" +
				"apiVersion: v1\nkind: Pod\nmetadata: {name: b}\n",
			sources: []string{"-"},
			objects: []string{"-:3 default/Pod/a", "-:7 default/Pod/b"},
		},
		"WindowsFile": {
			reason:  "CRLF and a byte order mark, also in the middle where files were joined",
			stdin:   "\ufeffapiVersion: v1\r\nkind: Pod\r\nmetadata: {name: a}\r\n\ufeff---\r\napiVersion: v1\r\nkind: Pod\r\nmetadata: {name: b}\r\n",
			sources: []string{"-"},
			objects: []string{"-:1 default/Pod/a", "-:5 default/Pod/b"},
		},
		"OldLineBreaks": {
			reason:  "one document with carriage returns alone is read as kubectl reads it",
			stdin:   "apiVersion: v1\rkind: Pod\rmetadata: {name: a}\r",
			sources: []string{"-"},
			objects: []string{"-:1 default/Pod/a"},
		},
		"CommentAfterTheDashes": {
			reason: "kubectl takes a comment for one without a space before it",
			stdin: `---# the first
apiVersion: v1
kind: Pod
metadata: {name: a}
---#
apiVersion: v1
kind: Pod
metadata: {name: b}
--- {apiVersion: v1, kind: Pod, metadata: {name: c}}
---# the end
`,
			sources: []string{"-"},
			objects: []string{"-:2 default/Pod/a", "-:6 default/Pod/b", "-:9 default/Pod/c"},
		},
		"DuplicateKeys": {
			reason: "the last one counts, and it is said, whatever the kind",
			files: `-- a.yaml --
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: a}
spec:
  podSelector: {}
  ingress: [{}]
  ingress: []
---
apiVersion: v1
kind: ConfigMap
metadata:
  labels:
    app: a
    app: a
-- b.json --
{
	"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
	"metadata": {"name": "b"},
	"spec": {"podSelector": {},
		"ingress": [{"from": [{"podSelector": {}}]}],
		"ingress": [{}]}
}
-- c.json --
{"apiVersion": "v1", "kind": "Pod", "kind": "ConfigMap", "metadata": {"name": "a"}}
`,
			sources: []string{"."},
			objects: []string{"a.yaml:1 default/NetworkPolicy/a", "b.json:1 default/NetworkPolicy/b"},
			skipped: map[string]int{"ConfigMap": 2},
			notes: []string{
				`a.yaml:7 duplicate key "ingress", first on line 6: the last one counts`,
				`a.yaml:14 duplicate key "app", first on line 13: the last one counts`,
				`b.json:6 duplicate key "ingress", first on line 5: the last one counts`,
				`c.json:1 duplicate key "kind", first on line 1: the last one counts`,
			},
		},
		"SeveralMergeKeys": {
			reason: "a mapping may take in as many others as it likes",
			stdin: `apiVersion: v1
kind: Pod
metadata:
  name: a
  annotations: &a {x: "1"}
  labels:
    <<: &b {app: a}
    <<: *a
`,
			sources: []string{"-"},
			objects: []string{"-:1 default/Pod/a"},
		},
		"StatusOfANetpol": {
			reason: "it had one once, generators write it empty, and nobody applies it",
			stdin: `apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: a, creationTimestamp: null}
spec: {podSelector: {}}
status: {}
---
apiVersion: v1
kind: Pod
metadata: {name: a}
status: {phase: Running, ofTomorrow: {}}
`,
			sources: []string{"-"},
			objects: []string{"-:1 default/NetworkPolicy/a", "-:7 default/Pod/a"},
		},
		"TheSameTwice": {
			reason: "two parts of an application bring the namespace that they share",
			files: `-- a.yaml --
apiVersion: v1
kind: Namespace
metadata: {name: shop, labels: {team: shop}}
-- b.json --
{"kind": "Namespace", "metadata": {"labels": {"team": "shop"}, "name": "shop"}, "apiVersion": "v1"}
`,
			sources: []string{"."},
			objects: []string{"a.yaml:1 Namespace/shop"},
		},
		"DashesInsideAString": {
			reason: "an indented --- is text",
			stdin: `apiVersion: v1
kind: Pod
metadata:
  name: a
  annotations:
    note: |
      ---
      apiVersion: v1
`,
			sources: []string{"-"},
			objects: []string{"-:1 default/Pod/a"},
		},
		"JSONWithTabs": {
			reason:  "JSON that is no YAML, several values one after the other",
			stdin:   "{\n\t\"apiVersion\": \"v1\",\n\t\"kind\": \"Pod\", \"metadata\": {\"name\": \"a\"}}\n{\"apiVersion\": \"v1\", \"kind\": \"Pod\", \"metadata\": {\"name\": \"b\"}}",
			sources: []string{"-"},
			objects: []string{"-:1 default/Pod/a", "-:4 default/Pod/b"},
		},
		"FlowYAML": {
			reason:  "braces do not make it JSON",
			stdin:   "{apiVersion: v1, kind: Pod, metadata: {name: a}}",
			sources: []string{"-"},
			objects: []string{"-:1 default/Pod/a"},
		},
		"Anchors": {
			reason: "aliases and merge keys are values like others",
			stdin: `apiVersion: v1
kind: List
items:
- &a
  apiVersion: v1
  kind: Pod
  metadata: &m {name: a, labels: {app: web}}
- <<: *a
  metadata: {<<: *m, name: b}
`,
			sources: []string{"-"},
			objects: []string{"-:4 default/Pod/a", "-:8 default/Pod/b"},
		},
		"Lists": {
			reason: "kubectl get -o yaml, and the API's own lists, whose items name no kind",
			files: `-- a.yaml --
apiVersion: v1
kind: List
metadata: {resourceVersion: ""}
items:
- apiVersion: v1
  kind: Namespace
  metadata: {name: shop}
- apiVersion: networking.k8s.io/v1
  kind: NetworkPolicyList
  items:
  - metadata: {name: deny, namespace: shop}
    spec: {podSelector: {}}
- apiVersion: v1
  kind: Service
  metadata: {name: web}
-- b.json --
{"apiVersion": "v1", "kind": "PodList", "items": [
  {"metadata": {"name": "a"}},
  {"metadata": {"name": "b"}}]}
-- c.yaml --
apiVersion: v1
kind: ServiceList
items:
- metadata: {name: a}
---
apiVersion: v1
kind: List
items: []
---
apiVersion: v1
kind: List
items: null
`,
			sources: []string{"."},
			objects: []string{"a.yaml:5 Namespace/shop", "a.yaml:11 shop/NetworkPolicy/deny", "b.json:2 default/Pod/a", "b.json:3 default/Pod/b"},
			skipped: map[string]int{"Service": 2},
		},
		"ADirectory": {
			reason: "recursive and sorted; hidden directories and other files are none of ours",
			files: "-- d/b.yml --\n" + strings.ReplaceAll(netpol, "%", "b") +
				"-- d/a/z.yaml --\n" + strings.ReplaceAll(netpol, "%", "z") +
				"-- d/c.JSON --\n" + `{"apiVersion":"v1","kind":"Pod","metadata":{"name":"c"}}` + "\n" +
				"-- d/.git/x.yaml --\nnot: ours\n-- d/README.md --\nhello\n",
			sources: []string{"d"},
			objects: []string{"d/a/z.yaml:1 default/NetworkPolicy/z", "d/b.yml:1 default/NetworkPolicy/b", "d/c.JSON:1 default/Pod/c"},
		},
		"AFileNamedTwice": {
			reason:  "a file and the directory that holds it are no duplicate",
			files:   "-- d/a.yaml --\n" + strings.ReplaceAll(netpol, "%", "a"),
			sources: []string{"d/a.yaml", "d", "./d/a.yaml"},
			objects: []string{"d/a.yaml:1 default/NetworkPolicy/a"},
		},
		"AnyExtensionWhenNamed": {
			reason:  "the extension matters in directories only",
			files:   "-- rendered --\n" + strings.ReplaceAll(netpol, "%", "a"),
			sources: []string{"rendered"},
			objects: []string{"rendered:1 default/NetworkPolicy/a"},
		},
		"OtherKinds": {
			reason: "counted by kind",
			stdin: `apiVersion: v1
kind: Service
metadata: {name: a}
---
apiVersion: podcullis.io/v1alpha1
kind: Guardrails
---
apiVersion: v1
kind: LimitRange
metadata: {name: a}
---
apiVersion: example.com/v1
kind: AllowList
spec: {}
`,
			sources: []string{"-"},
			skipped: map[string]int{
				"Service": 1, "Guardrails.podcullis.io": 1, "LimitRange": 1, "AllowList.example.com": 1,
			},
		},
		"AKustomization": {
			reason: "bases are read as they are, which the reader should know",
			files: "-- d/kustomization.yaml --\nresources: [a.yaml]\nnamePrefix: x-\n" +
				"-- d/a.yaml --\n" + strings.ReplaceAll(netpol, "%", "a"),
			sources: []string{"d"},
			objects: []string{"d/a.yaml:1 default/NetworkPolicy/a"},
			skipped: map[string]int{"Kustomization.kustomize.config.k8s.io": 1},
			notes:   []string{"d/kustomization.yaml:1 the manifests beside it are read as they are; to judge what kustomize makes of them: podcullis ... -k DIR"},
		},
		"OtherPolicyAPIs": {
			reason: "what the model does not understand is in it all the same",
			stdin: `apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: a}
spec: {whatever: [1, 2]}
---
apiVersion: policy.networking.k8s.io/v1alpha2
kind: ClusterNetworkPolicy
metadata: {name: a}
---
apiVersion: projectcalico.org/v3
kind: NetworkPolicy
metadata: {name: a, namespace: shop}
`,
			sources: []string{"-"},
			objects: []string{
				"-:1 default/CiliumNetworkPolicy.cilium.io/a", "-:6 ClusterNetworkPolicy.policy.networking.k8s.io/a",
				"-:10 shop/NetworkPolicy.projectcalico.org/a",
			},
		},
		"GeneratedName": {
			reason:  "a pod that the API server has yet to name is named by its prefix",
			stdin:   "apiVersion: v1\nkind: Pod\nmetadata: {generateName: web-}\n",
			sources: []string{"-", "-"},
			objects: []string{"-:1 default/Pod/web-*"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Chdir(extract(t, txtar.Parse([]byte(tt.files))))
			set, err := manifest.Load(tt.sources, strings.NewReader(tt.stdin))
			if err != nil && !errors.Is(err, manifest.ErrNothing) {
				t.Fatal(err)
			}
			if got := errors.Is(err, manifest.ErrNothing); got != (len(tt.objects) == 0) {
				t.Errorf("ErrNothing = %v for %d objects", got, len(tt.objects))
			}
			var objects, notes []string
			for _, o := range set.Objects {
				objects = append(objects, o.Location.String()+" "+o.Ref().String())
			}
			for _, n := range set.Notes {
				notes = append(notes, n.Location.String()+" "+n.Text)
			}
			if tt.skipped == nil {
				tt.skipped = map[string]int{}
			}
			if diff := cmp.Diff(tt.objects, objects); diff != "" {
				t.Errorf("%s: objects (-want +got):\n%s", tt.reason, diff)
			}
			if diff := cmp.Diff(tt.skipped, set.Skipped); diff != "" {
				t.Errorf("%s: skipped (-want +got):\n%s", tt.reason, diff)
			}
			if diff := cmp.Diff(tt.notes, notes); diff != "" {
				t.Errorf("%s: notes (-want +got):\n%s", tt.reason, diff)
			}
			if _, err := set.Snapshot(); err != nil {
				t.Errorf("%s: snapshot: %v", tt.reason, err)
			}
		})
	}
}

func TestSetHoldsTheDocumentAsWritten(t *testing.T) {
	set, err := manifest.Load([]string{"-"}, strings.NewReader(`apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: a}
spec:
  podSelector: {}
  ingress:
  - ports: [{port: 5432}]
`))
	if err != nil {
		t.Fatal(err)
	}
	o, ok := set.Lookup(cluster.Ref{Namespace: "default", Kind: "NetworkPolicy", Name: "a"})
	if !ok {
		t.Fatal("Lookup does not find the netpol")
	}
	want := `{"apiVersion":"networking.k8s.io/v1","kind":"NetworkPolicy","metadata":{"name":"a"},"spec":{"ingress":[{"ports":[{"port":5432}]}],"podSelector":{}}}`
	if string(o.JSON) != want {
		t.Errorf("no namespace, policyTypes or protocol may be added:\nwant %s\ngot  %s", want, o.JSON)
	}
	if o.GroupVersionKind.String() != "networking.k8s.io/v1, Kind=NetworkPolicy" || o.API == nil {
		t.Errorf("got kind %s, API object %v", o.GroupVersionKind, o.API)
	}
	s, err := set.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := s.Netpol("default", "a"); !ok {
		t.Error("the snapshot lacks the netpol")
	}
	if _, ok := set.Lookup(cluster.Ref{Kind: "Namespace", Name: "default"}); ok {
		t.Error("Lookup finds what is not there")
	}
}

// TestSources is about what is wrong with a source itself.
func TestSources(t *testing.T) {
	for name, tt := range map[string]struct {
		sources []string
		stdin   io.Reader
		nothing bool
		want    string
	}{
		"NoSource":          {nothing: true, want: "nothing to evaluate: no file, directory or - was given"},
		"NoSuchFile":        {sources: []string{"gone.yaml"}, want: "gone.yaml: no such file or directory"},
		"AnEmptyDirectory":  {sources: []string{"empty"}, want: "empty: no *.yaml, *.yml or *.json file in this directory"},
		"AnEmptyFile":       {sources: []string{"empty.yaml"}, nothing: true, want: "nothing to evaluate: no Kubernetes objects in empty.yaml"},
		"NothingOfInterest": {sources: []string{"service.yaml"}, nothing: true, want: "nothing to evaluate: no namespace, workload, pod or NetworkPolicy in service.yaml, only 2 Service"},
		"NoStandardInput":   {sources: []string{"-"}, want: "-: there is no standard input to read"},
		"BrokenInput":       {sources: []string{"-"}, stdin: io.MultiReader(strings.NewReader("a"), broken{}), want: "-: the pipe broke"},
		"ALatin1File":       {sources: []string{"-"}, stdin: strings.NewReader("a: b\nc: \xe9\n"), want: "-:2: is not UTF-8 text"},
		"AUTF16File":        {sources: []string{"-"}, stdin: strings.NewReader("\xff\xfea\x00"), want: "-: is UTF-16: save it as UTF-8"},
		"TooLarge":          {sources: []string{"large.yaml"}, want: "large.yaml: larger than 64 MiB: split it into several files"},
		"EndlessInput":      {sources: []string{"-"}, stdin: endless{}, want: "-: larger than 64 MiB: split it into several files"},
		"ADanglingLink":     {sources: []string{"links"}, want: "links/dangling.yaml: no such file or directory"},
		"AllTogether":       {sources: []string{"gone.yaml", "empty"}, want: "gone.yaml: no such file or directory\nempty: no *.yaml, *.yml or *.json file in this directory"},
	} {
		t.Run(name, func(t *testing.T) {
			service := "apiVersion: v1\nkind: Service\nmetadata: {name: a}\n---\n"
			t.Chdir(extract(t, txtar.Parse([]byte("-- empty/README.md --\n-- empty.yaml --\n-- links/a.yaml --\n-- large.yaml --\n-- service.yaml --\n"+service+service))))
			if err := os.Truncate("large.yaml", 64<<20+1); err != nil {
				t.Fatal(err)
			}
			if err := os.Symlink("nowhere", "links/dangling.yaml"); err != nil {
				t.Fatal(err)
			}
			set, err := manifest.Load(tt.sources, tt.stdin)
			if err == nil || err.Error() != tt.want {
				t.Errorf("got  %v\nwant %s", err, tt.want)
			}
			if got := errors.Is(err, manifest.ErrNothing); got != tt.nothing || (set != nil) != tt.nothing {
				t.Errorf("ErrNothing: %v, want %v; set %v", got, tt.nothing, set)
			}
		})
	}
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, errors.New("the pipe broke") }

type endless struct{}

func (endless) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// A mounted ConfigMap is links to links; and a directory may link to one above it.
func TestLinkedDirectories(t *testing.T) {
	t.Chdir(extract(t, txtar.Parse([]byte("-- m/..2026/a.yaml --\n"+strings.ReplaceAll(netpol, "%", "a")+
		"-- other/b.yaml --\n"+strings.ReplaceAll(netpol, "%", "b")))))
	for _, link := range [][2]string{{"..2026", "m/..data"}, {"..data/a.yaml", "m/a.yaml"}, {"../other", "m/other"}, {"../m", "other/ring"}} {
		if err := os.Symlink(link[0], filepath.FromSlash(link[1])); err != nil {
			t.Fatal(err)
		}
	}
	set, err := manifest.Load([]string{"m"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, o := range set.Objects {
		got = append(got, o.Location.String())
	}
	if diff := cmp.Diff([]string{"m/a.yaml:1", "m/other/b.yaml:1"}, got); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
}
