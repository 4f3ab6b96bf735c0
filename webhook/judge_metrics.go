package webhook

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/podcullis/podcullis/guardrail"
)

// JudgeMetrics counts what the guardrails said. Guardrails are named, objects never.
type JudgeMetrics struct {
	violations *prometheus.CounterVec
	failures   *prometheus.CounterVec
	evaluation prometheus.Histogram
	unjudged   prometheus.Counter
}

// NewJudgeMetrics makes the collectors and registers them; like
// prometheus.MustRegister it panics if they are registered already.
func NewJudgeMetrics(registerer prometheus.Registerer) *JudgeMetrics {
	m := &JudgeMetrics{
		violations: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "podcullis_violations_total",
			Help: "Violations found at admission, by guardrail, its action (deny, warn, audit or exempted) and the outcome of the request (allowed, denied, would-deny).",
		}, []string{"guardrail", "action", "outcome"}),
		failures: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "podcullis_guardrail_failures_total",
			Help: "Guardrails with action warn or audit that could not be evaluated. One with action deny makes the request an error.",
		}, []string{"guardrail"}),
		evaluation: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "podcullis_evaluation_duration_seconds",
			Help:    "Time to evaluate all guardrails that match one request.",
			Buckets: []float64{.0001, .00025, .0005, .001, .0025, .005, .01, .05, .25, 2},
		}),
		unjudged: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "podcullis_unjudged_requests_total",
			Help: "Requests about kinds that neither the model nor a guardrail knows, which were allowed. The log names each kind once.",
		}),
	}
	registerer.MustRegister(m.violations, m.failures, m.evaluation, m.unjudged)
	return m
}

func (m *JudgeMetrics) evaluated(took time.Duration) { m.evaluation.Observe(took.Seconds()) }

func (m *JudgeMetrics) decided(d guardrail.Decision, outcome string) {
	for _, v := range d.Violations {
		m.violations.WithLabelValues(v.Guardrail, string(v.Action), outcome).Inc()
	}
	for _, x := range d.Exempted {
		m.violations.WithLabelValues(x.Guardrail, "exempted", outcome).Inc()
	}
	for _, f := range d.Failures {
		m.failures.WithLabelValues(f.Guardrail).Inc()
	}
}
