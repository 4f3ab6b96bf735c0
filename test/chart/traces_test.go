package chart

import (
	"os"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	networkingv1 "k8s.io/api/networking/v1"
)

// The values of docs/traces.md reach the container, and let it reach the collector.
func TestValuesForTraces(t *testing.T) {
	page, err := os.ReadFile("../../docs/traces.md")
	if err != nil {
		t.Fatal(err)
	}
	_, values, _ := strings.Cut(string(page), "```yaml\n")
	values, _, _ = strings.Cut(values, "```")
	r := install(t, values)
	env := map[string]string{}
	for _, e := range one[*appsv1.Deployment](t, r).Spec.Template.Spec.Containers[0].Env {
		env[e.Name] = e.Value
	}
	if env["OTEL_EXPORTER_OTLP_ENDPOINT"] == "" || env["OTEL_TRACES_SAMPLER_ARG"] != "0.05" {
		t.Errorf("the environment is %v", env)
	}
	open := false
	for _, o := range r.objects {
		netpol, ok := o.typed.(*networkingv1.NetworkPolicy)
		if !ok {
			continue
		}
		for _, rule := range netpol.Spec.Egress {
			for _, p := range rule.Ports {
				open = open || p.Port != nil && p.Port.IntValue() == 4318
			}
		}
	}
	if !open {
		t.Error("no NetworkPolicy of the release lets it reach the collector")
	}
}
