package breach

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"k8s.io/apimachinery/pkg/runtime"
	"pgregory.net/rapid"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/cluster/clustertest"
	"github.com/podcullis/podcullis/guardrail"
	"github.com/podcullis/podcullis/policies"
)

// toilsome needs a second for each netpol of namespace big, and then objects to it.
const toilsome = `# METADATA
# title: Toilsome
# description: It takes its time.
# custom: {severity: low, kinds: [NetworkPolicy]}
package guardrails.toilsome

violation contains {"msg": "big/ took long"} if {
	input.request.namespace == "big"
	count([x | some x in numbers.range(1, 200000); x % 7 == 0]) > 0
}
`

// toiling is a shop beside a namespace in which each change takes long to judge.
func toiling(t *testing.T, action string) *world {
	t.Helper()
	w := newWorld(t, basicConfig, append(shop(), clustertest.Namespace("big"))...)
	library, err := guardrail.LoadLibrary(guardrail.Source{Name: "embedded", FS: policies.FS}, guardrail.Source{Name: "test", FS: fstest.MapFS{"toilsome.rego": {Data: []byte(toilsome)}}})
	if err != nil {
		t.Fatal(err)
	}
	config, err := guardrail.ParseConfig("test", []byte(strings.Replace(basicConfig, "guardrails:\n", "guardrails:\n- {name: toilsome, guardrail: toilsome, action: "+action+"}\n", 1)))
	if err != nil {
		t.Fatal(err)
	}
	if err := w.engine.Reload(library, config); err != nil {
		t.Fatal(err)
	}
	return w
}

// watches has the watcher of a world follow it; told hears of each breach.
func (w *world) watches() (told <-chan Breach, stop func()) {
	all := make(chan Breach, 1000)
	w.watcher.Tell = func(b Breach) { all <- b }
	ctx, cancel := context.WithCancel(w.t.Context())
	watching := make(chan struct{})
	started := make(chan struct{})
	in := w.watcher.InForce
	first := true
	w.watcher.InForce = func() guardrail.InForce {
		if first { // who asks first is about to take the snapshot that all is compared with
			first = false
			defer close(started)
		}
		return in()
	}
	go func() { defer close(watching); w.watcher.Watch(ctx) }()
	<-started
	return all, func() { cancel(); <-watching }
}

// What takes long to compare, be it denied or only warned about, comes after what takes
// little, whichever was first; and it does come.
func TestTheLargeWaitsForTheSmall(t *testing.T) {
	for _, action := range []string{"deny", "warn"} {
		t.Run(action, func(t *testing.T) {
			w := toiling(t, action)
			probe := w.await(t)
			defer probe.stop()
			var changes []cluster.Change
			for i := range 3 {
				changes = append(changes, w.is(clustertest.Netpol(fmt.Sprintf("big/n%02d", i), `{podSelector: {}, policyTypes: [Ingress, Egress]}`)))
			}
			w.happens(append(changes, w.is(hole("shop/hole", "app=web")))...)
			if b := probe.next(t); b.Guardrail != "frontend-never-reaches-db" {
				t.Errorf("first: %s", Note(b))
			}
			if action == "warn" {
				probe.until(t, func() bool { return w.knowing()["toilsome action"] > 0 })
				return
			}
			if b := probe.next(t); b.Guardrail != "toilsome" {
				t.Errorf("then: %s", Note(b))
			}
		})
	}
}

// probe is a watcher at work.
type probe struct {
	told <-chan Breach
	stop func()
}

// await starts the watcher and waits until it sees what changes.
func (w *world) await(t *testing.T) *probe {
	t.Helper()
	told, stop := w.watches()
	p := &probe{told, stop}
	for i := 0; ; i++ {
		w.happens(w.is(clustertest.Namespace(fmt.Sprintf("probe%d", i))), w.is(pod(fmt.Sprintf("probe%d/a", i), "app=a")))
		select {
		case <-told:
			for { // those that it told of meanwhile
				select {
				case <-told:
				case <-time.After(20 * settling):
					return p
				}
			}
		case <-time.After(4 * settling):
		case <-t.Context().Done():
			t.Fatal("nothing is seen")
		}
	}
}

func (p *probe) next(t *testing.T) Breach {
	t.Helper()
	select {
	case b := <-p.told:
		return b
	case <-time.After(time.Minute):
		t.Fatal("nothing more is told")
		return Breach{}
	}
}

func (p *probe) until(t *testing.T, condition func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !condition(); {
		if time.Now().After(end) {
			t.Fatal("it does not come")
		}
		select {
		case <-p.told:
		case <-time.After(settling):
		}
	}
}

