package rounds

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/guardrail"
	"github.com/podcullis/podcullis/policyreport"
)

const (
	// debounce is how long a change waits for others that come with it.
	debounce = 500 * time.Millisecond
	// rest is how many times as long as a round takes nothing is done after it.
	rest = 4
	// glance is how often it is seen whether the guardrails are others now.
	glance = 2 * time.Second
	// again is after how long a round is repeated that could not do everything.
	again = 30 * time.Second
	// longestRound bounds one.
	longestRound = 10 * time.Minute
)

// Model is the cluster as it is now.
type Model interface {
	Snapshot() *cluster.Snapshot
	// WaitFor waits until a snapshot satisfies the condition, or ctx ends.
	WaitFor(context.Context, func(*cluster.Snapshot) bool) bool
}

// Options are what Rounds need.
type Options struct {
	Model Model
	// InForce are the guardrails as they are now.
	InForce func() guardrail.InForce
	// Unmatched lists what chooses nobody.
	Unmatched func(*cluster.Snapshot) ([]guardrail.Unmatched, error)
	// Sources tell more of a snapshot than guardrails can.
	Sources []Source
	// Interval is after how long a round is made though nothing has changed: exemptions
	// expire.
	Interval time.Duration
	// Tell hears of each violation that an earlier round did not find; it must not wait.
	// Nil for nobody.
	Tell func(guardrail.Violation, cluster.Object)
	// Keep, if set, keeps reports of what was found. After an error it is asked again.
	Keep func(context.Context, policyreport.Tallies) error
	// Seen, if set, hears after each round that judged everything how many violations each
	// guardrail has.
	Seen func(map[string]int)
	// Namespaces shows findings by namespace, too.
	Namespaces bool
	Registry   prometheus.Registerer
	Log        *slog.Logger
	// Now is by which exemptions expire.
	Now func() time.Time
}

// Rounds audit a cluster.
type Rounds struct {
	Options
	metrics *metrics
	// debounce and again are the constants, but in tests.
	debounce, again time.Duration
	// near and far are what is known of the last rounds that judged everything: by the
	// guardrails of which some namespaces can be judged alone, and by the others.
	near, far stock
	failed    string // what was said last about a round that failed
	blind     bool   // it is said that some guardrails cannot be asked
}

// New makes Rounds and registers their metrics.
func New(o Options) *Rounds {
	return &Rounds{Options: o, metrics: newMetrics(o.Registry, o.Namespaces), debounce: debounce, again: again}
}

// Watch makes rounds until ctx ends. It may be called again after that, as by a replica
// that comes to lead once more; what is shown is taken away in between.
func (r *Rounds) Watch(ctx context.Context) {
	defer r.metrics.hide()
	r.near, r.far = stock{}, stock{}
	if !r.Model.WaitFor(ctx, func(*cluster.Snapshot) bool { return true }) {
		return
	}
	for {
		judged, rules, began := r.Model.Snapshot(), r.InForce(), time.Now()
		err := r.round(ctx, judged, rules)
		if ctx.Err() != nil {
			return
		}
		r.say(err)
		due := began.Add(r.Interval)
		if soon := time.Now().Add(r.again); err != nil && soon.Before(due) {
			due = soon
		}
		if !pause(ctx, max(r.debounce, rest*time.Since(began))) || !r.wait(ctx, judged, rules, due) {
			return
		}
		if !pause(ctx, r.debounce) {
			return
		}
	}
}

// wait waits for a reason for another round; false at the end of ctx.
func (r *Rounds) wait(ctx context.Context, judged *cluster.Snapshot, rules guardrail.InForce, due time.Time) bool {
	seen := judged
	for time.Now().Before(due) && r.InForce().Same(rules) {
		within, cancel := context.WithTimeout(ctx, min(glance, max(0, time.Until(due))))
		moved := r.Model.WaitFor(within, func(s *cluster.Snapshot) bool { return s != seen })
		cancel()
		if ctx.Err() != nil {
			return false
		}
		if !moved {
			continue
		}
		if seen = r.Model.Snapshot(); matters(seen, judged) {
			return true
		}
	}
	return ctx.Err() == nil
}

// matters tells whether a finding may have come or gone: most changes of a cluster are of
// addresses and statuses.
func matters(now, judged *cluster.Snapshot) bool {
	return slices.ContainsFunc(now.ChangesSince(judged), func(c cluster.Change) bool { return !c.Idle() })
}

// round looks at all that a snapshot holds.
func (r *Rounds) round(ctx context.Context, s *cluster.Snapshot, rules guardrail.InForce) error {
	ctx, cancel := context.WithTimeout(ctx, longestRound)
	defer cancel()
	began, now := time.Now(), r.Now()
	if _, blind := rules.Judging(); len(blind) > 0 && !r.blind {
		r.blind = true
		r.Log.Info("guardrails read the object as sent, or who sends it, so that what is there is not audited by them", "guardrails", blind)
	}
	found, err := r.take(ctx, s, rules, now)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	err = errors.Join(err, r.remarks(found, s, rules, now))
	r.consult(ctx, found, s)
	r.metrics.show(found, time.Since(began), err)
	if err != nil {
		return err
	}
	if r.Seen != nil {
		by := map[string]int{}
		for k, n := range found.count {
			by[k.guardrail] += n
		}
		r.Seen(by)
	}
	if r.Keep == nil {
		return nil
	}
	return r.Keep(ctx, found.tallies)
}

// take finds what is wrong: everywhere, or where something may be other than it was found.
func (r *Rounds) take(ctx context.Context, s *cluster.Snapshot, rules guardrail.InForce, now time.Time) (*findings, error) {
	found := newFindings()
	var errs []error
	// What was there at the first round is nobody's news.
	var news tell
	if before := [2]stock{r.near, r.far}; r.Tell != nil && before[0].snapshot != nil {
		news = func(v guardrail.Violation, o cluster.Object, namespace, print string) {
			if !before[0].knows(namespace, print) && !before[1].knows(namespace, print) {
				r.Tell(v, o)
			}
		}
	}
	for _, part := range []struct {
		*stock
		rules guardrail.InForce
		local bool
	}{{&r.near, rules.Local(), true}, {&r.far, rules.Elsewhere(), false}} {
		if !part.stock.rules.Same(rules) {
			// What other guardrails found is compared with, but is not true any more.
			*part.stock = stock{rules: part.rules, snapshot: part.snapshot, spaces: part.spaces, prints: part.prints, expired: "of other guardrails"}
		}
		partly, err := part.update(ctx, s, part.local, now, news)
		errs = append(errs, err)
		for namespace, of := range part.spaces {
			if partly[namespace] == nil {
				found.join(of)
			}
		}
		for _, of := range partly {
			found.join(of)
		}
	}
	return found, errors.Join(errs...)
}

// say logs what went wrong, once for as long as it does.
func (r *Rounds) say(err error) {
	if err == nil {
		if r.failed != "" {
			r.Log.Info("audit is complete again")
		}
		r.failed = ""
		return
	}
	if text := err.Error(); text != r.failed {
		r.failed = text
		r.Log.Error("audit is incomplete", "error", err)
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
