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
	claims     *prometheus.CounterVec
	owners     *prometheus.CounterVec
	unjudged   prometheus.Counter
	ledgerMetrics
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
		claims: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "podcullis_claims_total",
			Help: "Changes whose answer depended on whether the user may act for the object's owner, a custom resource: believed, refused, or failed (it could not be asked, so it was not believed).",
		}, []string{"answer"}),
		owners: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "podcullis_owner_waits_total",
			Help: "Changes whose answer depended on an owner that was not known yet: seen after a moment, or missing (answered 429).",
		}, []string{"result"}),
		unjudged: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "podcullis_unjudged_requests_total",
			Help: "Requests about kinds that neither the model nor a guardrail knows, which were allowed. The log names each kind once.",
		}),
	}
	for _, answer := range []string{claimBelieved, claimRefused, claimFailed} {
		m.claims.WithLabelValues(answer)
	}
	for _, result := range []string{ownerSeen, ownerMissing} {
		m.owners.WithLabelValues(result)
	}
	m.ledgerMetrics = newLedgerMetrics(registerer)
	registerer.MustRegister(m.violations, m.failures, m.evaluation, m.unjudged, m.claims, m.owners)
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
