package load_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/podcullis/podcullis/test/bench/load"
)

func TestQuantile(t *testing.T) {
	hundred := make(load.Latencies, 100)
	for i := range hundred {
		hundred[99-i] = time.Duration(i + 1)
	}
	for name, tt := range map[string]struct {
		reason    string
		latencies load.Latencies
		q         float64
		want      time.Duration
	}{
		"NothingMeasured":   {"no latency is no reason to panic", nil, 0.5, 0},
		"One":               {"every quantile of one value is that value", load.Latencies{7}, 0.99, 7},
		"Median":            {"half of them are not above it", hundred, 0.5, 50},
		"NinetyNine":        {"99 of 100 are not above it", hundred, 0.99, 99},
		"Longest":           {"1 is the maximum", hundred, 1, 100},
		"BetweenTwo":        {"the higher one: no latency is made up", load.Latencies{1, 100}, 0.75, 100},
		"FewerThanAHundred": {"p99 of few values is the longest", load.Latencies{3, 1, 2}, 0.99, 3},
		"InAnyOrder":        {"they come as they were measured", load.Latencies{9, 1, 5}, 0.5, 5},
	} {
		t.Run(name, func(t *testing.T) {
			if got := tt.latencies.Quantile(tt.q); got != tt.want {
				t.Errorf("Quantile(%v) = %d, want %d: %s", tt.q, got, tt.want, tt.reason)
			}
		})
	}
}

func TestMedian(t *testing.T) {
	for name, tt := range map[string]struct {
		numbers []float64
		want    float64
	}{
		"None": {nil, 0},
		"Odd":  {[]float64{3, 1, 2}, 2},
		"Even": {[]float64{4, 1, 2, 3}, 2.5},
	} {
		t.Run(name, func(t *testing.T) {
			if got := load.Median(tt.numbers); got != tt.want {
				t.Errorf("Median(%v) = %v, want %v", tt.numbers, got, tt.want)
			}
		})
	}
}

// TestOpenCountsAStallForEveryQuestion is coordinated omission: a server that
// answers at once but for one stall of a second. Time is synctest's.
func TestOpenCountsAStallForEveryQuestion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stalled := 0
		r := load.Open(t.Context(), 1, 100, 3*time.Second, func(_ context.Context, n int) error {
			if n == 100 {
				stalled++
				time.Sleep(time.Second)
			}
			return nil
		})
		var late int
		for _, l := range r.Latencies {
			if l > 0 {
				late++
			}
		}
		// Question 100 took 1 s; 101 was due 10 ms later and waited 990 ms, and so on until 199.
		if late != 100 || len(r.Latencies) != 300 || stalled != 1 {
			t.Errorf("%d of %d questions were late, want 100 of 300", late, len(r.Latencies))
		}
		if got := r.Latencies.Quantile(0.9); got < 500*time.Millisecond {
			t.Errorf("p90 = %s: the stall was left out", got)
		}
		if got := r.Latencies.Quantile(1); got != time.Second {
			t.Errorf("longest = %s, want 1s", got)
		}
	})
}

func TestOpenKeepsItsRateAgainstASlowServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		var mu sync.Mutex
		asked := map[int]time.Duration{}
		r := load.Open(t.Context(), 50, 10, time.Second, func(_ context.Context, n int) error {
			mu.Lock()
			asked[n] = time.Since(began)
			mu.Unlock()
			time.Sleep(2 * time.Second) // longer than the run
			return nil
		})
		want := map[int]time.Duration{}
		for n := range 10 {
			want[n] = time.Duration(n) * 100 * time.Millisecond
		}
		if diff := cmp.Diff(want, asked); diff != "" {
			t.Errorf("questions left at (-due +left):\n%s", diff)
		}
		if got := r.Latencies.Quantile(0.5); got != 2*time.Second {
			t.Errorf("median = %s, want 2s", got)
		}
	})
}

func TestClosedAsksOneAfterTheOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := load.Closed(t.Context(), 2, time.Second, func(context.Context, int) error {
			time.Sleep(10 * time.Millisecond)
			return nil
		})
		if got := r.PerSecond(); got != 200 {
			t.Errorf("%v answers a second, want 200: two clients, 10 ms each", got)
		}
	})
}

func TestErrorsAreNoAnswers(t *testing.T) {
	broken := errors.New("broken")
	synctest.Test(t, func(t *testing.T) {
		r := load.Open(t.Context(), 1, 10, time.Second, func(_ context.Context, n int) error {
			if n%2 == 0 {
				return broken
			}
			return nil
		})
		if r.Errors != 5 || len(r.Latencies) != 5 || !errors.Is(r.First, broken) {
			t.Errorf("%d errors (%v), %d answers; want 5 of each", r.Errors, r.First, len(r.Latencies))
		}
	})
}
