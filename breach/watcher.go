package breach

import (
	"context"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/guardrail"
)

// Model is the cluster as it is now.
type Model interface {
	Snapshot() *cluster.Snapshot
	// WaitFor waits until a snapshot satisfies the condition, or ctx ends.
	WaitFor(context.Context, func(*cluster.Snapshot) bool) bool
	// Journal lists the newest changes, the oldest first.
	Journal() []cluster.Written
}

const (
	// pace is the pause after each comparison: what comes meanwhile is judged together.
	pace = 10 * time.Millisecond
	// settling is how long a violation has to stand before it is reported. Each kind has a
	// watch of its own, and the netpol that was created before a pod may show after it.
	settling = 25 * time.Millisecond
	// ownerPatience is settling for a pod whose ReplicaSet, say, does not show yet. It is
	// what admission waits for one.
	ownerPatience = 300 * time.Millisecond
	// longestHold bounds for how long later changes are compared with the same snapshot.
	longestHold = 5 * time.Second
	// evaluationTime bounds one comparison.
	evaluationTime = 10 * time.Second
	// retries is how often a comparison that could not be made is tried again.
	retries    = 3
	retryPause = 200 * time.Millisecond
)

// Options are what a Watcher needs.
type Options struct {
	Model Model
	// InForce are the guardrails as they are now.
	InForce func() guardrail.InForce
	// DryRun is set when admission denies nothing: then nothing is a breach.
	DryRun bool
	// Tell hears of breaches at once, of those that one change made together; it must not
	// wait. Nil for nobody.
	Tell     func(Breach)
	Registry prometheus.Registerer
	Log      *slog.Logger
}

// Watcher reports breaches.
type Watcher struct {
	Options
	metrics *metrics

	settling, ownerPatience, hold time.Duration // the constants, but in tests
	blind                         string        // what was said last about guardrails that cannot be judged
}

// New makes a Watcher and registers its metrics.
func New(o Options) *Watcher {
	return &Watcher{Options: o, metrics: newMetrics(o.Registry), settling: settling, ownerPatience: ownerPatience, hold: longestHold}
}

// Watch follows the model until ctx ends. The first snapshot after the model is synced is
// what is compared with.
func (w *Watcher) Watch(ctx context.Context) {
	rules := w.rules()
	if !w.Model.WaitFor(ctx, func(*cluster.Snapshot) bool { return true }) {
		return
	}
	judged := w.Model.Snapshot()
	for {
		if !w.Model.WaitFor(ctx, func(s *cluster.Snapshot) bool { return s != judged }) {
			return
		}
		// What has changed until now is judged by the guardrails that were in force; then
		// come those of a reload.
		judged = w.look(ctx, rules, judged)
		rules = w.rules()
		if !pause(ctx, pace) {
			return
		}
	}
}

// rules are the guardrails in force. Each has its metric from the start.
func (w *Watcher) rules() guardrail.InForce {
	rules := w.InForce()
	names, blind := rules.Judging()
	w.metrics.begin(names)
	if said := list(blind); said != w.blind {
		w.blind = said
		if said != "" {
			w.Log.Info("guardrails read the request, so what gets in past them is not seen afterwards", "guardrails", said)
		}
	}
	return rules
}

// Look judges what has changed since a snapshot, and returns the one up to which all is
// judged: the newest at which nothing was unsettled.
func (w *Watcher) Look(ctx context.Context, judged *cluster.Snapshot) *cluster.Snapshot {
	return w.look(ctx, w.rules(), judged)
}

func (w *Watcher) look(ctx context.Context, rules guardrail.InForce, judged *cluster.Snapshot) *cluster.Snapshot {
	s := &sighting{watcher: w, rules: rules, first: map[key]time.Time{}, said: map[key]bool{}, opened: time.Now()}
	failed := 0
	for {
		now := w.Model.Snapshot()
		wait, err := s.look(ctx, judged, now)
		switch {
		case ctx.Err() != nil:
			return now
		case err != nil && failed < retries:
			failed++
			wait = retryPause
		case err != nil:
			w.metrics.unjudged.Inc()
			w.Log.Error("what changed in the cluster could not be judged afterwards, violations in it are not seen", "error", err)
			return now
		case wait == 0:
			return now
		}
		if !pause(ctx, wait) {
			return now
		}
	}
}

// pause is false at the end of ctx.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
