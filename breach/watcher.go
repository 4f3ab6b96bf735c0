package breach

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/time/rate"

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
	// pace is the pause after each look at the newest snapshot: what comes meanwhile is judged
	// together.
	pace = 10 * time.Millisecond
	// settling is how long a violation has to stand before it is reported. Each kind has a
	// watch of its own, and the netpol that was created before a pod may show after it.
	settling = 25 * time.Millisecond
	// ownerPatience is settling for a pod whose ReplicaSet, say, does not show yet. It is
	// what admission waits for one.
	ownerPatience = 300 * time.Millisecond
	// longestHold bounds for how long one waits for a violation to settle.
	longestHold = 5 * time.Second
	// firstLook is what one comparison may take before others go first.
	firstLook = 50 * time.Millisecond
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
	// wait, and may be called by several at a time. Nil for nobody.
	Tell     func(Breach)
	Registry prometheus.Registerer
	Log      *slog.Logger
}

// Watcher reports breaches.
type Watcher struct {
	Options
	metrics *metrics
	named   *rate.Limiter // of what is reported one by one
	telling chan Breach   // what Tell is to hear, to be worded; nil to do so at once

	settling, ownerPatience, hold, firstLook time.Duration // the constants, but in tests
	few                                      int           // is fewChanges, too

	blind string // what was said last about guardrails that cannot be judged
}

// New makes a Watcher and registers its metrics.
func New(o Options) *Watcher {
	return &Watcher{
		Options: o, metrics: newMetrics(o.Registry), named: rate.NewLimiter(namedPerSecond, namedAtOnce),
		settling: settling, ownerPatience: ownerPatience, hold: longestHold, firstLook: firstLook, few: fewChanges,
	}
}

// Watch follows the model until ctx ends. The first snapshot after the model is synced is
// what is compared with.
//
// What is compared quickly is done here, in the order in which it came. What takes longer
// goes to somebody who has the time, and so does all that is only counted.
func (w *Watcher) Watch(ctx context.Context) {
	rules := w.rules()
	if !w.Model.WaitFor(ctx, func(*cluster.Snapshot) bool { return true }) {
		return
	}
	judged := w.Model.Snapshot()
	w.telling = make(chan Breach, maxToBeTold)
	var others sync.WaitGroup
	defer others.Wait()
	others.Go(func() { w.tell(ctx) })
	others.Go(func() { w.remark(ctx, rules, judged) })
	slow := w.slowDesk()
	others.Go(func() { slow.run(ctx) })
	quick := &desk{watcher: w, quanta: []time.Duration{w.firstLook}, over: slow.takeOver}
	for {
		within, cancel := context.WithTimeout(ctx, quick.wait())
		moved := w.Model.WaitFor(within, func(s *cluster.Snapshot) bool { return s != judged })
		cancel()
		if ctx.Err() != nil {
			return
		}
		if moved {
			// What has changed until now is judged by the guardrails that were in force; then
			// come those of a reload.
			now := w.Model.Snapshot()
			quick.add(w.pieces(rules.Denying(), judged, now)...)
			judged, rules = now, w.rules()
		}
		quick.work(ctx)
		if !pause(ctx, min(pace, quick.wait())) {
			return
		}
	}
}

// slowDesk does what takes longer: first what takes little longer.
func (w *Watcher) slowDesk() *desk {
	return &desk{watcher: w, quanta: []time.Duration{2 * w.firstLook, time.Second, evaluationTime}, woken: make(chan struct{}, 1)}
}

// remark counts what somebody let in knowingly because a guardrail only warns or audits. It
// looks at what has changed since it was done, however long that took.
func (w *Watcher) remark(ctx context.Context, rules guardrail.InForce, judged *cluster.Snapshot) {
	d := w.slowDesk()
	for w.Model.WaitFor(ctx, func(s *cluster.Snapshot) bool { return s != judged }) {
		now := w.Model.Snapshot()
		d.add(w.remarks(rules.InBackground(), judged, now)...)
		judged, rules = now, w.InForce()
		if !d.finish(ctx) || !pause(ctx, remarkPace) {
			return
		}
	}
}

func (w *Watcher) remarks(rules guardrail.InForce, before, now *cluster.Snapshot) []*sighting {
	all := w.pieces(rules.Remarking(), before, now)
	for _, s := range all {
		s.counting = true
	}
	return all
}

// remarkPace is the pause after what is only counted.
const remarkPace = 10 * pace

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
// judged: the newest at which nothing was unsettled. It does one after the other what Watch
// does at once.
func (w *Watcher) Look(ctx context.Context, judged *cluster.Snapshot) *cluster.Snapshot {
	rules, since := w.rules(), judged
	d := w.slowDesk()
	for {
		now := w.Model.Snapshot()
		d.add(w.pieces(rules.Denying(), judged, now)...)
		judged = now
		d.work(ctx)
		if d.empty() || !pause(ctx, min(pace, d.wait())) {
			break
		}
	}
	d.add(w.remarks(rules, since, judged)...)
	d.finish(ctx)
	return judged
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
