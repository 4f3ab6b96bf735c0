package live

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"
)

// quietWatch is an informer and what the API server says of it, both played by
// the test.
type quietWatch struct {
	mu      sync.Mutex
	version string
	newest  string
	err     error
	hangs   bool
}

func (w *quietWatch) LastSyncResourceVersion() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.version
}

func (w *quietWatch) probe(ctx context.Context, _ schema.GroupVersionResource, _ string) (string, error) {
	select {
	case <-time.After(time.Second): // as a real one takes
	case <-ctx.Done():
		return "", ctx.Err()
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.hangs {
		w.mu.Unlock()
		<-ctx.Done()
		w.mu.Lock()
		return "", ctx.Err()
	}
	return w.newest, w.err
}

func (w *quietWatch) set(change func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	change()
}

func TestTheModelsAgeIsSinceWhenItCouldBeOutOfDate(t *testing.T) {
	const normal = probePeriod + time.Second
	tests := map[string]struct {
		reason string
		fault  func(*quietWatch)
		fresh  bool
	}{
		"QuietWatch":           {"nothing happens, and the API server says so", func(*quietWatch) {}, true},
		"WatchThatKeepsUp":     {"it has delivered what the API server tells of", func(w *quietWatch) { w.newest, w.version = "11", "12" }, true},
		"VersionsAreNumbers":   {"9 is older than 11", func(w *quietWatch) { w.newest, w.version = "9", "11" }, true},
		"SilentWatch":          {"the API server knows of something that the watch does not deliver", func(w *quietWatch) { w.newest = "11" }, false},
		"NobodyAnswers":        {"connection refused", func(w *quietWatch) { w.err = errors.New("connection refused") }, false},
		"IntoTheVoid":          {"the question is lost and no error comes", func(w *quietWatch) { w.hangs = true }, false},
		"TooOld":               {"the API server cannot say any more what has happened since", func(w *quietWatch) { w.err = errors.New("too old resource version") }, false},
		"VersionIsNoNumber":    {"nothing can be compared", func(w *quietWatch) { w.newest = "a" }, false},
		"WatchThatIsNotListed": {"a first list that does not end", func(w *quietWatch) { w.version = "" }, false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				watch := &quietWatch{version: "10"}
				f := newFreshness(Options{Probe: watch.probe}, slog.New(slog.DiscardHandler))
				pods := kinds()[1]
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				q := &queue{wake: make(chan struct{}, 1)}
				q.open()
				go applyMarks(ctx, q)
				f.begin(pods.name)
				go f.follow(ctx, pods, watch, q)
				after := func(d time.Duration) time.Duration {
					time.Sleep(d) // of the bubble's clock
					synctest.Wait()
					age, _ := f.age()
					return age
				}
				if age := after(time.Minute); age > normal {
					t.Errorf("age %s of a model that is up to date", age)
				}
				watch.set(func() { test.fault(watch) })
				switch age := after(time.Minute); {
				case test.fresh && age > normal:
					t.Errorf("age %s, although %s", age, test.reason)
				case !test.fresh && age < time.Minute-normal:
					t.Errorf("age %s, although %s", age, test.reason)
				}
				watch.set(func() { watch.version, watch.newest, watch.err, watch.hangs = "12", "", nil, false })
				if age := after(probeTimeout + probePeriod + time.Second); age > normal+probeAgain {
					t.Errorf("age %s after all is well again", age)
				}
			})
		})
	}
}

// applyMarks is an applier that has nothing else to do.
func applyMarks(ctx context.Context, q *queue) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-q.wake:
		}
		for _, e := range q.take().events {
			e.applied()
		}
	}
}

func TestAnApplierThatIsStuckMakesTheModelOld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFreshness(Options{Probe: (&quietWatch{}).probe}, slog.New(slog.DiscardHandler))
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		q := &queue{wake: make(chan struct{}, 1)}
		f.begin("Pod")
		go f.follow(ctx, kinds()[1], &quietWatch{version: "10"}, q)
		time.Sleep(time.Minute)
		if age, kind := f.age(); age != time.Minute || kind != "Pod" {
			t.Errorf("age %s of kind %q, although nobody takes from the queue", age, kind)
		}
	})
}

func TestAModelWithoutAProbeHasNoAge(t *testing.T) {
	if age, kind := New(nil, Options{}).Age(); age != 0 || kind != "" {
		t.Errorf("age %s of kind %q", age, kind)
	}
}
