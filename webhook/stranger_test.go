package webhook

import (
	"log/slog"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

func TestWhatNobodyJudgesIsAllowedWithAWarningAndCounted(t *testing.T) {
	var log strings.Builder
	registry := prometheus.NewRegistry()
	metrics := NewJudgeMetrics(registry)
	j, _, held := withLedger(t, JudgeOptions{Metrics: metrics})
	j.Log = slog.New(slog.NewTextHandler(&log, nil))
	strange := []metav1.GroupVersionKind{
		{Group: "coordination.k8s.io", Version: "v1", Kind: "Lease"},
		{Group: "coordination.k8s.io", Version: "v1", Kind: "Lease"},
		{Group: "example.com", Version: "v1", Kind: "Pod"},                  // not ours
		{Group: "crd.antrea.io", Version: "v1beta1", Kind: "NetworkPolicy"}, // nor this
	}
	for i, kind := range strange {
		for _, operation := range []string{"CREATE", "UPDATE", "DELETE", "CONNECT"} {
			r := request(t, operation, "Pod", "shop", "x", "{not: [what, it, looks, like]}", "")
			r.Kind = kind
			got := j.Handle(t.Context(), r)
			expect(t, got, 0, "")
			want := metav1.GroupKind{Group: kind.Group, Kind: kind.Kind}
			if len(got.Warnings) != 1 || !strings.HasPrefix(got.Warnings[0], want.String()+" is not a kind that Podcullis models") {
				t.Errorf("%d: warnings are %q", i, got.Warnings)
			}
		}
	}
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	counted := 0.0
	for _, f := range families {
		if f.GetName() == "podcullis_unjudged_requests_total" {
			counted = f.Metric[0].GetCounter().GetValue()
		}
	}
	if counted != float64(4*len(strange)) {
		t.Errorf("counted %v", counted)
	}
	if n := strings.Count(log.String(), "kind=Lease.coordination.k8s.io "); n != 1 {
		t.Errorf("the log names a kind %d times, want once:\n%s", n, &log)
	}
	if held.writes > 0 {
		t.Errorf("it is remembered: %v", held.entries)
	}
}

func TestStrangersAreBounded(t *testing.T) {
	var s strangers
	for i := range maxStrangers + 5 {
		s.first(schema.GroupKind{Kind: strings.Repeat("x", i)})
	}
	if len(s.named) != maxStrangers {
		t.Errorf("%d kinds are kept", len(s.named))
	}
}
