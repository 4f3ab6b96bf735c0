package rounds

import (
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// maxNamespaces bounds the series of findings by namespace.
const maxNamespaces = 1000

// metrics show one round as a whole: who scrapes while the next one comes sees the one or
// the other.
type metrics struct {
	byNamespace bool
	shown       atomic.Pointer[shown]
	rounds      *prometheus.CounterVec

	findings, namespaces, remarks, exempted, duration, last *prometheus.Desc
}

// shown is what a round found. Replicas that do not audit show nothing.
type shown struct {
	count    map[kind]int
	remarks  map[string]int
	exempted int
	took     time.Duration
	complete time.Time // the last round that judged everything
}

func newMetrics(r prometheus.Registerer, byNamespace bool) *metrics {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc(name, help, labels, nil)
	}
	m := &metrics{
		byNamespace: byNamespace,
		findings:    desc("podcullis_audit_findings", "Violations that are in the cluster now, by guardrail, its action and severity. Shown by the replica that audits.", "guardrail", "action", "severity"),
		namespaces:  desc("podcullis_audit_namespace_findings", "Violations that are in a namespace now, by guardrail (--audit-namespaces); at most 1,000 namespaces.", "namespace", "guardrail"),
		remarks:     desc("podcullis_audit_remarks", "What the audit tells beside violations: chooses-nobody, expired-exemption, unmodelled-policy, not-enforced, names-nothing, adds-nothing.", "remark"),
		exempted:    desc("podcullis_audit_exempted", "Violations in the cluster that an exemption lets pass."),
		duration:    desc("podcullis_audit_duration_seconds", "How long the last round of the audit took."),
		last:        desc("podcullis_audit_last_complete_timestamp_seconds", "When a round of the audit last judged everything."),
		rounds: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "podcullis_audit_rounds_total",
			Help: "Rounds of the audit, by result: complete, or incomplete when something could not be judged.",
		}, []string{"result"}),
	}
	m.rounds.WithLabelValues("complete")
	m.rounds.WithLabelValues("incomplete")
	r.MustRegister(m, m.rounds)
	return m
}

// Describe implements prometheus.Collector.
func (m *metrics) Describe(c chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{m.findings, m.remarks, m.exempted, m.duration, m.last} {
		c <- d
	}
	if m.byNamespace {
		c <- m.namespaces
	}
}

// Collect implements prometheus.Collector.
func (m *metrics) Collect(c chan<- prometheus.Metric) {
	s := m.shown.Load()
	if s == nil {
		return
	}
	gauge := func(d *prometheus.Desc, value float64, labels ...string) {
		c <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
	}
	all, spaces, names := map[[3]string]int{}, map[[2]string]int{}, map[string]bool{}
	for k, n := range s.count {
		all[[3]string{k.guardrail, k.action, k.severity}] += n
		if k.namespace != "" && (names[k.namespace] || len(names) < maxNamespaces) {
			names[k.namespace] = true
			spaces[[2]string{k.namespace, k.guardrail}] += n
		}
	}
	for k, n := range all {
		gauge(m.findings, float64(n), k[:]...)
	}
	if m.byNamespace {
		for k, n := range spaces {
			gauge(m.namespaces, float64(n), k[:]...)
		}
	}
	for _, what := range told() {
		gauge(m.remarks, float64(s.remarks[what]), what)
	}
	gauge(m.exempted, float64(s.exempted))
	gauge(m.duration, s.took.Seconds())
	if !s.complete.IsZero() {
		gauge(m.last, float64(s.complete.Unix()))
	}
}

// show takes the place of what the last round showed.
func (m *metrics) show(f *findings, took time.Duration, err error) {
	s := &shown{count: f.count, remarks: f.remarks, exempted: f.exempted, took: took}
	result := "incomplete"
	if err == nil {
		result, s.complete = "complete", time.Now()
	} else if old := m.shown.Load(); old != nil {
		s.complete = old.complete
	}
	m.shown.Store(s)
	m.rounds.WithLabelValues(result).Inc()
}

// hide shows nothing any more: another replica does.
func (m *metrics) hide() { m.shown.Store(nil) }
