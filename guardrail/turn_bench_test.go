package guardrail

import (
	"context"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"
)

// How long does it take a short piece of work, which goes from goroutine to goroutine as a
// request does, beside a long evaluation, while something else takes the other
// processor for 5 ms of every 20, as the garbage collector does?
func BenchmarkBesideALongEvaluation(b *testing.B) {
	for name, long := range map[string]func(context.Context){
		"nothing": func(ctx context.Context) { <-ctx.Done() },
		"turns": func(ctx context.Context) {
			t := newLane().newTurn(ctx)
			defer t.end()
			for !t.Cancelled() {
				spin(20 * time.Microsecond)
			}
		},
		"yields": func(ctx context.Context) {
			for ctx.Err() == nil {
				spin(look)
				runtime.Gosched()
			}
		},
	} {
		b.Run(name, func(b *testing.B) {
			defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(2))
			ctx, cancel := context.WithCancel(b.Context())
			var others sync.WaitGroup
			others.Go(func() { long(ctx) })
			others.Go(func() {
				for ctx.Err() == nil {
					spin(5 * time.Millisecond)
					time.Sleep(15 * time.Millisecond)
				}
			})
			var took []time.Duration
			for b.Loop() {
				time.Sleep(time.Millisecond)
				began := time.Now()
				relay(10)
				took = append(took, time.Since(began))
			}
			cancel()
			others.Wait()
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "p99-µs")
			b.ReportMetric(float64(took[len(took)/2].Microseconds()), "p50-µs")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// spin works for a while.
func spin(d time.Duration) {
	for began := time.Now(); time.Since(began) < d; {
	}
}

// relay is done when so many goroutines, each begun by the one before, are.
func relay(hops int) {
	if hops == 0 {
		return
	}
	done := make(chan struct{})
	go func() {
		spin(20 * time.Microsecond)
		relay(hops - 1)
		close(done)
	}()
	<-done
}
