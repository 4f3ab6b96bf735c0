package breach

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Why a violation that is there is no breach.
const (
	whyAction    = "action"    // the guardrail only warns or audits
	whyDryRun    = "mode"      // --mode audit
	whyExempted  = "exempted"  // an exemption covers it
	whyExcluded  = "excluded"  // it is within excluded namespaces
	whyUnmatched = "unmatched" // the guardrail's match leaves the change out
	whyOwner     = "owner"     // it depends on who acts for a custom resource, which is not known afterwards
)

type metrics struct {
	seen     *prometheus.CounterVec
	knowing  *prometheus.CounterVec
	delay    prometheus.Histogram
	unjudged prometheus.Counter
}

func newMetrics(r prometheus.Registerer) *metrics {
	m := &metrics{
		seen: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "podcullis_violations_seen_total",
			Help: "Violations that appeared in the cluster though a guardrail denies them. Every replica sees each: use max, not sum.",
		}, []string{"guardrail"}),
		knowing: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "podcullis_violations_seen_allowed_total",
			Help: "Violations that appeared in the cluster and were let in knowingly, by why: action (warn or audit), mode (audit), exempted, excluded, unmatched, or owner (it depends on who acts for a custom resource).",
		}, []string{"guardrail", "why"}),
		delay: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "podcullis_violation_seen_delay_seconds",
			Help:    "From the watch event that made a violation to its report.",
			Buckets: []float64{.03, .04, .05, .06, .075, .1, .25, .5, 1, 5},
		}),
		unjudged: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "podcullis_seen_failures_total",
			Help: "Comparisons of the cluster with what it was that could not be made: violations in them are not seen.",
		}),
	}
	r.MustRegister(m.seen, m.knowing, m.delay, m.unjudged)
	return m
}

// begin shows the guardrails with 0: increase() does not see a first event.
func (m *metrics) begin(guardrails []string) {
	for _, g := range guardrails {
		m.seen.WithLabelValues(g)
	}
}

func (m *metrics) report(b *Breach) {
	m.seen.WithLabelValues(b.Guardrail).Inc()
	if b.Delay > 0 {
		m.delay.Observe(b.Delay.Seconds())
	}
}

func since(t time.Time) time.Duration {
	if t.IsZero() {
		return 0
	}
	return time.Since(t)
}
