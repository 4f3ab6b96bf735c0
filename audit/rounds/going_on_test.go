package rounds

import (
	"context"
	"runtime"
	"runtime/debug"
	runtimemetrics "runtime/metrics"
	"sync"
	"testing"
	"time"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/test/bench/town"
)

// What one more netpol, or pod, takes after a first round, in a town of 10,000 pods.
func BenchmarkGoingOn(b *testing.B) {
	objects, err := (town.Plan{Seed: 1, Pods: 10_000, Namespaces: 100, Netpols: 1_000}).Model()
	if err != nil {
		b.Fatal(err)
	}
	s, err := cluster.New(objects...)
	if err != nil {
		b.Fatal(err)
	}
	e := engine(b, townRules)
	var netpols, pods []cluster.Object
	for o := range s.Objects() {
		switch o := o.(type) {
		case *cluster.Netpol:
			netpols = append(netpols, o)
		case *cluster.Pod:
			if !o.HostNetwork {
				pods = append(pods, o)
			}
		}
	}
	for name, list := range map[string][]cluster.Object{"netpol": netpols, "pod": pods} {
		b.Run(name, func(b *testing.B) {
			r := roundsOf(e, still{s})
			if err := r.round(b.Context(), s, e.InForce()); err != nil {
				b.Fatal(err)
			}
			n, spaces := 0, 0
			for b.Loop() {
				b.StopTimer()
				next, err := s.Apply(cluster.Change{Before: list[n*7919%len(list)]})
				if err != nil {
					b.Fatal(err)
				}
				n++
				was := r.near
				b.StartTimer()
				if err := r.round(b.Context(), next, e.InForce()); err != nil {
					b.Fatal(err)
				}
				spaces += r.near.looked
				r.near = was
			}
			b.ReportMetric(float64(spaces)/float64(n), "namespaces/op")
		})
	}
}

// BenchmarkPeak is how far the heap grows in a first round, over what the server has: with
// the memory limit that the chart sets, and looked at every millisecond.
func BenchmarkPeak(b *testing.B) {
	objects, err := (town.Plan{Seed: 1, Pods: 10_000, Namespaces: 100, Netpols: 1_000}).Model()
	if err != nil {
		b.Fatal(err)
	}
	s, err := cluster.New(objects...)
	if err != nil {
		b.Fatal(err)
	}
	e := engine(b, townRules)
	clear(objects)
	live := func() float64 {
		sample := []runtimemetrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
		runtimemetrics.Read(sample)
		return float64(sample[0].Value.Uint64())
	}
	for b.Loop() {
		debug.FreeOSMemory()
		first, peak := live(), 0.0
		ctx, cancel := context.WithCancel(b.Context())
		var looking sync.WaitGroup
		looking.Go(func() {
			for t := time.NewTicker(time.Millisecond); ctx.Err() == nil; <-t.C {
				peak = max(peak, live())
			}
		})
		r := roundsOf(e, still{s})
		if err := r.round(ctx, s, e.InForce()); err != nil {
			b.Fatal(err)
		}
		cancel()
		looking.Wait()
		runtime.GC()
		b.ReportMetric((peak-first)/1e6, "MB-peak")
		b.ReportMetric((live()-first)/1e6, "MB-kept")
		runtime.KeepAlive(r)
	}
}
