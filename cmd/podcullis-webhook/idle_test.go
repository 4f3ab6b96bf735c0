package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// A guardrail with a misspelt label shows in the log, once, and in the metrics; so
// does a netpol.
func TestIdleIsTold(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	o := defaultOptions()
	o.selfSignedDir = t.TempDir()
	o.config = write("config.yaml", `apiVersion: podcullis.io/v1alpha1
kind: Guardrails
guardrails:
- name: misspelt
  guardrail: forbidden-paths
  action: deny
  parameters: {from: {podSelector: {matchLabels: {teir: web}}}, to: {podSelector: {matchLabels: {teir: db}}}}
- name: sound
  guardrail: forbidden-paths
  action: deny
  parameters: {from: {}, to: {podSelector: {matchLabels: {tier: db}}}}
`)
	o.clusterManifests = []string{write("cluster.yaml", `apiVersion: v1
kind: Pod
metadata: {name: db, namespace: shop, labels: {tier: db}}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: typo, namespace: shop}
spec: {podSelector: {matchLabels: {tier: bd}}}
`)}
	var out bytes.Buffer
	a, err := setup(t.Context(), o, &out)
	if err != nil {
		t.Fatal(err)
	}
	families, err := a.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, f := range families {
		if strings.HasPrefix(f.GetName(), "podcullis_idle_") {
			got[f.GetName()] = f.GetMetric()[0].GetGauge().GetValue()
		}
	}
	if diff := cmp.Diff(map[string]float64{"podcullis_idle_guardrails": 1, "podcullis_idle_netpols": 1}, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	i := &idle{engine: a.guardrails.engine, model: a.model, log: a.log, said: map[string]bool{}}
	i.tell()
	i.tell()
	a.lines.Close(time.Minute) // so that all of it is written
	for _, want := range []string{
		`msg="guardrail chooses nobody" guardrail=misspelt side=from selector="podSelector teir=web"`,
		`msg="guardrail chooses nobody" guardrail=misspelt side=to selector="podSelector teir=db"`,
		`msg="netpols select no pod" count=1 new=shop/typo`,
	} {
		if n := strings.Count(out.String(), want); n != 1 {
			t.Errorf("want once %q, got %d times in:\n%s", want, n, out.String())
		}
	}
}
