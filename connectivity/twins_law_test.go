package connectivity_test

import (
	"fmt"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"pgregory.net/rapid"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/cluster/clustertest"
	"github.com/podcullis/podcullis/connectivity"
)

// TestLawATwinSavesWorkOnly: what a pod has in common with another one is not compared
// again. It is, where a netpol comes with it; so one that selects nobody beside the
// change must not make another answer.
func TestLawATwinSavesWorkOnly(t *testing.T) {
	twins.Store(0)
	checks(t, 500, twinsSaveWorkOnly)
	if twins.Load() == 0 {
		t.Error("no pod had a twin: nothing was shown")
	}
}

func FuzzTwins(f *testing.F) { f.Fuzz(rapid.MakeFuzz(twinsSaveWorkOnly)) }

// twins counts the changes of pods.
var twins atomic.Int64

func twinsSaveWorkOnly(t *rapid.T) {
	d := drawDelta(t)
	q, addressed := d.question(), rapid.Bool().Draw(t, "addressed")
	if addressed {
		for i := range rapid.IntRange(0, 3).Draw(t, "more netpols") {
			d.add(drawNetpol(t, fmt.Sprintf("by-address-%d", i)))
		}
		d.objects = withAddresses(t, d.objects, nil)
	}
	query := connectivity.Query{From: selectionOf(t, q.from), To: selectionOf(t, q.to)}
	o := connectivity.Options{Believed: rapid.Bool().Draw(t, "believed")}
	objects := d.objects
	before := clustertest.Snapshot(t, objects...)
	changed := d.change()
	if addressed {
		changed = withAddresses(t, changed, objects)
	}
	changes := changesOf(t, objects, changed)
	if len(changes) == 0 || slices.ContainsFunc(changes, func(c cluster.Change) bool { return c.Ref().Kind != "Pod" }) {
		return
	}
	twins.Add(1)
	after := clustertest.Apply(t, before, changes...)
	thorough := after
	for _, ns := range []string{"a", "b"} {
		thorough = clustertest.Apply(t, thorough, clustertest.Create(t, ofNobody(ns))...)
	}
	for name, ask := range map[string]func(after *cluster.Snapshot) []string{
		"opened": func(s *cluster.Snapshot) []string { return told(connectivity.Opened(before, s, query, o)) },
		"exposed": func(s *cluster.Snapshot) (out []string) {
			for _, x := range connectivity.Exposed(before, s, query.From, o, cluster.Ingress, cluster.Egress) {
				out = append(out, fmt.Sprint(x.Workload.Ref, x.Direction, x.New, x.By, x.Partly, x.Unknown))
			}
			return out
		},
		"weakened": func(s *cluster.Snapshot) (out []string) {
			for _, x := range connectivity.Weakened(before, s, query, o) {
				out = append(out, fmt.Sprint(x.From, x.To, x.Ports, x.Gone, x.GoneBy, x.LeftBy))
			}
			return out
		},
	} {
		if diff := cmp.Diff(ask(thorough), ask(after)); diff != "" {
			t.Fatalf("%s (-thorough +with twins):\n%s\nquestion: %s\nat first:\n%s\nchanged:\n%s", name, diff, asked(q), inLines(objects), inLines(differing(objects, changed)))
		}
	}
}

// withAddresses gives addresses to pods, but for most that were there.
func withAddresses(t *rapid.T, objects, before []runtime.Object) []runtime.Object {
	out := slices.Clone(objects)
	for i, o := range out {
		pod, ok := o.(*corev1.Pod)
		if !ok || (indexOf(before, o) >= 0 && rapid.IntRange(0, 4).Draw(t, "stays") > 0) {
			continue
		}
		pod = pod.DeepCopy()
		pod.Status.PodIPs = nil
		for range rapid.IntRange(0, 2).Draw(t, "addresses") {
			pod.Status.PodIPs = append(pod.Status.PodIPs, corev1.PodIP{IP: drawPodIP.Draw(t, "address")})
		}
		out[i] = pod
	}
	return out
}

func ofNobody(namespace string) runtime.Object {
	return &networkingv1.NetworkPolicy{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "of-nobody"},
		Spec:       networkingv1.NetworkPolicySpec{PodSelector: metav1.LabelSelector{MatchLabels: map[string]string{"nobody-has": "this"}}},
	}
}
