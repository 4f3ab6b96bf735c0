package main

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/podcullis/podcullis/breach"
	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/guardrail"
	"github.com/podcullis/podcullis/policies"
	"github.com/podcullis/podcullis/test/bench/town"
)

// onlooked is a model that a benchmark changes.
type onlooked struct {
	mu      sync.Mutex
	now     *cluster.Snapshot
	journal []cluster.Written
}

func (o *onlooked) Snapshot() *cluster.Snapshot {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.now
}

func (o *onlooked) WaitFor(_ context.Context, is func(*cluster.Snapshot) bool) bool {
	return is(o.Snapshot())
}

func (o *onlooked) Journal() []cluster.Written { return o.journal }

func (o *onlooked) apply(b *testing.B, c cluster.Change) {
	b.Helper()
	next, err := o.now.Apply(c)
	if err != nil {
		b.Fatal(err)
	}
	o.now = next
	o.journal = append(o.journal, cluster.Written{Ref: c.Ref(), Change: c, Write: cluster.Write{Seen: time.Now()}})
	o.journal = o.journal[max(0, len(o.journal)-4096):]
}

// BenchmarkSeen is what it takes to see that a netpol has opened a forbidden path, and
// that one has not, in processor time; the time in which it settles is none.
func BenchmarkSeen(b *testing.B) {
	library, err := guardrail.LoadLibrary(guardrail.Source{Name: "embedded", FS: policies.FS})
	if err != nil {
		b.Fatal(err)
	}
	config, err := guardrail.ParseConfig("guardrails", []byte(guardrails))
	if err != nil {
		b.Fatal(err)
	}
	engine, err := guardrail.New(library, config)
	if err != nil {
		b.Fatal(err)
	}
	p := town.Plan{Seed: 1, Pods: 10_000, Namespaces: 100, Netpols: 2_000}
	base := made(b, p)
	ways, holes := pathsInto(p, 5000)
	for name, harmless := range map[string]bool{"break-in": false, "harmless": true} {
		b.Run(name, func(b *testing.B) {
			m, told := &onlooked{now: base}, 0
			w := breach.New(breach.Options{
				Model: m, InForce: engine.InForce, Tell: func(breach.Breach) { told++ }, Registry: prometheus.NewRegistry(), Log: slog.New(slog.DiscardHandler),
			})
			if !harmless {
				for _, o := range ways {
					m.apply(b, cluster.Change{After: modelOf(b, o)})
				}
			}
			judged := w.Look(b.Context(), m.Snapshot())
			cpu := clocks()["cpu"]
			began := cpu()
			n := 0
			for b.Loop() {
				m.apply(b, cluster.Change{After: modelOf(b, holes[n%len(holes)])})
				judged = w.Look(b.Context(), judged)
				n++
			}
			b.ReportMetric(float64((cpu()-began).Microseconds())/float64(n)/1000, "cpu-ms/op")
			if harmless == (told > n/2) { // some namespaces let everybody out
				b.Errorf("%d of %d were told", told, n)
			}
		})
	}
}

func modelOf(b *testing.B, o client.Object) cluster.Object {
	b.Helper()
	object, err := cluster.FromAPI(o)
	if err != nil {
		b.Fatal(err)
	}
	return object
}