// Each netpol of a burst is told of by itself, and as its own doing.
func TestABurst(t *testing.T) {
	const many = 120
	objects := shop()
	for i := range many {
		objects = append(objects, pod(fmt.Sprintf("shop/web-%d", i), fmt.Sprintf("app=web tier=frontend id=n%d", i)))
	}
	w := newWorld(t, basicConfig, objects...)
	var changes []cluster.Change
	for i := range many {
		changes = append(changes, w.is(hole(fmt.Sprintf("shop/hole-%d", i), fmt.Sprintf("id=n%d", i))))
	}
	w.happens(changes...)
	got := w.look()
	for i := range many {
		want := fmt.Sprintf("[frontend-never-reaches-db] shop/Pod/web-%d could reach shop/Pod/db on all ports <- shop/NetworkPolicy/hole-%d created", i, i)
		if !slices.Contains(got, want) {
			t.Fatalf("of %d: not told of %q; %d are:\n%s", many, want, len(got), strings.Join(got[:min(3, len(got))], "\n"))
		}
	}
	if len(got) != many {
		t.Errorf("%d were told", len(got))
	}
}

// What is found of many changes one after the other is what is found of all at once.
func TestPiecesFindWhatTheWholeFinds(t *testing.T) {
	engine := newEngine(t, basicConfig)
	rapid.Check(t, func(r *rapid.T) {
		name := rapid.SampledFrom([]string{"a", "b"})
		labels := rapid.SampledFrom([]string{"app=web tier=frontend", "app=db tier=db", "app=other"})
		object := rapid.Custom(func(r *rapid.T) runtime.Object {
			ns := name.Draw(r, "namespace")
			switch rapid.IntRange(0, 4).Draw(r, "what") {
			case 0:
				return clustertest.Namespace(ns, rapid.SampledFrom([]string{"team=x", "team=y"}).Draw(r, "team"))
			case 1:
				return deny(ns)
			case 2:
				return out(ns+"/out", rapid.SampledFrom([]string{"app=web", "tier=frontend"}).Draw(r, "who"))
			case 3:
				return clustertest.Netpol(ns+"/in", rapid.SampledFrom([]string{
					`{podSelector: {matchLabels: {tier: db}}, ingress: [{from: [{namespaceSelector: {matchLabels: {team: x}}}]}]}`,
					`{podSelector: {}, ingress: [{from: [{podSelector: {}}]}]}`,
				}).Draw(r, "in"))
			}
			return pod(ns+"/"+rapid.SampledFrom([]string{"p", "q", "r"}).Draw(r, "pod"), labels.Draw(r, "labels"))
		})
		var objects []runtime.Object
		seen := map[cluster.Ref]bool{}
		for _, o := range rapid.SliceOfN(object, 0, 8).Draw(r, "before") {
			if ref := clustertest.Stored(t, o).Ref(); !seen[ref] {
				seen[ref] = true
				objects = append(objects, o)
			}
		}
		w := newWorld(t, basicConfig, objects...)
		w.engine, w.watcher.InForce, w.watcher.few, w.watcher.settling = engine, engine.InForce, 1, 0
		changed := map[cluster.Ref]bool{}
		var changes []cluster.Change
		for _, o := range rapid.SliceOfN(object, 1, 8).Draw(r, "changes") {
			c := w.is(o)
			if changed[c.Ref()] {
				continue
			}
			changed[c.Ref()] = true
			if c.Before != nil && rapid.Bool().Draw(r, "deleted") {
				c = cluster.Change{Before: c.Before}
			}
			changes = append(changes, c)
		}
		before := w.now
		w.happens(changes...)
		var reviews []guardrail.Review
		for _, c := range askedAbout(judgedOf(w.now.ChangesSince(before)), w.now) {
			reviews = append(reviews, review(c, time.Now()))
		}
		decisions, err := engine.InForce().EvaluateInHindsight(t.Context(), before, w.now, false, reviews)
		if err != nil {
			t.Fatal(err)
		}
		want := map[string]bool{}
		for _, d := range decisions {
			for _, v := range d.Violations {
				if v.Action == guardrail.Deny {
					want[v.Guardrail+" "+plainEnds(v)] = true
				}
			}
		}
		got := map[string]bool{}
		for _, s := range w.watcher.pieces(engine.InForce().Denying(), before, w.now) {
			if _, err := s.look(t.Context(), evaluationTime); err != nil {
				t.Fatal(err)
			}
			if _, err := s.look(t.Context(), evaluationTime); err != nil {
				t.Fatal(err)
			}
			for _, f := range s.found {
				got[f.Guardrail+" "+plainEnds(f.Violation)] = true
			}
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			r.Errorf("in pieces: %v\nas a whole: %v", got, want)
		}
	})
}

// plainEnds leaves out the direction, which pieces may lose one by one.
func plainEnds(v guardrail.Violation) string {
	ends, _, _ := strings.Cut(endsOf(v), " direction")
	return ends
}
