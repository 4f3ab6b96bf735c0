package load

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// Result is what one run saw.
type Result struct {
	// Latencies are those of the answers; a question that failed has none.
	Latencies Latencies
	// Errors counts the questions that failed, and First is the error of one.
	Errors int
	First  error
	// Elapsed is from the first question to the last answer.
	Elapsed time.Duration
}

// PerSecond is the throughput.
func (r *Result) PerSecond() float64 { return float64(len(r.Latencies)) / r.Elapsed.Seconds() }

// Ask is one question. n counts the questions of a run, from 0, so that whoever
// asks can vary them; it is called concurrently.
type Ask func(ctx context.Context, n int) error

// Closed lets each of the clients ask again as soon as it has its answer, for a
// time.
func Closed(ctx context.Context, clients int, duration time.Duration, ask Ask) Result {
	began := time.Now()
	end := began.Add(duration)
	var next atomic.Int64
	return gather(began, clients, func(t *tally) {
		for ctx.Err() == nil && time.Now().Before(end) {
			n := int(next.Add(1)) - 1
			t.count(time.Now(), ask(ctx, n))
		}
	})
}

// Open asks at a fixed rate a second for a time, with at most so many clients at
// once. Question n is due n/rate after the start. When every client still waits
// for an answer, the next question leaves late, and its latency counts from when
// it was due all the same.
func Open(ctx context.Context, clients int, rate float64, duration time.Duration, ask Ask) Result {
	began := time.Now()
	count := int64(rate * duration.Seconds())
	var next atomic.Int64
	return gather(began, clients, func(t *tally) {
		for {
			n := next.Add(1) - 1
			if n >= count || ctx.Err() != nil {
				return
			}
			due := began.Add(time.Duration(float64(n) / rate * float64(time.Second)))
			if !waitUntil(ctx, due) {
				return
			}
			t.count(due, ask(ctx, int(n)))
		}
	})
}

func waitUntil(ctx context.Context, due time.Time) bool {
	wait := time.Until(due)
	if wait <= 0 {
		return true
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// tally is what one client saw.
type tally struct{ Result }

func (t *tally) count(since time.Time, err error) {
	if err == nil {
		t.Latencies = append(t.Latencies, time.Since(since))
		return
	}
	t.Errors++
	if t.First == nil {
		t.First = err
	}
}

// gather runs one client each in a goroutine and adds up what they saw.
func gather(began time.Time, clients int, client func(*tally)) Result {
	tallies := make([]tally, clients)
	var running sync.WaitGroup
	for i := range tallies {
		running.Go(func() { client(&tallies[i]) })
	}
	running.Wait()
	total := Result{Elapsed: time.Since(began)}
	for _, t := range tallies {
		total.Latencies = append(total.Latencies, t.Latencies...)
		total.Errors += t.Errors
		if total.First == nil {
			total.First = t.First
		}
	}
	return total
}
