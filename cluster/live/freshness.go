package live

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/util/resourceversion"
)

const (
	probePeriod = 3 * time.Second
	// probeTimeout is for one question, which an API server answers in a second,
	// and for the watch to come up with what the answer tells.
	probeTimeout = 5 * time.Second
	probePoll    = 20 * time.Millisecond
	probeAgain   = 500 * time.Millisecond // after a question that confirmed nothing
)

// freshness knows since when the model could be out of date.
//
// A watch that is cut off looks like a quiet one: the API server sends bookmarks
// about once a minute only, and a connection into the void needs 45 s to be
// given up (http2 ReadIdleTimeout and PingTimeout in apimachinery). So each kind
// is asked for on its own, all the time: has anything happened after the last
// resourceVersion that its watch has delivered? When the answer is no, or when
// the watch comes up with it, the model was complete at the moment of asking.
// That holds whatever carries the watch and the question, the same connection
// or two, directly or through a proxy: a question that is lost confirms nothing,
// and one that gets through tells of what the watch has withheld.
type freshness struct {
	probe  Probe
	period time.Duration
	log    *slog.Logger

	mu       sync.Mutex
	complete map[string]time.Time // by kind: what was stored before is in the model
	failures map[string]string    // by kind: why the last question confirmed nothing
}

// versioned is a watch that knows how far it has come, bookmarks counted:
// toolscache.Reflector. What came before that is in the queue.
type versioned interface{ LastSyncResourceVersion() string }

var errNotListed = errors.New("not listed yet")

func newFreshness(opts Options, log *slog.Logger) *freshness {
	f := &freshness{
		probe: opts.Probe, period: opts.ProbePeriod, log: log,
		complete: map[string]time.Time{}, failures: map[string]string{},
	}
	if f.period <= 0 {
		f.period = probePeriod
	}
	return f
}

// follow asks about one kind until ctx ends. What is confirmed counts once the
// applier has come by the queue's end.
func (f *freshness) follow(ctx context.Context, k kind, watch versioned, q *queue) {
	for {
		asked := time.Now()
		err := f.ask(ctx, k, watch)
		if ctx.Err() != nil {
			return
		}
		if !errors.Is(err, errNotListed) { // it is not expected to know anything yet
			f.report(k.name, err)
		}
		pause := f.period
		if err == nil {
			q.put(event{applied: func() { f.confirm(k.name, asked) }})
		} else {
			pause = min(pause, probeAgain)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
	}
}

// ask returns nil when the watch has told all that was stored before the call.
func (f *freshness) ask(ctx context.Context, k kind, watch versioned) error {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	since := watch.LastSyncResourceVersion()
	if since == "" {
		return errNotListed
	}
	resource := k.resource
	if k.other != nil {
		resource = k.other.now(resource)
	}
	newest, err := f.probe(ctx, resource, since)
	if k.other != nil && since == notServed && errors.Is(err, errNotServed) {
		return nil // its definition is not there, and so are no objects
	}
	if err != nil || newest == "" {
		return err
	}
	for {
		reached, err := resourceversion.CompareResourceVersion(watch.LastSyncResourceVersion(), newest)
		if err != nil || reached >= 0 {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the watch does not deliver resourceVersion %s", newest)
		case <-time.After(probePoll):
		}
	}
}

// begin is called before the first list.
func (f *freshness) begin(k string) { f.confirm(k, time.Now()) }

func (f *freshness) confirm(k string, at time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.complete[k] = at
}

// report logs what changes: a kind that cannot be confirmed, and that it can again.
func (f *freshness) report(k string, err error) {
	f.mu.Lock()
	last, now := f.failures[k], ""
	if err != nil {
		now = err.Error()
	}
	f.failures[k] = now
	f.mu.Unlock()
	switch {
	case now == "" && last != "":
		f.log.Info("the model is up to date again", "kind", k)
	case now != "" && last == "":
		f.log.Warn("it cannot be confirmed that the model is up to date", "kind", k, "error", now)
	}
}

// age is for how long the model may be out of date, and of which kind.
func (f *freshness) age() (time.Duration, string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var age time.Duration
	var oldest string
	for kind, at := range f.complete {
		if time.Since(at) > age {
			age, oldest = time.Since(at), kind
		}
	}
	return age, oldest
}
