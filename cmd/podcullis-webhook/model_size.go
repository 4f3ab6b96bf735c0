package main

import (
	"runtime"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/podcullis/podcullis/cluster"
)

// size tells how much the model holds: what the time of an answer and the memory of a
// replica follow from.
type size struct{ snapshot func() *cluster.Snapshot }

var modelObjects = prometheus.NewDesc("podcullis_model_objects",
	"What the model holds, by kind: namespaces, workloads, pods and netpols.", []string{"kind"}, nil)

// Describe is a part of prometheus.Collector.
func (size) Describe(out chan<- *prometheus.Desc) { out <- modelObjects }

// Collect is a part of prometheus.Collector.
func (s size) Collect(out chan<- prometheus.Metric) {
	var namespaces, workloads, pods, netpols int
	snapshot := s.snapshot()
	for range snapshot.Namespaces() {
		namespaces++
	}
	for w := range snapshot.AllWorkloads() {
		workloads++
		for _, v := range w.Variants {
			pods += len(v.Pods)
		}
	}
	for range snapshot.AllNetpols() {
		netpols++
	}
	for kind, n := range map[string]int{"namespaces": namespaces, "workloads": workloads, "pods": pods, "netpols": netpols} {
		out <- prometheus.MustNewConstMetric(modelObjects, prometheus.GaugeValue, float64(n), kind)
	}
}

// registerBuild says which version runs, so that a dashboard shows a rollout.
func registerBuild(registry prometheus.Registerer) {
	registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name:        "podcullis_build_info",
		Help:        "1, with the version that runs, and that of Go.",
		ConstLabels: prometheus.Labels{"version": version, "goversion": runtime.Version()},
	}, func() float64 { return 1 }))
}
