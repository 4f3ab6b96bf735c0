package connectivity_test

import (
	"reflect"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/cluster/clustertest"
	"github.com/podcullis/podcullis/cluster/selector"
	"github.com/podcullis/podcullis/connectivity"
)

// engineViolations are the engine's answer about the last of some changes, in the
// words of the naive reading. It remembers what was there before the others.
func engineViolations(t clustertest.TB, times [][]runtime.Object, q question, believed bool) map[violation]bool {
	t.Helper()
	before := clustertest.Snapshot(t, times[0]...)
	memory, clock := cluster.NewMemory(before, cluster.DefaultMemoryLimits()), time.Unix(0, 0)
	for i := range times[1 : len(times)-1] {
		before = clustertest.Apply(t, before, changesOf(t, times[i], times[i+1])...)
		clock = clock.Add(time.Second)
		memory = memory.After(before, clock)
	}
	before = before.WithMemory(memory)
	after := clustertest.Apply(t, before, changesOf(t, times[len(times)-2], times[len(times)-1])...)
	query := connectivity.Query{From: selectionOf(t, q.from), To: selectionOf(t, q.to)}
	out := map[violation]bool{}
	for e, a := range pictureOf(t, connectivity.Opened(before, after, query, connectivity.Options{Believed: believed})) {
		for _, p := range q.probes {
			if a.level(p) > 0 {
				out[violation{e.from, e.to, p}] = true
			}
		}
	}
	return out
}

func selectionOf(t clustertest.TB, s refSelection) connectivity.Selection {
	t.Helper()
	compiled := func(s metav1.LabelSelector) selector.Selector {
		out, err := selector.New(s)
		if err != nil {
			t.Fatalf("selector of the test: %v", err)
		}
		return out
	}
	return connectivity.Selection{Namespaces: compiled(s.namespaces), Pods: compiled(s.pods)}
}

// changesOf is what happened between two lists of objects.
func changesOf(t clustertest.TB, before, after []runtime.Object) []cluster.Change {
	t.Helper()
	var out []cluster.Change
	for _, o := range before {
		if indexOf(after, o) < 0 {
			out = append(out, clustertest.Delete(t, o)...)
		}
	}
	for _, o := range after {
		switch i := indexOf(before, o); {
		case i < 0:
			out = append(out, clustertest.Create(t, o)...)
		case !reflect.DeepEqual(before[i], o):
			out = append(out, clustertest.Update(t, before[i], o))
		}
	}
	return out
}

func sameObject(a, b runtime.Object) bool {
	x, y := a.(metav1.Object), b.(metav1.Object)
	return reflect.TypeOf(a) == reflect.TypeOf(b) && x.GetNamespace() == y.GetNamespace() && x.GetName() == y.GetName()
}
