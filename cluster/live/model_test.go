package live

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	toolscache "k8s.io/client-go/tools/cache"
	"pgregory.net/rapid"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/cluster/selector"
)

// fixture is a model whose watches the test plays.
type fixture struct {
	*Model
	t     *testing.T
	kinds map[string]*fakeKind
	log   bytes.Buffer
}

// start runs a model in a synctest bubble, with no kind listed yet.
func start(t *testing.T, opts Options) *fixture {
	t.Helper()
	f := &fixture{t: t, kinds: map[string]*fakeKind{}}
	opts.Log = slog.New(slog.NewTextHandler(&f.log, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		if before, _, ok := strings.Cut(a.Value.String(), " at goroutine "); ok {
			a.Value = slog.StringValue(before) // a stack follows
		}
		return a
	}}))
	byResource := map[schema.GroupVersionResource]*fakeKind{}
	for _, k := range kindsOf(opts) {
		f.kinds[k.name] = newFakeKind()
		byResource[k.resource] = f.kinds[k.name]
	}
	f.Model = New(func(r schema.GroupVersionResource) (*toolscache.ListWatch, error) {
		if k, ok := byResource[r]; ok {
			return k.listWatch(), nil
		}
		return unserved(r), nil
	}, opts)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- f.Start(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Start: %v", err)
		}
	})
	synctest.Wait()
	return f
}

func (f *fixture) kind(name string) *fakeKind {
	f.t.Helper()
	k, ok := f.kinds[name]
	if !ok {
		f.t.Fatalf("%s is not watched", name)
	}
	return k
}

// listed ends the initial list of every kind but those.
func (f *fixture) listed(except ...string) {
	for name, k := range f.kinds {
		if !slices.Contains(except, name) {
			k.answer()
		}
	}
	synctest.Wait()
}

func (f *fixture) objects() []string {
	var refs []string
	for o := range f.Snapshot().Objects() {
		refs = append(refs, o.Ref().String())
	}
	return refs
}

func (f *fixture) want(objects ...string) {
	f.t.Helper()
	synctest.Wait()
	if diff := cmp.Diff(objects, f.objects()); diff != "" {
		f.t.Errorf("objects of the model (-want +got):\n%s", diff)
	}
}

func (f *fixture) wantLog(lines ...string) {
	f.t.Helper()
	synctest.Wait()
	if diff := cmp.Diff(strings.Join(lines, "\n"), strings.TrimSpace(f.log.String())); diff != "" {
		f.t.Errorf("log (-want +got):\n%s", diff)
	}
}

func pod(name, version, app string) *corev1.Pod {
	return &corev1.Pod{ObjectMeta: metav1.ObjectMeta{
		Namespace: "shop", Name: name, ResourceVersion: version, Labels: map[string]string{"app": app},
	}}
}

func netpol(name string, operator metav1.LabelSelectorOperator) *networkingv1.NetworkPolicy {
	np := &networkingv1.NetworkPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name}}
	np.Spec.PodSelector.MatchExpressions = []metav1.LabelSelectorRequirement{{Key: "app", Operator: operator}}
	return np
}

func TestNothingIsShownUntilEveryKindHasListed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := start(t, Options{})
		var want []string
		for i := range 10_000 {
			want = append(want, fmt.Sprintf("shop/Pod/p%05d", i))
			f.kind("Pod").Add(pod(fmt.Sprintf("p%05d", i), "1", "web"))
		}
		f.listed("CronJob")
		if f.Synced() || len(f.objects()) > 0 {
			t.Errorf("synced %v with %d objects before CronJobs are listed", f.Synced(), len(f.objects()))
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if f.WaitFor(ctx, func(*cluster.Snapshot) bool { return true }) {
			t.Error("WaitFor takes the empty model for the cluster")
		}
		f.kind("CronJob").answer()
		synctest.Wait()
		if !f.Synced() {
			t.Error("not synced when every kind has listed")
		}
		f.want(want...)
	})
}

func TestAnEmptyClusterIsSynced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := start(t, Options{})
		f.listed()
		if !f.Synced() {
			t.Error("not synced")
		}
	})
}

