package main

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/podcullis/podcullis/guardrail/bundle"
)

// bundleMetrics tell which bundle is in force, and since when nobody knows of a newer one.
type bundleMetrics struct {
	info      *prometheus.GaugeVec
	serial    prometheus.Gauge
	activated prometheus.Gauge
	confirmed prometheus.Gauge
	failures  *prometheus.CounterVec
}

func newBundleMetrics(registry prometheus.Registerer) *bundleMetrics {
	m := &bundleMetrics{
		info: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "podcullis_bundle_info",
			Help: "The bundle in force, by its revision and the beginning of its digest. Replicas that show different ones judge differently.",
		}, []string{"revision", "digest"}),
		serial: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "podcullis_bundle_serial",
			Help: "The serial of the bundle in force; 0 if it has none.",
		}),
		activated: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "podcullis_bundle_activated_timestamp_seconds",
			Help: "When the bundle in force came into force in this process, in seconds since 1970.",
		}),
		confirmed: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "podcullis_bundle_last_success_timestamp_seconds",
			Help: "When the bundle was last asked for and what came was, or became, the one in force, in seconds since 1970; 0 if never.",
		}),
		failures: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "podcullis_bundle_failures_total",
			Help: "Bundles that were not taken, by reason; the one before stays in force.",
		}, []string{"reason"}),
	}
	for _, reason := range bundle.Reasons() {
		m.failures.WithLabelValues(string(reason)) // increase() sees the first only if there was a 0
	}
	registry.MustRegister(m.info, m.serial, m.activated, m.confirmed, m.failures)
	return m
}

func (m *bundleMetrics) inForce(b *bundle.Bundle, now time.Time) {
	m.info.Reset()
	m.info.WithLabelValues(b.Revision(), b.ShortDigest()).Set(1)
	m.serial.Set(float64(b.Manifest.Serial))
	m.activated.Set(seconds(now))
}

func seconds(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }
