package cluster_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"pgregory.net/rapid"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/cluster/clustertest"
)

func TestNamespaces(t *testing.T) {
	tests := map[string]struct {
		reason  string
		objects []runtime.Object
		deleted []runtime.Object
		want    []string
	}{
		"Labelled": {
			reason:  "its own labels and its name",
			objects: []runtime.Object{clustertest.Namespace("shop", "env=prod")},
			want:    []string{"shop env=prod,kubernetes.io/metadata.name=shop"},
		},
		"NameLabelCannotBeForged": {
			reason:  "the API server sets it (KEP-2161)",
			objects: []runtime.Object{clustertest.Namespace("shop", "kubernetes.io/metadata.name=bank")},
			want:    []string{"shop kubernetes.io/metadata.name=shop"},
		},
		"Implied": {
			reason:  "known from an object's metadata.namespace only",
			objects: []runtime.Object{clustertest.Pod("shop/web"), clustertest.Netpol("bank/n", `{}`), clustertest.Job("lab/j")},
			want:    []string{"bank kubernetes.io/metadata.name=bank implied", "lab kubernetes.io/metadata.name=lab implied", "shop kubernetes.io/metadata.name=shop implied"},
		},
		"MissingIsDefault": {
			reason:  "as for kubectl",
			objects: []runtime.Object{clustertest.Pod("web"), clustertest.Deployment("web"), clustertest.Netpol("n", `{}`)},
			want:    []string{"default kubernetes.io/metadata.name=default implied"},
		},
		"ImpliedThenSeen": {
			reason:  "the order of watches does not matter",
			objects: []runtime.Object{clustertest.Pod("shop/web"), clustertest.Namespace("shop", "env=prod")},
			want:    []string{"shop env=prod,kubernetes.io/metadata.name=shop"},
		},
		"DeletedBeforeItsPods": {
			reason:  "while something names it, it is implied again, and no pod loses its namespace's labels",
			objects: []runtime.Object{clustertest.Namespace("shop", "env=prod"), clustertest.Pod("shop/web")},
			deleted: []runtime.Object{clustertest.Namespace("shop")},
			want:    []string{"shop env=prod,kubernetes.io/metadata.name=shop implied"},
		},
		"Emptied": {
			reason:  "when nothing names it any more it is gone",
			objects: []runtime.Object{clustertest.Pod("shop/web"), clustertest.Deployment("shop/web"), clustertest.Netpol("shop/n", `{}`)},
			deleted: []runtime.Object{clustertest.Pod("shop/web"), clustertest.Deployment("shop/web"), clustertest.Netpol("shop/n", `{}`)},
		},
		"EmptyButSeen": {
			reason:  "an empty namespace is one",
			objects: []runtime.Object{clustertest.Namespace("shop"), clustertest.Pod("shop/web")},
			deleted: []runtime.Object{clustertest.Pod("shop/web")},
			want:    []string{"shop kubernetes.io/metadata.name=shop"},
		},
		"AGonePodNamesNothing": {
			reason:  "a Succeeded pod is not in the model",
			objects: []runtime.Object{clustertest.Pod("shop/web", clustertest.Phase("Succeeded"))},
		},
		"DeletingWhatIsNotThere": {
			reason:  "watch events may repeat",
			deleted: []runtime.Object{clustertest.Namespace("shop"), clustertest.Pod("bank/web"), clustertest.Netpol("lab/n", `{}`)},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s := clustertest.Apply(t, clustertest.Snapshot(t, tt.objects...), clustertest.Delete(t, tt.deleted...)...)
			var got []string
			for ns := range s.Namespaces() {
				line := ns.Name + " " + ns.Labels.String()
				if ns.Implied {
					line += " implied"
				}
				got = append(got, line)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tt.reason, diff)
			}
		})
	}
}

func TestTerminatingNamespace(t *testing.T) {
	at := metav1.NewTime(time.Date(2027, 1, 31, 0, 0, 0, 0, time.UTC))
	s := clustertest.Snapshot(t, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "shop", DeletionTimestamp: &at}}, clustertest.Namespace("bank"))
	for name, want := range map[string]bool{"shop": true, "bank": false} {
		if ns, ok := s.Namespace(name); !ok || ns.Terminating() != want {
			t.Errorf("%s is terminating: want %v, got %+v", name, want, ns)
		}
	}
}

