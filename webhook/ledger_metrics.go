package webhook

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// What became of the waits for changes in flight.
const (
	waitSettled = "settled"
	waitOver    = "over"
)

// ledgerMetrics count what the changes in flight cost.
type ledgerMetrics struct {
	commits  *prometheus.CounterVec
	duration prometheus.Histogram
	skipped  prometheus.Counter
	waits    *prometheus.CounterVec
	again    *prometheus.CounterVec
}

// reasonDepends is that the answer depends on a change in flight.
const reasonDepends = "depends"

func newLedgerMetrics(registerer prometheus.Registerer) ledgerMetrics {
	m := ledgerMetrics{
		commits: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "podcullis_ledger_commits_total",
			Help: "Changes that were to be allowed, by what became of writing them to the ledger: written, refused (by what was in flight meanwhile), or why not: busy, crowded, full, barrier, unavailable, behind, foreign, failed.",
		}, []string{"result"}),
		duration: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "podcullis_ledger_commit_duration_seconds",
			Help:    "Time to write an allowed change to the ledger.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1},
		}),
		skipped: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "podcullis_ledger_skipped_total",
			Help: "Pods that were allowed without a write, because their template is there and counts for them.",
		}),
		waits: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "podcullis_ledger_waits_total",
			Help: "Waits for changes in flight on which an answer depended: settled, or over (it took too long).",
		}, []string{"result"}),
		again: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "podcullis_ledger_retries_total",
			Help: "Answers that ask to try again because of changes in flight, by reason: depends (on one of them), or why an allowed change was not written.",
		}, []string{"reason"}),
	}
	for _, result := range []string{"written", "refused", "busy", "crowded", "full", "barrier", "unavailable", "behind", "foreign", "failed"} {
		m.commits.WithLabelValues(result)
		if result != "written" && result != "refused" {
			m.again.WithLabelValues(result)
		}
	}
	m.again.WithLabelValues(reasonDepends)
	for _, result := range []string{waitSettled, waitOver} {
		m.waits.WithLabelValues(result)
	}
	registerer.MustRegister(m.commits, m.duration, m.skipped, m.waits, m.again)
	return m
}

func (m *ledgerMetrics) committed(result string, took time.Duration) {
	m.commits.WithLabelValues(result).Inc()
	m.duration.Observe(took.Seconds())
}

// comesBack counts an answer that asks to try again.
func (m *ledgerMetrics) comesBack(v verdict) {
	switch {
	case v.depends != nil:
		m.again.WithLabelValues(reasonDepends).Inc()
	case v.unwritten != "":
		m.again.WithLabelValues(v.unwritten).Inc()
	}
}
