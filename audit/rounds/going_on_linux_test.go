package rounds

import (
	"context"
	"runtime"
	"runtime/debug"
	runtimemetrics "runtime/metrics"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/podcullis/podcullis/cluster"
)

// What one more netpol, or pod, takes after a first round, in a town of 10,000 pods.
func BenchmarkGoingOn(b *testing.B) {
	s, e := largeTown(b), engine(b, townRules)
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
			n, spaces, took := 0, 0, time.Duration(0)
			for b.Loop() {
				b.StopTimer()
				next, err := s.Apply(cluster.Change{Before: list[n*7919%len(list)]})
				if err != nil {
					b.Fatal(err)
				}
				n++
				was := r.near
				b.StartTimer()
				began := processorTime(b)
				if err := r.round(b.Context(), next, e.InForce()); err != nil {
					b.Fatal(err)
				}
				took += processorTime(b) - began
				spaces += r.near.looked
				r.near = was
			}
			b.ReportMetric(float64(spaces)/float64(n), "namespaces/op")
			b.ReportMetric(float64(took.Microseconds())/float64(n)/1000, "cpu-ms/op")
		})
	}
}

// BenchmarkFirstRound is what a first round takes of all processors.
func BenchmarkFirstRound(b *testing.B) {
	s, e := largeTown(b), engine(b, townRules)
	var took time.Duration
	n := 0
	for b.Loop() {
		r := roundsOf(e, still{s})
		began := processorTime(b)
		if err := r.round(b.Context(), s, e.InForce()); err != nil {
			b.Fatal(err)
		}
		took += processorTime(b) - began
		n++
	}
	b.ReportMetric(took.Seconds()/float64(n), "cpu-s/op")
}

// BenchmarkPeak is how far the heap grows in a first round over what there is, looked at every
// millisecond.
func BenchmarkPeak(b *testing.B) {
	s, e := largeTown(b), engine(b, townRules)
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

// processorTime is what the process has had: a busy machine does not lengthen it.
func processorTime(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