func TestManyNamespacesComeAndGo(t *testing.T) {
	s := &cluster.Snapshot{}
	const batch = 1000
	for i := 0; i < 20_000; i += batch {
		var here []runtime.Object
		for j := range batch {
			name := fmt.Sprintf("n%d", i+j)
			here = append(here, clustertest.Namespace(name, "a=b"), clustertest.Pod(name+"/p"), clustertest.Netpol(name+"/n", `{}`))
		}
		s = clustertest.Apply(t, s, clustertest.Create(t, here...)...)
		slices.Reverse(here)
		s = clustertest.Apply(t, s, clustertest.Delete(t, here...)...)
	}
	if left := objectsOf(s); len(left) != 0 {
		t.Errorf("%d objects are left, such as %s", len(left), left[0])
	}
	if n := len(slices.Collect(s.Namespaces())); n != 0 {
		t.Errorf("%d namespaces are left", n)
	}
}

func TestChangesThatAreNone(t *testing.T) {
	pod := clustertest.Object(t, clustertest.Pod("shop/web"))
	other := clustertest.Object(t, clustertest.Pod("shop/db"))
	for name, tt := range map[string]struct {
		change cluster.Change
		want   string
	}{
		"OfNothing":    {cluster.Change{}, "needs an object"},
		"OfTwoObjects": {cluster.Change{Before: pod, After: other}, "got shop/Pod/web before and shop/Pod/db after"},
	} {
		t.Run(name, func(t *testing.T) {
			s := clustertest.Snapshot(t, clustertest.Pod("bank/web"))
			if next, err := s.Apply(tt.change); err == nil || !strings.Contains(err.Error(), tt.want) || next != nil {
				t.Errorf("want an error that says %q, got %v and snapshot %v", tt.want, err, next)
			}
		})
	}
	if _, err := cluster.FromAPI(&corev1.Secret{}); err == nil {
		t.Error("the model has no place for a Secret, and FromAPI says nothing")
	}
}

func TestLookups(t *testing.T) {
	s := clustertest.Snapshot(t,
		clustertest.Deployment("shop/web", clustertest.Labels("app=web")), clustertest.ReplicaSet("shop/web-1", clustertest.ControlledBy("Deployment/web"), clustertest.Labels("app=web")),
		clustertest.Pod("shop/web-1-a", clustertest.ControlledBy("ReplicaSet/web-1"), clustertest.Labels("app=web")), clustertest.Netpol("shop/b", `{}`), clustertest.Netpol("shop/a", `{}`))
	if n := s.Netpols("shop"); len(n) != 2 || n[0].Name != "a" {
		t.Errorf("netpols come by name, got %v", n)
	}
	for _, ref := range []cluster.Ref{{Namespace: "shop", Kind: "Pod", Name: "web-1-a"}, {Namespace: "shop", Kind: "ReplicaSet", Name: "web-1"}, {Namespace: "shop", Kind: "Deployment", Name: "web"}} {
		if w, ok := s.WorkloadOf(ref); !ok || w.String() != "shop/Deployment/web" {
			t.Errorf("%s counts to shop/Deployment/web, got %v", ref, w)
		}
	}
	if _, ok := s.Workload(cluster.Ref{Namespace: "shop", Kind: "Pod", Name: "web-1-a"}); ok {
		t.Error("a folded pod is no workload")
	}
	if p, ok := s.Pod("shop", "web-1-a"); !ok || p.Labels["app"] != "web" || s.Pods("shop") != 1 || len(s.PodsLeft("shop")) != 1 {
		t.Errorf("the pod is there, got %v", p)
	}
	nowhere := cluster.Ref{Namespace: "nowhere", Kind: "Pod", Name: "x"}
	_, a := s.Pod("nowhere", "x")
	_, b := s.Workload(nowhere)
	_, c := s.WorkloadOf(nowhere)
	_, d := s.Netpol("nowhere", "x")
	_, e := s.Template(nowhere)
	_, f := s.Namespace("nowhere")
	if a || b || c || d || e || f || s.Pods("nowhere") != 0 || len(s.PodsLeft("nowhere")) != 0 || len(s.Netpols("nowhere")) != 0 || len(slices.Collect(s.Workloads("nowhere"))) != 0 {
		t.Error("something was found nowhere")
	}
}

