package breach

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/cluster/clustertest"
)

// Each story is what happens to a shop in which all is as it should be, and what is told.
func TestBreaches(t *testing.T) {
	const reached = "[frontend-never-reaches-db] shop/Pod/web could reach shop/Pod/db on all ports <- "
	for name, story := range map[string]struct {
		before []runtime.Object
		happen []func(*world) []cluster.Change // each in a snapshot of its own
		want   []string
		known  map[string]float64
	}{
		"NetpolOpens": {
			happen: steps(creates(hole("shop/hole", "app=web"))),
			want:   []string{reached + "shop/NetworkPolicy/hole created"},
		},
		"NetpolWaitsForALabel": {
			happen: steps(creates(hole("shop/hole", "role=reader")), creates(pod("shop/web", "app=web tier=frontend role=reader"))),
			want:   []string{reached + "shop/Pod/web updated + shop/NetworkPolicy/hole created"},
		},
		"LabelWaitsForANetpol": {
			happen: steps(creates(pod("shop/web", "app=web tier=frontend role=reader")), creates(hole("shop/hole", "role=reader"))),
			want:   []string{reached + "shop/NetworkPolicy/hole created + shop/Pod/web updated"},
		},
		"BothInOneSnapshotAmongOthers": {
			happen: steps(creates(
				pod("shop/other", "app=other version=2"), hole("shop/hole", "role=reader"), hole("shop/harmless", "app=nobody"),
				pod("shop/web", "app=web tier=frontend role=reader"), pod("shop/more", "app=more"))),
			want: []string{reached + "shop/Pod/web updated + shop/NetworkPolicy/hole created"},
		},
		"LabelOfLongAgoIsNamedByTheNetpolAlone": {
			before: []runtime.Object{hole("shop/hole", "role=reader")},
			happen: steps(creates(pod("shop/web", "app=web tier=frontend role=reader"))),
			want:   []string{reached + "shop/Pod/web updated"},
		},
		"DefaultDenyDeleted": {
			happen: steps(deletes("shop/NetworkPolicy/default-deny")),
			want: []string{
				"[frontend-never-reaches-db] shop/Pod/web could reach shop/Pod/db on all ports <- shop/NetworkPolicy/default-deny deleted",
				"[isolated] shop/Pod/db would no longer be isolated for ingress and egress: so far NetworkPolicy shop/default-deny did that and 2 more <- shop/NetworkPolicy/default-deny deleted",
			},
		},
		"RelabelledNamespace": {
			before: []runtime.Object{
				clustertest.Namespace("out"), deny("out"), pod("out/web", "app=web tier=frontend"), out("out/web-out", "app=web"),
				clustertest.Netpol("shop/team", `{podSelector: {matchLabels: {tier: db}}, ingress: [{from: [{namespaceSelector: {matchLabels: {team: db}}}]}]}`),
			},
			happen: steps(creates(clustertest.Namespace("out", "team=db"))),
			want:   []string{"[frontend-never-reaches-db] out/Pod/web could reach shop/Pod/db on all ports <- Namespace/out updated"},
		},
		"RequiredPathClosed": {
			before: []runtime.Object{pod("shop/api", "app=api"), clustertest.Netpol("shop/api", `{podSelector: {matchLabels: {app: api}}, ingress: [{}]}`)},
			happen: steps(deletes("shop/NetworkPolicy/api")),
			want:   []string{"[web-reaches-api] shop/Pod/web could not reach shop/Pod/api on TCP 80 <- shop/NetworkPolicy/api deleted"},
		},
		"ThroughAnExcludedNamespace": {
			before: []runtime.Object{
				clustertest.Namespace("kube-system"), clustertest.Netpol("shop/all", `{podSelector: {matchLabels: {tier: db}}, ingress: [{from: [{namespaceSelector: {}, podSelector: {matchLabels: {role: reader}}}]}]}`),
			},
			happen: steps(creates(pod("kube-system/a", "tier=frontend role=reader"))),
			want:   []string{"[frontend-never-reaches-db] kube-system/Pod/a could reach shop/Pod/db on all ports <- kube-system/Pod/a created"},
			known:  map[string]float64{"isolated excluded": 1},
		},
		"SeveralAtOnceEachByItsOwn": {
			happen: steps(creates(hole("shop/hole", "app=web"), clustertest.Namespace("new"), pod("new/a", "app=a"))),
			want: []string{
				reached + "shop/NetworkPolicy/hole created",
				"[isolated] new/Pod/a would not be isolated for ingress and egress: no NetworkPolicy selects it for ingress or egress <- new/Pod/a created",
			},
		},

		// What is not told.
		"Harmless": {happen: steps(
			creates(pod("shop/more", "app=more")), creates(hole("shop/harmless", "app=nobody")), creates(pod("shop/other", "app=other x=y")), deletes("shop/NetworkPolicy/harmless"),
		)},
		"WasThereBefore": {
			before: []runtime.Object{hole("shop/hole", "app=web")},
			happen: steps(creates(pod("shop/other", "app=other x=y")), creates(pod("shop/more", "app=more"))),
		},
		"Shrinks": {
			before: []runtime.Object{hole("shop/hole", "app=web")},
			happen: steps(deletes("shop/NetworkPolicy/hole")),
		},
		"Exempted": {
			before: []runtime.Object{clustertest.Namespace("legacy")},
			happen: steps(creates(pod("legacy/a", "app=a"))),
			known:  map[string]float64{"isolated exempted": 1},
		},
		"ExemptedBesideOthers": {
			before: []runtime.Object{clustertest.Namespace("legacy")},
			happen: steps(creates(pod("legacy/a", "app=a"), pod("shop/more", "app=more"), pod("shop/other", "app=other x=y"))),
			known:  map[string]float64{"isolated exempted": 1},
		},
		"LeftOutByMatchBesideOthers": {
			before: []runtime.Object{clustertest.Namespace("play")},
			happen: steps(creates(pod("play/a", "app=a"), pod("shop/more", "app=more"))),
			known:  map[string]float64{"isolated unmatched": 1},
		},
		"WithinAnExcludedNamespace": {
			before: []runtime.Object{clustertest.Namespace("kube-system")},
			happen: steps(creates(pod("kube-system/a", "app=a"))),
			known:  map[string]float64{"isolated excluded": 1},
		},
		"NetpolsOfANamespaceThatEnds": {
			happen: steps(
				creates(terminating("shop")),
				deletes("shop/Pod/web", "shop/Pod/db", "shop/Pod/other"),
				deletes("shop/NetworkPolicy/default-deny"), deletes("shop/NetworkPolicy/web-out"), deletes("Namespace/shop")),
			before: []runtime.Object{clustertest.Deployment("shop/idle", clustertest.Labels("app=idle"))},
		},
		"NetpolsOfANamespaceThatEndsBesideOthers": {
			happen: steps(
				creates(terminating("shop")),
				deletes("shop/Pod/web", "shop/Pod/db", "shop/Pod/other"),
				func(w *world) []cluster.Change {
					return append(deletes("shop/NetworkPolicy/default-deny")(w), w.is(pod("fine/b", "app=b")))
				}),
			before: []runtime.Object{clustertest.Deployment("shop/idle", clustertest.Labels("app=idle")), clustertest.Namespace("fine"), deny("fine")},
			known:  map[string]float64{"isolated unmatched": 1},
		},
		"PodsAreLeftWhenTheNetpolGoes": {
			happen: steps(creates(terminating("shop")), deletes("shop/Pod/web", "shop/Pod/db"), deletes("shop/NetworkPolicy/default-deny")),
			want:   []string{"[isolated] shop/Pod/other would no longer be isolated for ingress and egress: so far NetworkPolicy shop/default-deny did that <- shop/NetworkPolicy/default-deny deleted"},
		},
		"ReplacementPodOfAnOldHole": {
			before: []runtime.Object{
				hole("shop/hole", "app=web"),
				&deployment{"shop/front", "app=web tier=frontend"}, pod("shop/front-1", "app=web tier=frontend", clustertest.ControlledBy("Deployment/front")),
			},
			happen: steps(
				func(w *world) []cluster.Change {
					return append(deletes("shop/Pod/front-1")(w), w.is(pod("shop/front-2", "app=web tier=frontend", clustertest.ControlledBy("Deployment/front"))))
				},
				deletes("shop/Pod/front-2"), creates(pod("shop/front-3", "app=web tier=frontend", clustertest.ControlledBy("Deployment/front")))),
		},
		"OwnerThatNobodyCanCheck": {
			before: []runtime.Object{
				hole("shop/hole", "app=pg"), out("shop/pg-out", "app=pg"),
				pod("shop/pg-1", "app=pg tier=frontend", owned()),
			},
			happen: steps(creates(pod("shop/pg-2", "app=pg tier=frontend", owned()))),
			known:  map[string]float64{"frontend-never-reaches-db owner": 1},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, basicConfig, append(shop(), plain(story.before)...)...)
			var got []string
			for _, step := range story.happen {
				w.happens(step(w)...)
				got = append(got, w.look()...)
			}
			if diff := cmp.Diff(story.want, got); diff != "" {
				t.Errorf("told (-want +got):\n%s", diff)
			}
			if story.known == nil {
				story.known = map[string]float64{}
			}
			if diff := cmp.Diff(story.known, w.knowing()); diff != "" {
				t.Errorf("let in knowingly (-want +got):\n%s", diff)
			}
		})
	}
}

