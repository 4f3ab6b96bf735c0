package review

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"
)

// allowEverything is the judge of tests whose subject must refuse on its own.
var allowEverything = admission.HandlerFunc(func(context.Context, admission.Request) admission.Response {
	return admission.Allowed("")
})

// countedMetrics returns metrics and what they show: name{label="value",...} -> value,
// counters and gauges only.
func countedMetrics(t testing.TB) (*Metrics, func() map[string]float64) {
	t.Helper()
	registry := prometheus.NewRegistry()
	return NewMetrics(registry), func() map[string]float64 {
		t.Helper()
		families, err := registry.Gather()
		if err != nil {
			t.Fatal(err)
		}
		samples := map[string]float64{}
		for _, family := range families {
			for _, metric := range family.GetMetric() {
				var labels []string
				for _, label := range metric.GetLabel() {
					labels = append(labels, fmt.Sprintf("%s=%q", label.GetName(), label.GetValue()))
				}
				value := metric.GetCounter().GetValue() + metric.GetGauge().GetValue()
				samples[fmt.Sprintf("%s{%s}", family.GetName(), strings.Join(labels, ","))] = value
			}
		}
		return samples
	}
}