func TestASnapshotIsSafeForConcurrentUse(t *testing.T) {
	s := clustertest.Snapshot(t, clustertest.Deployment("a/web"), clustertest.Pod("a/p"), clustertest.Netpol("a/n", `{}`), clustertest.Pod("b/q"))
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			next, err := s.Apply(cluster.Change{After: clustertest.Object(t, clustertest.Pod(fmt.Sprintf("a/new%d", i)))})
			if err != nil {
				t.Error(err)
				return
			}
			_, _ = objectsOf(s), objectsOf(next)
			next.Since(s)
			if n := len(slices.Collect(s.AllWorkloads())); n != 3 {
				t.Errorf("got %d workloads", n)
			}
		})
	}
	all.Wait()
}

func TestForeign(t *testing.T) {
	cilium := &cluster.Foreign{Group: "cilium.io", Kind: "CiliumNetworkPolicy", Namespace: "shop", Name: "x"}
	before := clustertest.Snapshot(t, clustertest.Pod("shop/web"))
	after := clustertest.Apply(t, before, cluster.Change{After: cilium})
	if got := slices.Collect(after.Foreign()); len(got) != 1 || got[0] != cilium || !after.Since(before).Everything {
		t.Errorf("the policy is there and affects everything, got %v", got)
	}
	back := clustertest.Apply(t, after, cluster.Change{Before: cilium})
	if got := slices.Collect(back.Foreign()); len(got) != 0 || back.Since(before).Everything || !before.Since(after).Everything {
		t.Errorf("it came and went, got %v", got)
	}
	if n := len(slices.Collect(before.Foreign())); n != 0 {
		t.Errorf("the earlier snapshot was touched: %d", n)
	}
}

// objectsOf prints what a snapshot holds, and how it is folded.
func objectsOf(s *cluster.Snapshot) []string {
	var out []string
	for o := range s.Objects() {
		switch o := o.(type) {
		case *cluster.Netpol:
			out = append(out, o.Ref().String()+" "+netpolLine(o))
		case *cluster.Namespace:
			out = append(out, o.Ref().String()+" "+o.Labels.String())
		case *cluster.Pod:
			out = append(out, fmt.Sprintf("%s %s %v %v %v %v", o.Ref(), o.Labels, o.Owners, o.IPs, o.Ports, o.HostNetwork))
		case *cluster.Template:
			out = append(out, fmt.Sprintf("%s %s %v %v", o.Ref(), o.Labels, o.Owners, o.Ports))
		}
	}
	for w := range s.AllWorkloads() {
		out = append(out, w.Namespace+" "+workloadLine(w)+" "+w.Labels.String())
	}
	return out
}

// drawObject is an object of a small world.
func drawObject(t *rapid.T) runtime.Object {
	namespace := rapid.SampledFrom([]string{"a", "b"}).Draw(t, "namespace")
	name := namespace + "/" + rapid.SampledFrom([]string{"x", "x-1", "x-1-a", "y"}).Draw(t, "name")
	var options []clustertest.Option
	for _, key := range []string{"app", "pod-template-hash"} {
		if rapid.Bool().Draw(t, "has "+key) {
			options = append(options, clustertest.Labels(key+"="+rapid.SampledFrom([]string{"1", "2"}).Draw(t, key)))
		}
	}
	if owner := rapid.SampledFrom([]string{"", "", "Deployment/x", "ReplicaSet/x-1", "CronJob/x", "Job/x-1", "Thing/x", "ReplicaSet/y"}).Draw(t, "owner"); owner != "" {
		options = append(options, clustertest.ControlledBy(owner))
	}
	if address := rapid.SampledFrom([]string{"", "10.0.0.1", "10.0.0.2"}).Draw(t, "address"); address != "" {
		options = append(options, clustertest.IP(address))
	}
	if rapid.Bool().Draw(t, "bound") {
		options = append(options, clustertest.Bound())
	}
	switch rapid.IntRange(0, 9).Draw(t, "kind") {
	case 0:
		return clustertest.Namespace(namespace, rapid.SampledFrom([]string{"env=1", "env=2"}).Draw(t, "env"))
	case 1:
		return clustertest.Netpol(name, rapid.SampledFrom([]string{
			`{}`, `{podSelector: {matchLabels: {app: "1"}}}`, `{policyTypes: [Egress]}`,
			`{podSelector: {matchExpressions: [{key: pod-template-hash, operator: In, values: ["1"]}, {key: app, operator: Exists}]}}`,
			`{podSelector: {matchLabels: {apps.kubernetes.io/pod-index: "1"}}}`,
			`{podSelector: {matchExpressions: [{key: topology.kubernetes.io/zone, operator: NotIn, values: ["1"]}]}}`,
		}).Draw(t, "spec"))
	case 2:
		return clustertest.Deployment(name, options...)
	case 3:
		return clustertest.ReplicaSet(name, append(options, clustertest.Replicas(rapid.Int32Range(0, 1).Draw(t, "replicas")))...)
	case 4:
		return clustertest.Job(name, options...)
	case 5:
		return clustertest.CronJob(name, options...)
	case 6:
		return clustertest.StatefulSet(name, append(options, clustertest.FirstOrdinal(rapid.Int32Range(0, 1).Draw(t, "first ordinal")))...)
	}
	if rapid.IntRange(0, 9).Draw(t, "gone") == 0 {
		options = append(options, clustertest.Phase(corev1.PodFailed))
	}
	return clustertest.Pod(name, options...)
}

