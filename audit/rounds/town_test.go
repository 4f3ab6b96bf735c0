package rounds

import (
	"context"
	"log/slog"
	"runtime"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/guardrail"
	"github.com/podcullis/podcullis/policies"
	"github.com/podcullis/podcullis/test/bench/town"
)

func engine(t testing.TB, config string) *guardrail.Engine {
	t.Helper()
	l, err := guardrail.LoadLibrary(guardrail.Source{Name: "embedded", FS: policies.FS})
	if err != nil {
		t.Fatal(err)
	}
	c, err := guardrail.ParseConfig("test.yaml", []byte("apiVersion: podcullis.io/v1alpha1\nkind: Guardrails\n"+config))
	if err != nil {
		t.Fatal(err)
	}
	e, err := guardrail.New(l, c)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

const townRules = `
guardrails:
- {name: default-deny, guardrail: default-deny, action: deny}
- name: frontend-never-reaches-db
  guardrail: forbidden-paths
  action: deny
  parameters:
    from: {podSelector: {matchLabels: {tier: frontend}}}
    to: {podSelector: {matchLabels: {tier: database}}}
- name: no-way-out
  guardrail: forbidden-paths
  action: warn
  parameters: {from: {podSelector: {}}, to: {cidr: 0.0.0.0/0}}
`

func largeTown(b *testing.B) *cluster.Snapshot {
	b.Helper()
	s, err := town.Plan{Seed: 1, Pods: 10_000, Namespaces: 100, Netpols: 1_000}.Snapshot()
	if err != nil {
		b.Fatal(err)
	}
	return s
}

// A town of 10,000 pods: what a round takes, and what it leaves behind.
func BenchmarkTown(b *testing.B) {
	s, e := largeTown(b), engine(b, townRules)
	r := New(Options{
		Model: still{s}, InForce: e.InForce, Unmatched: e.Unmatched, Interval: time.Hour, Registry: prometheus.NewRegistry(),
		Log: slog.New(slog.DiscardHandler), Now: time.Now,
	})
	var before, after runtime.MemStats
	for b.Loop() {
		runtime.GC()
		runtime.ReadMemStats(&before)
		r.near, r.far = stock{}, stock{}
		if err := r.round(b.Context(), s, e.InForce()); err != nil {
			b.Fatal(err)
		}
		runtime.ReadMemStats(&after)
	}
	n := 0
	for _, c := range r.metrics.shown.Load().count {
		n += c
	}
	b.ReportMetric(float64(n), "findings")
	b.ReportMetric(float64(after.TotalAlloc-before.TotalAlloc)/1e6, "MB-allocated")
	runtime.GC()
	runtime.ReadMemStats(&after)
	b.ReportMetric(float64(after.HeapAlloc)/1e6, "MB-heap-after")
}

type still struct{ s *cluster.Snapshot }

func (m still) Snapshot() *cluster.Snapshot { return m.s }

func (m still) WaitFor(_ context.Context, condition func(*cluster.Snapshot) bool) bool {
	return condition(m.s)
}
