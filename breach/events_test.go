package breach

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	eventsv1 "k8s.io/api/events/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/guardrail"
)

// apiServer holds Events by namespace and name, for all replicas.
type apiServer struct {
	mu     sync.Mutex
	events map[string]*eventsv1.Event
	fails  []error // the next answers
}

type inNamespace struct {
	*apiServer
	namespace string
}

func (a inNamespace) Create(_ context.Context, e *eventsv1.Event, _ metav1.CreateOptions) (*eventsv1.Event, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.fails) > 0 {
		err := a.fails[0]
		a.fails = a.fails[1:]
		return nil, err
	}
	key := a.namespace + "/" + e.Name
	if _, ok := a.events[key]; ok {
		return nil, apierrors.NewAlreadyExists(schema.GroupResource{Resource: "events"}, e.Name)
	}
	a.events[key] = e
	return e, nil
}

// replica writes Events until the test is over.
func (a *apiServer) replica(t *testing.T) *Events {
	t.Helper()
	e := NewEvents(EventOptions{
		Creator:  func(namespace string) EventCreator { return inNamespace{a, namespace} },
		Instance: "r", Registry: prometheus.NewRegistry(), Log: slog.New(slog.DiscardHandler),
	})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); e.Watch(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	return e
}

func (e *Events) await(t *testing.T, result string, want float64) {
	t.Helper()
	deadline, tick := time.After(time.Minute), time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		var m dto.Metric
		if err := e.written.WithLabelValues(result).Write(&m); err != nil {
			t.Fatal(err)
		}
		if m.GetCounter().GetValue() == want {
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("%v Events are %s, want %v", m.GetCounter().GetValue(), result, want)
		}
	}
}

func madeBy(ref cluster.Ref, version string) Breach {
	return Breach{
		Violation: guardrail.Violation{Guardrail: "g", Message: "a could reach b\n  opened by: x\n  to fix: " + strings.Repeat("ö", 2000)},
		By: []Cause{
			{Ref: ref, Did: "created", Write: cluster.Write{ResourceVersion: version, UID: "u"}},
			{Ref: cluster.Ref{Namespace: "other", Kind: "NetworkPolicy", Name: "n"}, Group: "networking.k8s.io", Did: "created"},
		},
	}
}

var podInShop = cluster.Ref{Namespace: "shop", Kind: "Pod", Name: "web"}

func TestReplicasWriteOneEvent(t *testing.T) {
	a := &apiServer{events: map[string]*eventsv1.Event{}}
	first, second := a.replica(t), a.replica(t)
	first.Tell(madeBy(podInShop, "7"))
	first.await(t, "created", 1)
	second.Tell(madeBy(podInShop, "7"))
	second.await(t, "exists", 1)
	second.Tell(madeBy(podInShop, "8")) // another change of the same object
	second.await(t, "created", 1)
	for key, e := range a.events {
		if !strings.HasPrefix(key, "shop/web.") || len(e.Note) > maxNote || !strings.HasPrefix(e.Note, "[g] a could reach b; opened by: x; it got in: Pod shop/web created") {
			t.Errorf("%s: %s", key, e.Note)
		}
		if e.Regarding.Kind != "Pod" || e.Regarding.APIVersion != "v1" || e.Regarding.UID != "u" || e.Related == nil || e.Related.APIVersion != "networking.k8s.io/v1" {
			t.Errorf("it is about %+v, and %+v", e.Regarding, e.Related)
		}
	}
}

// An Event has to be in the namespace of what it is about, and a Namespace is in none.
func TestNamespaceIsToldOfInItself(t *testing.T) {
	a := &apiServer{events: map[string]*eventsv1.Event{}}
	e := a.replica(t)
	e.Tell(madeBy(cluster.Ref{Kind: "Namespace", Name: "shop"}, "7"))
	e.await(t, "created", 1)
	for key, e := range a.events {
		if !strings.HasPrefix(key, "shop/shop.") || e.Regarding.Namespace != "shop" {
			t.Errorf("%s is about %+v", key, e.Regarding)
		}
	}
}

func TestEventsAreBounded(t *testing.T) {
	a := &apiServer{events: map[string]*eventsv1.Event{}}
	e := a.replica(t)
	for i := range 60 {
		e.Tell(madeBy(podInShop, string(rune('a'+i))))
	}
	e.await(t, "created", ownAtOnce)
	e.await(t, "dropped", 60-ownAtOnce)
	e.Tell(madeBy(cluster.Ref{Namespace: "quiet", Kind: "Pod", Name: "p"}, "1")) // has a share of its own
	e.await(t, "created", ownAtOnce+1)
}

func TestEventsThatFail(t *testing.T) {
	busy := apierrors.NewTooManyRequests("later", 1)
	forbidden := apierrors.NewForbidden(schema.GroupResource{Resource: "events"}, "e", errors.New("the namespace is being terminated"))
	a := &apiServer{events: map[string]*eventsv1.Event{}, fails: []error{busy, busy, forbidden}}
	e := a.replica(t)
	e.Tell(madeBy(podInShop, "1")) // busy, busy, forbidden
	e.await(t, "failed", 1)
	e.Tell(madeBy(podInShop, "2"))
	e.await(t, "created", 1)
}

// Who builds words for others to read decides what they read.
func TestWordsOfANamespace(t *testing.T) {
	a := &apiServer{events: map[string]*eventsv1.Event{}}
	e := a.replica(t)
	e.Words = func(namespace string, _ Breach) string { return "something got into " + namespace }
	if got := e.event(madeBy(podInShop, "1")).Note; got != "something got into shop" {
		t.Errorf("note: %s", got)
	}
}
