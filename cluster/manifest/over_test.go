package manifest_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/podcullis/podcullis/cluster/manifest"
)

const running = `
{apiVersion: apps/v1, kind: Deployment, metadata: {name: web, namespace: shop}, spec: {template: {metadata: {labels: {app: web}}}}}
---
{apiVersion: apps/v1, kind: ReplicaSet, metadata: {name: web-1, namespace: shop, ownerReferences: [{apiVersion: apps/v1, kind: Deployment, name: web, uid: a, controller: true}]}, spec: {template: {metadata: {labels: {app: web, hash: "1"}}}}}
---
{apiVersion: v1, kind: Pod, metadata: {name: web-1-a, namespace: shop, labels: {app: web, hash: "1"}, ownerReferences: [{apiVersion: apps/v1, kind: ReplicaSet, name: web-1, uid: b, controller: true}]}, status: {podIP: 10.0.0.1}}
---
{apiVersion: v1, kind: Pod, metadata: {name: alone, namespace: shop, labels: {app: web}}, status: {podIP: 10.0.0.2}}
`

func TestOver(t *testing.T) {
	all := []string{"shop/Deployment/web", "shop/ReplicaSet/web-1", "shop/Pod/web-1-a", "shop/Pod/alone"}
	tests := map[string]struct {
		reason  string
		applied string
		want    []string // sorted
	}{
		"ANewNetpol": {
			reason:  "what is not named stays",
			applied: `{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: in, namespace: shop}, spec: {podSelector: {}}}`,
			want:    append([]string{"shop/NetworkPolicy/in"}, all...),
		},
		"TheSameTemplate": {
			reason:  "an image is nothing that a netpol depends on: the pods stay, with their addresses",
			applied: `{apiVersion: apps/v1, kind: Deployment, metadata: {name: web, namespace: shop}, spec: {template: {metadata: {labels: {app: web}}, spec: {containers: [{name: web, image: "web:2"}]}}}}`,
			want:    all,
		},
		"AnotherTemplate": {
			reason:  "the pods of the old template go when the controller has done its work; others stay",
			applied: `{apiVersion: apps/v1, kind: Deployment, metadata: {name: web, namespace: shop}, spec: {template: {metadata: {labels: {app: shop}}}}}`,
			want:    []string{"shop/Deployment/web", "shop/Pod/alone"},
		},
		"TheSamePod": {
			reason:  "a running pod keeps its address",
			applied: `{apiVersion: v1, kind: Pod, metadata: {name: alone, namespace: shop, labels: {app: web}}}`,
			want:    all,
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			base := load(t, running)
			set := load(t, tc.applied).Over(base)
			var got []string
			for _, o := range set.Objects {
				got = append(got, o.Ref().String())
				if there, ok := set.Lookup(o.Ref()); !ok || there.Name != o.Name {
					t.Errorf("%s is not found", o.Ref())
				}
			}
			slices.Sort(got)
			slices.Sort(tc.want)
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
			}
			s, err := set.Snapshot()
			if err != nil {
				t.Fatal(err)
			}
			if alone, _ := s.Pod("shop", "alone"); len(alone.IPs) != 1 {
				t.Errorf("the pod's addresses are %v, want the one it has", alone.IPs)
			}
			if len(base.Objects) != len(all) {
				t.Error("the base has changed")
			}
		})
	}
}

func load(t *testing.T, text string) *manifest.Set {
	t.Helper()
	set, err := manifest.Load([]string{"-"}, strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// Texts are what templates render to: their objects are in the release's
// namespace, and no line of theirs is one of the template.
func TestReadTexts(t *testing.T) {
	set, err := manifest.Read(manifest.Input{Texts: []manifest.Text{{
		Name: "chart/templates/all.yaml", Namespace: "shop",
		Data: []byte("# Source\n---\napiVersion: v1\nkind: Pod\nmetadata: {name: a}\n---\napiVersion: v1\nkind: Pod\nmetadata: {name: b, namespace: ops}\n"),
	}, {
		Name: "overlay/kustomization.yaml", Data: []byte("{apiVersion: v1, kind: Pod, metadata: {name: c}}"),
	}}})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, o := range set.Objects {
		got = append(got, o.Location.String()+": "+o.Ref().String()+" in "+o.Namespace)
	}
	if diff := cmp.Diff([]string{
		"chart/templates/all.yaml: shop/Pod/a in shop",
		"chart/templates/all.yaml: ops/Pod/b in ops",
		"overlay/kustomization.yaml: default/Pod/c in default",
	}, got); diff != "" {
		t.Errorf("objects (-want +got):\n%s", diff)
	}

	_, err = manifest.Read(manifest.Input{Texts: []manifest.Text{{Name: "chart/templates/bad.yaml", Data: []byte("apiVersion: v1\nkind: Pod\nmetadata: {name: a, nonesuch: 1}\n")}}})
	want := `chart/templates/bad.yaml (line 3 as rendered): Pod default/a: metadata.nonesuch: unknown field`
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}