func TestEventsBecomeSnapshots(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := start(t, Options{})
		f.listed()
		pods := f.kind("Pod")

		pods.Add(pod("a", "1", "web"))
		pods.Add(pod("b", "2", "web"))
		f.want("shop/Pod/a", "shop/Pod/b")

		before := f.Snapshot()
		ready := pod("a", "3", "web")
		ready.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady}}
		pods.Update(ready)
		synctest.Wait()
		if f.Snapshot() != before {
			t.Error("a status that the model does not hold makes a snapshot")
		}
		pods.Update(pod("a", "4", "db"))
		synctest.Wait()
		if p, _ := f.Snapshot().Pod("shop", "a"); p.Labels["app"] != "db" {
			t.Errorf("after a label edit: %v", p.Labels)
		}
		if p, _ := before.Pod("shop", "a"); p.Labels["app"] != "web" {
			t.Error("the older snapshot changed")
		}
		done := pod("a", "5", "db")
		done.Status.Phase = corev1.PodSucceeded
		pods.Update(done)
		f.want("shop/Pod/b")
		pods.Delete(done)
		f.want("shop/Pod/b")

		pods.Delete(pod("b", "2", "web"))
		f.want()

		namespaces := f.kind("Namespace")
		ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "shop", Labels: map[string]string{"team": "a"}}}
		namespaces.Add(ns)
		f.want("Namespace/shop")
		namespaces.Delete(ns)
		f.want()
		f.wantLog("")
	})
}

func TestTheLastEventOfABatchCounts(t *testing.T) {
	m := New(nil, Options{})
	is := func(app string) event {
		e := event{ref: cluster.Ref{Namespace: "shop", Kind: "Pod", Name: "a"}}
		if app != "" {
			e.api = pod("a", "1", app)
		}
		return e
	}
	app := func() string {
		p, ok := m.Snapshot().Pod("shop", "a")
		if !ok {
			return ""
		}
		return p.Labels["app"]
	}
	m.apply([]event{is("web")})
	for _, apps := range [][]string{{"db", "web"}, {"", "web"}, {"db", ""}, {"", "db", "", "web"}, {"cache"}} {
		var batch []event
		for _, a := range apps {
			batch = append(batch, is(a))
		}
		m.apply(batch)
		if got, want := app(), apps[len(apps)-1]; got != want {
			t.Errorf("after %q: pod is %q", apps, got)
		}
	}
}

// Whatever the events and however they are batched, the model is that of the
// objects that are left.
func TestModelEqualsOneBuiltFromScratch(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := New(nil, Options{})
		left := map[string]runtime.Object{}
		var batch []event
		for i := range rapid.IntRange(1, 60).Draw(t, "events") {
			name := rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "name")
			var e event
			switch rapid.SampledFrom([]string{"Pod", "NetworkPolicy", "Namespace"}).Draw(t, "kind") {
			case "Pod":
				p := pod(name, fmt.Sprint(i), rapid.SampledFrom([]string{"web", "db"}).Draw(t, "app"))
				p.Status.Phase = rapid.SampledFrom([]corev1.PodPhase{"", "Running", "Failed"}).Draw(t, "phase")
				e = event{ref: cluster.Ref{Namespace: "shop", Kind: "Pod", Name: name}, api: p}
			case "NetworkPolicy":
				np := netpol(name, rapid.SampledFrom([]metav1.LabelSelectorOperator{"Exists", "DoesNotExist", "Poison"}).Draw(t, "operator"))
				e = event{ref: cluster.Ref{Namespace: "shop", Kind: "NetworkPolicy", Name: name}, api: np}
			case "Namespace":
				e = event{ref: cluster.Ref{Kind: "Namespace", Name: name}, api: &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}}
			}
			left[e.ref.String()] = e.api
			if rapid.IntRange(0, 3).Draw(t, "gone") == 0 {
				e.api = nil
				delete(left, e.ref.String())
			}
			batch = append(batch, e)
			if rapid.Bool().Draw(t, "apply") {
				m.apply(batch)
				batch = nil
			}
		}
		m.apply(batch)
		var objects []cluster.Object
		for _, api := range left {
			o, _ := cluster.FromAPI(api)
			objects = append(objects, o)
		}
		scratch, err := cluster.New(objects...)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(slices.Collect(m.Snapshot().Objects()), slices.Collect(scratch.Objects())) {
			t.Fatalf("the model holds %v, from scratch it is %v", slices.Collect(m.Snapshot().Objects()), slices.Collect(scratch.Objects()))
		}
	})
}

func TestAPoisonedObjectStaysAsUnknown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := start(t, Options{})
		netpols := f.kind("NetworkPolicy")
		netpols.Add(netpol("poison", "Exactly"))
		f.kind("Pod").Add(pod("a", "1", "web"))
		f.listed()
		f.want("shop/NetworkPolicy/poison", "shop/Pod/a")
		n, _ := f.Snapshot().Netpol("shop", "poison")
		if n.Selector.Matches(nil) != selector.Maybe {
			t.Error("it is taken to select nothing, or something")
		}
		complaint := `level=WARN msg="object cannot be read fully, what it touches is unknown" object=shop/NetworkPolicy/poison ` +
			`error="spec.podSelector: Invalid value: {\"matchExpressions\":[{\"key\":\"app\",\"operator\":\"Exactly\"}]}: \"Exactly\" is not a valid label selector operator"`
		netpols.Update(netpol("poison", "Exactly"))
		f.wantLog(complaint) // once

		netpols.Update(netpol("poison", "Exists"))
		netpols.Update(netpol("poison", "Exactly"))
		synctest.Wait()
		netpols.Delete(netpol("poison", "Exactly"))
		f.want("shop/Pod/a")
		if len(f.complaints) > 0 {
			t.Errorf("complaints about what is gone: %v", f.complaints)
		}
	})
}

