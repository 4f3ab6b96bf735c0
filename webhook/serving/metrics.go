package serving

import "github.com/prometheus/client_golang/prometheus"

// Metrics show how a server does.
type Metrics struct {
	// A vector without labels, so that a server without a certificate file shows
	// nothing rather than a reload that failed.
	certificateLoads *prometheus.GaugeVec
}

// NewMetrics makes the collectors and registers them. Like
// prometheus.MustRegister it panics if they are registered already.
func NewMetrics(registerer prometheus.Registerer) *Metrics {
	m := &Metrics{
		certificateLoads: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "podcullis_certificate_last_reload_successful",
			Help: "1 when tls.crt and tls.key are what is served, 0 when they did not load and the last good pair is.",
		}, nil),
	}
	registerer.MustRegister(m.certificateLoads)
	return m
}

func (m *Metrics) certificateLoaded(err error) {
	if m == nil {
		return
	}
	loaded := 1.0
	if err != nil {
		loaded = 0
	}
	m.certificateLoads.WithLabelValues().Set(loaded)
}
