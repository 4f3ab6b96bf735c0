package rounds

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/policyreport"
)

// What a source tells is in reports and metrics, and every word has its metric while there is none.
func TestSourcesAreTold(t *testing.T) {
	s := snapshot(t, pod("shop", "web", "web"))
	e := engine(t, "\nguardrails:\n- {name: default-deny, guardrail: default-deny, action: deny}\n")
	r := roundsOf(e, still{s})
	registry := prometheus.NewRegistry()
	r.metrics = newMetrics(registry, false)
	r.Sources = []Source{func(context.Context, *cluster.Snapshot) []Remark {
		return []Remark{
			{What: notEnforced, Subject: "network", Text: "flannel ignores NetworkPolicies"},
			{What: addsNothing, Object: cluster.Ref{Namespace: "shop", Kind: "NetworkPolicy", Name: "copy"}, Text: "copy adds nothing"},
		}
	}}
	var kept policyreport.Tallies
	r.Keep = func(_ context.Context, t policyreport.Tallies) error { kept = t; return nil }
	if err := r.round(t.Context(), s, r.InForce()); err != nil {
		t.Fatal(err)
	}
	var got []string
	for namespace, tally := range kept {
		for _, x := range tally.Listed() {
			if x.Rule == "" {
				got = append(got, namespace+"/"+x.Guardrail+" "+x.Subject+x.Object.Name+": "+x.Message)
			}
		}
	}
	slices.Sort(got)
	want := []string{"/not-enforced network: flannel ignores NetworkPolicies", "shop/adds-nothing copy: copy adds nothing"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	err := testutil.GatherAndCompare(registry, strings.NewReader(`
# HELP podcullis_audit_remarks What the audit tells beside violations: chooses-nobody, expired-exemption, unmodelled-policy, not-enforced, names-nothing, adds-nothing.
# TYPE podcullis_audit_remarks gauge
podcullis_audit_remarks{remark="adds-nothing"} 1
podcullis_audit_remarks{remark="chooses-nobody"} 0
podcullis_audit_remarks{remark="expired-exemption"} 0
podcullis_audit_remarks{remark="names-nothing"} 0
podcullis_audit_remarks{remark="not-enforced"} 1
podcullis_audit_remarks{remark="unmodelled-policy"} 0
`), "podcullis_audit_remarks")
	if err != nil {
		t.Error(err)
	}
}
