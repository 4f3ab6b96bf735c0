package breach

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"
)

// desk does comparisons, one at a time. Each has a little time at first; what does not get
// done in that waits until all others have had theirs, and has more then. So a large
// comparison does not hold up small ones, and all together take at most a third longer
// than if they were done one by one.
type desk struct {
	watcher *Watcher
	// quanta are how long a comparison may take at its first try, at the next one, ...
	quanta []time.Duration
	// over, if set, takes over what takes longer than the last of them; else that is given up.
	over  func(*sighting)
	woken chan struct{}

	mu    sync.Mutex
	waits []*sighting
}

// maxWaiting bounds how many comparisons wait; maxToBeTold, how many breaches wait for words.
const (
	maxWaiting  = 4096
	maxToBeTold = 1000
)

// idle is how long there is nothing to do at a desk without anything on it.
const idle = time.Hour

func (d *desk) add(all ...*sighting) {
	d.mu.Lock()
	left := max(0, maxWaiting-len(d.waits))
	d.waits = append(d.waits, all[:min(left, len(all))]...)
	d.mu.Unlock()
	for _, s := range all[min(left, len(all)):] {
		s.giveUp(errors.New("too much waits to be judged"))
	}
	if d.woken != nil {
		select {
		case d.woken <- struct{}{}:
		default:
		}
	}
}

// takeOver takes what took too long for somebody else, each change of it by itself: one of
// them may be what takes so long.
func (d *desk) takeOver(s *sighting) {
	s.rules = s.rules.InBackground()
	all := s.split(1)
	for _, one := range all {
		one.batch = &batch{before: one.before, after: one.after, pieces: 1, found: one.found}
	}
	d.add(all...)
}

func (d *desk) empty() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.waits) == 0
}

// wait is how long nothing has to be done.
func (d *desk) wait() time.Duration {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.waits) == 0 {
		return idle
	}
	first := slices.MinFunc(d.waits, func(a, b *sighting) int { return a.due.Compare(b.due) })
	return max(0, time.Until(first.due))
}

// next is what is to be done now: of what is due the one that has had least time, and then
// the oldest.
func (d *desk) next() *sighting {
	d.mu.Lock()
	defer d.mu.Unlock()
	now, at := time.Now(), -1
	for i, s := range d.waits {
		if s.due.After(now) {
			continue
		}
		if at < 0 || s.tries < d.waits[at].tries || s.tries == d.waits[at].tries && s.due.Before(d.waits[at].due) {
			at = i
		}
	}
	if at < 0 {
		return nil
	}
	s := d.waits[at]
	d.waits = slices.Delete(d.waits, at, at+1)
	return s
}

// work does what is due now.
func (d *desk) work(ctx context.Context) {
	for ctx.Err() == nil {
		s := d.next()
		if s == nil {
			return
		}
		d.do(ctx, s)
	}
}

// finish does all there is; false at the end of ctx.
func (d *desk) finish(ctx context.Context) bool {
	for !d.empty() {
		d.work(ctx)
		if !d.empty() && !pause(ctx, d.wait()) {
			return false
		}
	}
	return ctx.Err() == nil
}

// run does what comes until ctx ends.
func (d *desk) run(ctx context.Context) {
	for {
		d.work(ctx)
		t := time.NewTimer(d.wait())
		select {
		case <-ctx.Done():
			t.Stop()
			return
		case <-d.woken:
		case <-t.C:
		}
		t.Stop()
	}
}

func (d *desk) do(ctx context.Context, s *sighting) {
	wait, err := s.look(ctx, d.quanta[s.tries])
	switch {
	case ctx.Err() != nil:
	case errors.Is(err, errTooLong):
		d.later(s)
	case errors.Is(err, errTooMany):
		size := d.watcher.few
		if len(s.changes) <= size {
			size = 1
		}
		d.add(s.split(size)...)
	case err != nil && s.failed < retries:
		s.failed++
		s.due = time.Now().Add(retryPause)
		d.add(s)
	case err != nil:
		s.giveUp(err)
	case wait > 0:
		s.due = time.Now().Add(wait)
		d.add(s)
	}
}

// later is for what was not done in its time.
func (d *desk) later(s *sighting) {
	if s.tries++; s.tries < len(d.quanta) {
		d.add(s)
		return
	}
	s.tries = 0
	switch parts := s.split(1); {
	case d.over != nil:
		d.over(s)
	case len(parts) > 1:
		d.add(parts...)
	default:
		s.giveUp(errTooLong)
	}
}