// drawWorld is a few objects, no two of them the same one.
func drawWorld(t *rapid.T, name string) []runtime.Object {
	return rapid.SliceOfNDistinct(rapid.Custom(drawObject), 0, 8, func(o runtime.Object) cluster.Ref {
		object, _ := cluster.FromAPI(o)
		return object.Ref()
	}).Draw(t, name)
}

func TestLawApply(t *testing.T) { rapid.Check(t, applyIsLawful) }

// FuzzApply: see TestLawApply.
func FuzzApply(f *testing.F) { f.Fuzz(rapid.MakeFuzz(applyIsLawful)) }

func applyIsLawful(t *rapid.T) {
	world := drawWorld(t, "world")
	s := clustertest.Snapshot(t, world...)
	want := objectsOf(s)
	mustBe := func(law string, got *cluster.Snapshot) {
		t.Helper()
		if diff := cmp.Diff(want, objectsOf(got)); diff != "" {
			t.Fatalf("%s (-want +got):\n%s", law, diff)
		}
		checkFolding(t, got)
	}
	mustBe("the order of objects does not matter", clustertest.Snapshot(t, rapid.Permutation(world).Draw(t, "order")...))

	one := &cluster.Snapshot{}
	for _, o := range world {
		one = clustertest.Apply(t, one, clustertest.Create(t, o)...)
	}
	mustBe("one change at a time equals all at once", one)
	mustBe("creating what exists changes nothing", clustertest.Apply(t, s, clustertest.Create(t, world...)...))

	var added []runtime.Object
	for _, o := range drawWorld(t, "added") {
		if !slices.ContainsFunc(world, func(w runtime.Object) bool { return refOf(w) == refOf(o) }) {
			added = append(added, o)
		}
	}
	there := clustertest.Apply(t, s, clustertest.Create(t, added...)...)
	mustBe("the snapshot that others were made from is untouched", s)
	mustBe("adding and then deleting is the identity", clustertest.Apply(t, there, clustertest.Delete(t, added...)...))

	for o := range s.Objects() {
		before, err := cluster.New(slices.Collect(s.Objects())...)
		if err != nil {
			t.Fatal(err)
		}
		mustBe("objects of a snapshot make the same snapshot", before)
		mustBe("deleting and adding again is the identity",
			clustertest.Apply(t, s, cluster.Change{Before: o}, cluster.Change{After: o}))
		break
	}
	gone := clustertest.Apply(t, s, clustertest.Delete(t, world...)...)
	if left := objectsOf(gone); len(left) > 0 {
		t.Fatalf("everything was deleted, and %v is left", left)
	}
}

func refOf(o runtime.Object) cluster.Ref {
	object, _ := cluster.FromAPI(o)
	return object.Ref()
}

func TestSelectorKeys(t *testing.T) {
	s := clustertest.Snapshot(
		t,
		clustertest.Pod("shop/web", clustertest.Labels("never=asked")),
		clustertest.Netpol("shop/a", `{podSelector: {matchLabels: {app: db}}, ingress: [{from: [{podSelector: {matchExpressions: [{key: role, operator: DoesNotExist}]}, namespaceSelector: {matchLabels: {env: prod}}}]}]}`),
		clustertest.Netpol("bank/b", `{podSelector: {}, egress: [{to: [{podSelector: {matchLabels: {tier: x}}}, {podSelector: {matchExpressions: [{key: broken, operator: Like}]}}]}]}`),
	)
	for namespace, want := range map[string][]string{"shop": {"app", "role"}, "bank": {"role", "tier"}, "nobody": {"role"}} {
		if diff := cmp.Diff(want, s.KeysIn(namespace).Names()); diff != "" {
			t.Errorf("pod labels that a netpol asks for in %s (-want +got):\n%s", namespace, diff)
		}
	}
}