func TestAPanicHarmsNoOtherObject(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := start(t, Options{})
		f.fromAPI = func(o runtime.Object) (cluster.Object, error) {
			if o.(metav1.Object).GetName() == "poison" {
				panic("boom")
			}
			return cluster.FromAPI(o)
		}
		f.kind("NetworkPolicy").Add(netpol("poison", "Exists"))
		f.kind("Pod").Add(pod("poison", "1", "web"))
		f.kind("Pod").Add(pod("a", "1", "web"))
		f.listed("Pod") // one after the other, for the log's order
		f.kind("Pod").answer()
		f.want("shop/NetworkPolicy/poison", "shop/Pod/a")
		n, ok := f.Snapshot().Netpol("shop", "poison")
		if !ok || n.Selector.Matches(nil) != selector.Maybe || !n.Isolates[cluster.Ingress] || !n.Isolates[cluster.Egress] ||
			!n.Rules[cluster.Ingress][0].Peers[0].Broken || !n.Rules[cluster.Egress][0].Peers[0].Broken {
			t.Errorf("a netpol that cannot be read must be unknown altogether, got %+v", n)
		}
		f.wantLog(
			`level=WARN msg="object cannot be read fully, what it touches is unknown" object=shop/NetworkPolicy/poison error="panic: boom"`,
			`level=WARN msg="object cannot be read fully, what it touches is unknown" object=shop/Pod/poison error="panic: boom"`,
		)
	})
}

// misfit is an object that the model has no place for.
type misfit struct{ panics bool }

func (m misfit) Ref() cluster.Ref {
	if m.panics {
		panic("boom")
	}
	return cluster.Ref{Namespace: "shop", Kind: "Misfit", Name: "misfit"}
}

func TestAChangeThatCannotBeAppliedHarmsNoOther(t *testing.T) {
	for name, tt := range map[string]struct {
		misfit misfit
		log    string
	}{
		"ItDoesNotApply": {log: `level=ERROR msg="object does not fit the model and stays as it was" object=shop/Misfit/misfit error="the model has no place for live.misfit"`},
		"ItPanics":       {misfit: misfit{panics: true}, log: `level=ERROR msg="object does not fit the model and stays as it was" object=live.misfit error="panic: boom"`},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := start(t, Options{})
				f.fromAPI = func(o runtime.Object) (cluster.Object, error) {
					if o.(metav1.Object).GetName() == "misfit" {
						return tt.misfit, nil
					}
					return cluster.FromAPI(o)
				}
				var want []string
				for i := range 20 {
					f.kind("Pod").Add(pod(fmt.Sprintf("p%02d", i), "1", "web"))
					want = append(want, fmt.Sprintf("shop/Pod/p%02d", i))
				}
				f.kind("Pod").Add(pod("misfit", "1", "web"))
				f.listed()
				f.want(want...)
				f.wantLog(tt.log)
				f.kind("Pod").Add(pod("q", "1", "web"))
				f.want(append(want, "shop/Pod/q")...)
			})
		})
	}
}

func TestWaitFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := start(t, Options{})
		f.listed()
		holds := func(name string) func(*cluster.Snapshot) bool {
			return func(s *cluster.Snapshot) bool { _, ok := s.Pod("shop", name); return ok }
		}
		answers := make(chan bool)
		for range 100 {
			go func() { answers <- f.WaitFor(t.Context(), holds("b")) }()
		}
		f.kind("Pod").Add(pod("a", "1", "web"))
		synctest.Wait()
		select {
		case <-answers:
			t.Fatal("it does not wait for b")
		default:
		}
		f.kind("Pod").Add(pod("b", "1", "web"))
		for range 100 {
			if !<-answers {
				t.Error("b came, and WaitFor says no")
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if f.WaitFor(ctx, holds("c")) {
			t.Error("c never came")
		}
	})
}

func TestStartTellsWhatCannotBeWatched(t *testing.T) {
	source := func(r schema.GroupVersionResource) (*toolscache.ListWatch, error) {
		return nil, fmt.Errorf("watch %s: no such thing", r.Resource)
	}
	err := New(source, Options{}).Start(t.Context())
	if err == nil || err.Error() != "watch namespaces: no such thing" {
		t.Errorf("got %v", err)
	}
}
