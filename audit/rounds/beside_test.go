package rounds

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/guardrail"
)

// What admission takes for one more netpol, alone and beside an audit that never rests:
// in turns, as the machine is never quite idle.
func BenchmarkAdmissionBeside(b *testing.B) {
	s, e := largeTown(b), engine(b, townRules)
	r := roundsOf(e, still{s})
	var some *cluster.Netpol
	for n := range s.AllNetpols() {
		some = n
	}
	after, err := s.Apply(cluster.Change{Before: some})
	if err != nil {
		b.Fatal(err)
	}
	review := guardrail.Presented(cluster.Change{After: some}, guardrail.Admission, time.Now())
	review.Before, review.After = after, s
	ask := func() time.Duration {
		began := time.Now()
		if _, err := e.Evaluate(b.Context(), review); err != nil {
			b.Fatal(err)
		}
		return time.Since(began)
	}
	ask()
	var alone, beside []time.Duration
	for b.Loop() {
		for range 300 {
			alone = append(alone, ask())
		}
		ctx, cancel := context.WithCancel(b.Context())
		var done sync.WaitGroup
		done.Go(func() {
			for ctx.Err() == nil {
				_ = r.round(ctx, s, e.InForce())
			}
		})
		for range 300 {
			beside = append(beside, ask())
		}
		cancel()
		done.Wait()
	}
	for name, list := range map[string][]time.Duration{"alone": alone, "beside": beside} {
		slices.Sort(list)
		b.ReportMetric(float64(list[len(list)/2].Microseconds()), "µs-p50-"+name)
		b.ReportMetric(float64(list[len(list)*99/100].Microseconds()), "µs-p99-"+name)
	}
}
