package main

import (
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/cluster/clustertest"
)

func TestModelSize(t *testing.T) {
	s := clustertest.Snapshot(t, clustertest.Namespace("a"), clustertest.Namespace("b"),
		clustertest.Deployment("a/web"), clustertest.Pod("a/one"), clustertest.Pod("b/two"),
		clustertest.Netpol("a/deny", `{podSelector: {}}`))
	registry := prometheus.NewRegistry()
	registry.MustRegister(size{func() *cluster.Snapshot { return s }})
	families, err := registry.Gather()
	if err != nil || len(families) != 1 {
		t.Fatal(families, err)
	}
	got := map[string]float64{}
	for _, m := range families[0].GetMetric() {
		got[m.GetLabel()[0].GetValue()] = m.GetGauge().GetValue()
	}
	for kind, want := range map[string]float64{"namespaces": 2, "workloads": 3, "pods": 2, "netpols": 1} {
		if got[kind] != want {
			t.Errorf("%s: %v, want %v", kind, got[kind], want)
		}
	}
}
