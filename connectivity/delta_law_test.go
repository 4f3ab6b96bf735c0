package connectivity_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"pgregory.net/rapid"
)

// TestLawViolationsAreTheNaiveReading: for every change and every question the
// engine finds the violations that the naive reading finds, neither more nor less. Where
// the memory has a say it may find more, if seldom: of a pod or template whose owner and
// labels changed at once it remembers less than it could.
func TestLawViolationsAreTheNaiveReading(t *testing.T) {
	before, drawn := stricter.Load(), 0
	checks(t, 1000, func(t *rapid.T) {
		drawn++
		violationsAgree(t)
	})
	if more := stricter.Load() - before; more*500 > int64(max(drawn, 500)) {
		t.Errorf("in %d of %d clusters the engine remembers less than the reading", more, drawn)
	}
}

// stricter counts the clusters in which the engine remembers less than the reading.
var stricter atomic.Int64

func FuzzViolations(f *testing.F) { f.Fuzz(rapid.MakeFuzz(violationsAgree)) }

// TestLawTheReadingOfNoChange: what did not change opened nothing, whoever asks.
func TestLawTheReadingOfNoChange(t *testing.T) {
	checks(t, 50, func(t *rapid.T) {
		d := drawDelta(t)
		if got := newReadDelta(d.objects, d.objects, d.question()).violations(); len(got) > 0 {
			t.Fatalf("nothing changed, and opened %v before:\n%s", sentences(got), inLines(d.objects))
		}
	})
}

func violationsAgree(t *rapid.T) {
	d := drawDelta(t)
	q, times := d.question(), [][]runtime.Object{d.objects}
	for range pick(d, "changes before", 0, 0, 0, 1, 2, 3) {
		d.objects = d.change()
		times = append(times, d.objects)
	}
	last := d.change()
	if back := lost(times); len(back) > 0 && d.one(2, "comes back") {
		last = with(d.objects, objectsOf(pick(d, "back", back...)))
	}
	times = append(times, last)
	agree(t, times, q, rapid.Bool().Draw(t, "believed"))
}

// lost are the objects that were otherwise or are no more; a pod that comes back is
// another one.
func lost(times [][]runtime.Object) []runtime.Object {
	var out []runtime.Object
	now := times[len(times)-1]
	for _, then := range times[:len(times)-1] {
		for _, o := range then {
			i := indexOf(now, o)
			if i >= 0 && written(now[i]) == written(o) {
				continue
			}
			if pod, ok := o.(*corev1.Pod); ok && i < 0 {
				o = reborn(pod.DeepCopy())
			}
			out = append(out, o)
		}
	}
	return out
}

// agree compares the two about the last of the changes of a cluster.
func agree(t *rapid.T, times [][]runtime.Object, q question, believed bool) {
	before, after := times[len(times)-2], times[len(times)-1]
	naive := newReadDelta(before, after, q)
	naive.believed = believed
	for _, then := range times[:len(times)-1] {
		naive.past = append(naive.past, readMoment(then))
	}
	want, got := naive.violations(), engineViolations(t, times, q, believed)
	if maps.Equal(got, want) {
		return
	}
	if len(times) > 2 && holdsAll(got, want) {
		stricter.Add(1)
		return
	}
	story := ""
	for i, then := range times[1:] {
		story += fmt.Sprintf("\nafter change %d:\n%s", i+1, inLines(differing(times[i], then)))
	}
	t.Fatalf("violations (-reading +engine):\n%s\nquestion: %s\nbelieved: %v\nat first:\n%s%s", cmp.Diff(sentences(want), sentences(got)), asked(q), believed, inLines(times[0]), story)
}

func holdsAll(got, want map[violation]bool) bool {
	for v := range want {
		if !got[v] {
			return false
		}
	}
	return true
}

func asked(q question) string {
	return "from " + written([]any{q.from.namespaces, q.from.pods}) + " to " + written([]any{q.to.namespaces, q.to.pods})
}

// differing are the objects that a change made or left otherwise, and those
// that it deleted, with that for a uid.
func differing(before, after []runtime.Object) []runtime.Object {
	var out []runtime.Object
	for _, o := range after {
		if i := indexOf(before, o); i < 0 || written(before[i]) != written(o) {
			out = append(out, o)
		}
	}
	for _, o := range before {
		if indexOf(after, o) < 0 {
			gone := o.DeepCopyObject()
			gone.(metav1.Object).SetUID("DELETED")
			out = append(out, gone)
		}
	}
	return out
}

// inLines prints objects shortly, one a line.
func inLines(objects []runtime.Object) string {
	var out []string
	for _, o := range objects {
		m := o.(metav1.Object)
		line := m.GetNamespace() + "/" + m.GetName()
		switch o := o.(type) {
		case *corev1.Namespace:
			line = "Namespace " + line + " " + inWords(o.Labels)
		case *networkingv1.NetworkPolicy:
			line = "NetworkPolicy " + line + " " + written(o.Spec)
		default:
			line = kindOf(o) + " " + line + " uid=" + string(m.GetUID()) + " " + shortly(o)
		}
		out = append(out, line)
	}
	slices.Sort(out)
	return strings.Join(out, "\n")
}

func shortly(o runtime.Object) string {
	x := readSomeone(o)
	if x == nil {
		return "ended"
	}
	line := "{" + inWords(x.labels) + "}"
	if x.selector != nil {
		line += " selects " + written(x.selector)
	}
	if x.end.hostNetwork {
		line += " hostNetwork"
	}
	for _, p := range x.end.ports {
		line += fmt.Sprintf(" %s:%d", p.Name, p.ContainerPort)
	}
	for _, ip := range x.end.ips {
		line += " at " + ip
	}
	for _, ref := range x.object.GetOwnerReferences() {
		line += fmt.Sprintf(" of %s %s/%s uid=%s", ref.APIVersion, ref.Kind, ref.Name, ref.UID)
		if ref.Controller == nil {
			line += " (no controller)"
		}
	}
	return line
}