type step = func(*world) []cluster.Change

func steps(all ...step) []step { return all }

func creates(objects ...runtime.Object) step {
	return func(w *world) []cluster.Change {
		var all []cluster.Change
		for _, o := range objects {
			all = append(all, w.is(o))
		}
		return all
	}
}

func deletes(refs ...string) step {
	return func(w *world) []cluster.Change {
		var all []cluster.Change
		for _, ref := range refs {
			all = append(all, w.gone(ref))
		}
		return all
	}
}

func terminating(name string) runtime.Object {
	ns := clustertest.Namespace(name)
	now := metav1.Now()
	ns.DeletionTimestamp = &now
	return ns
}

func owned() clustertest.Option {
	yes := true
	return clustertest.OwnedBy(metav1.OwnerReference{APIVersion: "example.com/v1", Kind: "PgCluster", Name: "pg", UID: "u-pg", Controller: &yes})
}

// deployment stands for a Deployment in a list of objects.
type deployment struct{ ref, labels string }

func (*deployment) DeepCopyObject() runtime.Object   { return nil }
func (*deployment) GetObjectKind() schema.ObjectKind { return schema.EmptyObjectKind }

func plain(objects []runtime.Object) []runtime.Object {
	var all []runtime.Object
	for _, o := range objects {
		if d, ok := o.(*deployment); ok {
			o = clustertest.Deployment(d.ref, clustertest.Labels(strings.Fields(d.labels)...))
		}
		all = append(all, o)
	}
	return all
}
