package breach

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/cluster/clustertest"
)

// soon has something happen after a while, beside what the test does.
func (w *world) soon(after time.Duration, changes func() []cluster.Change) (done chan struct{}) {
	done = make(chan struct{})
	time.AfterFunc(after, func() {
		defer close(done)
		w.happens(changes()...)
	})
	return done
}

// Each kind has a watch of its own: the netpol that was created first may show later.
func TestWhatSettlesIsNotTold(t *testing.T) {
	w := newWorld(t, basicConfig, append(shop(), clustertest.Namespace("new"))...)
	w.watcher.settling = 2 * time.Second
	w.happens(w.is(pod("new/a", "app=a")))
	done := w.soon(settling, func() []cluster.Change { return []cluster.Change{w.is(deny("new"))} })
	if got := w.look(); len(got) > 0 {
		t.Errorf("told: %q", got)
	}
	<-done
	w.happens(w.gone("new/NetworkPolicy/default-deny"))
	if got := w.look(); len(got) != 1 || !strings.Contains(got[0], "new/NetworkPolicy/default-deny deleted") {
		t.Errorf("when it is deleted: %q", got)
	}
}

// A pod of a new ReplicaSet of a Deployment with an old hole shows before its ReplicaSet.
func TestOwnerShowsLater(t *testing.T) {
	yes := true
	owner := func(kind, name string) clustertest.Option {
		return clustertest.OwnedBy(metav1.OwnerReference{APIVersion: "apps/v1", Kind: kind, Name: name, UID: "u", Controller: &yes})
	}
	front := clustertest.Deployment("shop/front", clustertest.Labels("app=front", "tier=frontend"), clustertest.UID("u"))
	objects := append(shop(), hole("shop/hole", "app=front"), out("shop/front-out", "app=front"), front)
	w := newWorld(t, basicConfig, objects...)
	w.watcher.ownerPatience = 2 * time.Second
	w.happens(w.is(pod("shop/front-1", "app=front tier=frontend", owner("ReplicaSet", "front-1"))))
	done := w.soon(2*settling, func() []cluster.Change {
		return []cluster.Change{w.is(clustertest.ReplicaSet("shop/front-1", clustertest.Labels("app=front", "tier=frontend"), clustertest.UID("u"), owner("Deployment", "front")))}
	})
	if got := w.look(); len(got) > 0 {
		t.Errorf("told: %q", got)
	}
	<-done
	w.happens(w.is(pod("shop/made-up-1", "app=front tier=frontend", owner("ReplicaSet", "made-up"))))
	if got := w.look(); len(got) != 1 {
		t.Errorf("of a ReplicaSet that never shows: %q", got)
	}
}

// Where there is no time to let it settle, it is told.
func TestWhatIsHeldForLongIsTold(t *testing.T) {
	w := newWorld(t, basicConfig, shop()...)
	w.watcher.hold = 0
	w.happens(w.is(hole("shop/hole", "app=web")))
	if got := w.look(); len(got) != 1 {
		t.Errorf("told: %q", got)
	}
}

func TestModeAuditTellsNobody(t *testing.T) {
	w := newWorld(t, basicConfig, shop()...)
	w.watcher.DryRun = true
	w.happens(w.is(hole("shop/hole", "app=web")))
	if got := w.look(); len(got) > 0 {
		t.Errorf("told: %q", got)
	}
	if diff := cmp.Diff(map[string]float64{"frontend-never-reaches-db mode": 1}, w.knowing()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if log := w.log.String(); !strings.Contains(log, "mode audit let it in") || !strings.Contains(log, "NetworkPolicy shop/hole created") {
		t.Errorf("log: %s", log)
	}
}

func TestActionsThatDoNotDeny(t *testing.T) {
	for _, action := range []string{"warn", "audit"} {
		w := newWorld(t, strings.ReplaceAll(basicConfig, "action: deny", "action: "+action), shop()...)
		w.happens(w.is(hole("shop/hole", "app=web")))
		if got := w.look(); len(got) > 0 {
			t.Errorf("action %s: told: %q", action, got)
		}
		if diff := cmp.Diff(map[string]float64{"frontend-never-reaches-db action": 1}, w.knowing()); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
	}
}

// The guardrails change, the cluster does not; and what happened before they did is judged
// by those that were in force.
func TestReload(t *testing.T) {
	const lax = "apiVersion: podcullis.io/v1alpha1\nkind: Guardrails\nguardrails:\n- {name: none, guardrail: forbidden-paths, action: deny, parameters: {from: {podSelector: {matchLabels: {no: body}}}, to: {}}}\n"
	w := newWorld(t, lax, append(shop(), hole("shop/hole", "app=web"))...)
	told := make(chan Breach, 10)
	w.watcher.Tell = func(b Breach) { told <- b }
	ctx, cancel := context.WithCancel(t.Context())
	watching := make(chan struct{})
	go func() { defer close(watching); w.watcher.Watch(ctx) }()
	defer func() { cancel(); <-watching }()

	w.happens(w.is(hole("shop/another", "app=web")))
	library, config := load(t, basicConfig)
	if err := w.engine.Reload(library, config); err != nil {
		t.Fatal(err)
	}
	deadline := time.After(10 * time.Second)
	for i := 0; ; i++ { // what happens after the reload has shown is judged by the new ones
		w.happens(w.is(clustertest.Namespace(fmt.Sprintf("n%d", i))), w.is(pod(fmt.Sprintf("n%d/a", i), "app=a")))
		select {
		case b := <-told:
			if b.Guardrail != "isolated" {
				t.Errorf("told: %s", Note(b))
			}
			return
		case <-time.After(20 * time.Millisecond):
		case <-deadline:
			t.Fatalf("nothing was told: %v %v\n%s", w.knowing(), w.counted("podcullis_violations_seen_total"), w.log.String())
		}
	}
}

// One change can break a guardrail for many: all are counted, and few are told one by one.
func TestMuchAtOnceIsBounded(t *testing.T) {
	objects := shop()
	for i := range 3 * maxReported {
		objects = append(objects, pod(fmt.Sprintf("shop/p%03d", i), fmt.Sprintf("app=p%d", i)))
	}
	w := newWorld(t, basicConfig, objects...)
	w.happens(w.gone("shop/NetworkPolicy/default-deny"))
	got := w.look()
	if len(got) != 2 {
		t.Errorf("told: %q", got)
	}
	if n := w.counted("podcullis_violations_seen_total")["isolated"]; n != 3*maxReported+3 {
		t.Errorf("%v were counted", n)
	}
	if lines := strings.Count(w.log.String(), `"violation got in"`); lines > maxReported {
		t.Errorf("%d lines were logged", lines)
	}
}

func TestGuardrailsThatReadTheRequestAreNotAsked(t *testing.T) {
	w := newWorld(t, basicConfig, shop()...)
	names, blind := w.watcher.rules().Judging()
	if len(names) != 3 || len(blind) > 0 {
		t.Errorf("the shipped ones: %q judge, %q are blind", names, blind)
	}
}
