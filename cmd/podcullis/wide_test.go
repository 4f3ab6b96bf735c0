package main

import (
	"slices"
	"testing"
	"time"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/cluster/clustertest"
	"github.com/podcullis/podcullis/doctor"
	"github.com/podcullis/podcullis/guardrail"
	"github.com/podcullis/podcullis/policies"
)

// Doctor and the guardrail least-privilege say the same of the same NetworkPolicy.
func TestDoctorFindsWhatLeastPrivilegeFinds(t *testing.T) {
	l, err := guardrail.LoadLibrary(guardrail.Source{Name: "embedded", FS: policies.FS})
	if err != nil {
		t.Fatal(err)
	}
	c, err := guardrail.ParseConfig("test.yaml", []byte("apiVersion: podcullis.io/v1alpha1\nkind: Guardrails\nguardrails:\n- {name: wide, guardrail: least-privilege, action: deny}\n"))
	if err != nil {
		t.Fatal(err)
	}
	e, err := guardrail.New(l, c)
	if err != nil {
		t.Fatal(err)
	}
	const isolated = "{podSelector: {}, policyTypes: [Ingress, Egress]}"
	for name, tt := range map[string]struct {
		reason  string
		spec    string
		without bool // a neighbour that nothing isolates
		want    int
	}{
		"Narrow":         {reason: "it names everything", spec: "{podSelector: {matchLabels: {app: db}}, ingress: [{from: [{podSelector: {matchLabels: {app: web}}}], ports: [{port: 5432}]}]}"},
		"EveryPort":      {reason: "the container shows its port", spec: "{podSelector: {matchLabels: {app: db}}, ingress: [{from: [{podSelector: {matchLabels: {app: web}}}]}]}", want: 1},
		"EveryNamespace": {reason: "only web calls it", spec: "{podSelector: {matchLabels: {app: db}}, ingress: [{from: [{namespaceSelector: {}}], ports: [{port: 5432}]}]}", want: 1},
		"Anybody":        {reason: "addresses, too", spec: "{podSelector: {matchLabels: {app: db}}, ingress: [{ports: [{port: 5432}]}]}", want: 1},
		"NobodyKnown":    {reason: "another pod may call whom it likes", spec: "{podSelector: {matchLabels: {app: db}}, ingress: [{from: [{namespaceSelector: {}}], ports: [{port: 5432}]}]}", without: true},
		"Names":          {reason: "everybody asks for names", spec: "{podSelector: {}, policyTypes: [Egress], egress: [{to: [{namespaceSelector: {}}], ports: [{port: 53, protocol: UDP}]}]}"},
		"TheWorld":       {reason: "whom a pod calls outside is not known", spec: "{podSelector: {matchLabels: {app: db}}, policyTypes: [Egress], egress: [{to: [{ipBlock: {cidr: 0.0.0.0/0}}], ports: [{port: 443}]}]}"},
		"TwoRules":       {reason: "each counts", spec: "{podSelector: {matchLabels: {app: db}}, ingress: [{from: [{podSelector: {}}]}, {from: [{namespaceSelector: {}}], ports: [{port: 5432}]}]}", want: 2},
	} {
		t.Run(name, func(t *testing.T) {
			s := clustertest.Snapshot(
				t, clustertest.Namespace("shop"),
				clustertest.Deployment("shop/db", clustertest.Labels("app=db"), clustertest.Port("pg", 5432, "TCP")),
				clustertest.Deployment("shop/web", clustertest.Labels("app=web"), clustertest.Port("http", 8080, "TCP")),
				clustertest.Netpol("shop/all", isolated),
				clustertest.Netpol("shop/web", "{podSelector: {matchLabels: {app: web}}, policyTypes: [Egress], egress: [{to: [{podSelector: {matchLabels: {app: db}}}], ports: [{port: 5432}]}]}"),
				clustertest.Netpol("shop/judged", tt.spec),
			)
			if tt.without {
				s = clustertest.Apply(t, s, clustertest.Create(t, clustertest.Deployment("other/stranger"))...)
			}
			var told []string
			for n := range s.AllNetpols() {
				if n.Name == "judged" {
					told = doctor.Wide(s, n)
				}
			}
			judged := slices.Collect(func(yield func(guardrail.Review) bool) {
				for o := range s.Objects() {
					if o.Ref().Name == "judged" {
						yield(guardrail.Presented(cluster.Change{After: o}, guardrail.Audit, time.Now()))
					}
				}
			})
			found := 0
			if err := e.InForce().Inventory(t.Context(), s, nil, slices.Values(judged), func(_ *guardrail.Review, d guardrail.Decision) { found += len(d.Violations) }); err != nil {
				t.Fatal(err)
			}
			if len(told) != tt.want || found != tt.want {
				t.Errorf("%s: doctor tells %q, the guardrail finds %d, want %d", tt.reason, told, found, tt.want)
			}
		})
	}
}
