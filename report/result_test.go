package report_test

import (
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/owenrumney/go-sarif/v3/pkg/report/v210/sarif"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/guardrail"
	"github.com/podcullis/podcullis/report"
)

func resultWithRemarks() *report.Result {
	return &report.Result{
		Findings: findings,
		Exempted: []report.Exempted{{Finding: findings[1], Exemption: "window", Reason: "moving, <100%>"}},
		Unread: []report.Unread{
			{Ref: cluster.Ref{Namespace: "s", Kind: "Prometheus.monitoring.coreos.com", Name: "main"}, Kind: "Prometheus", Location: report.Location{File: "a b.yaml", Line: 3}, Why: "why"},
			{Ref: cluster.Ref{Kind: "Thing.example.com"}, Kind: "Thing", Location: report.Location{File: "-", Line: 1}, Why: "why"},
		},
		Unmatched: []report.Unmatched{
			{Unmatched: guardrail.Unmatched{Guardrail: "db", Side: "to", Selector: "podSelector a in (b,c)"}},
			{Unmatched: guardrail.Unmatched{Netpol: cluster.Ref{Namespace: "s", Kind: "NetworkPolicy", Name: "n"}, Selector: "podSelector a=b"}, Location: report.Location{File: "n.yaml", Line: 9}},
		},
	}
}

// The schema of SARIF takes remarks, and each is a notification.
func TestRemarksSARIF(t *testing.T) {
	r := resultWithRemarks()
	text := written(t, func(w io.Writer) error { return r.SARIF(w, "v1") })
	log, err := sarif.FromString(text)
	if err != nil {
		t.Fatal(err)
	}
	if err := log.Validate(); err != nil {
		t.Error(err)
	}
	var got []string
	for _, n := range log.Runs[0].Invocations[0].ToolExecutionNotifications {
		got = append(got, n.Level+" "+*n.Descriptor.ID+" "+*n.Message.Text)
	}
	want := []string{
		"warning not-looked-at not looked at, makes pods: Prometheus.monitoring.coreos.com s/main (why)",
		"warning not-looked-at not looked at, makes pods: Thing.example.com (why)",
		"warning chooses-nobody guardrail db: to chooses no workload: podSelector a in (b,c)",
		"warning chooses-nobody NetworkPolicy s/n selects no pod: podSelector a=b",
		"note exempted exempted by window (moving, <100%>): [only, some: 100%] shop/Pod/a could reach <b> & 100%",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// Remarks are skipped cases, failed ones when they shall count, and the XML is XML.
func TestRemarksJUnit(t *testing.T) {
	for _, fail := range []bool{false, true} {
		r := resultWithRemarks()
		r.Findings, r.FailOnUnread, r.FailOnUnmatched = nil, fail, fail
		text := written(t, r.JUnit)
		if err := xml.Unmarshal([]byte(text), new(any)); err != nil && !errors.Is(err, io.EOF) {
			t.Error(err)
		}
		want := `<testsuites tests="4" failures="0" skipped="4">`
		if fail {
			want = `<testsuites tests="4" failures="4">`
		}
		if !strings.Contains(text, want) || r.Failed() != fail {
			t.Errorf("want %s, failed %v:\n%s", want, fail, text)
		}
	}
}

func TestRemarksGitHub(t *testing.T) {
	r := resultWithRemarks()
	r.Findings, r.FailOnUnread = nil, true
	want := `::error title=not-looked-at%3A Prometheus.monitoring.coreos.com s/main,file=a b.yaml,line=3::not looked at, makes pods: Prometheus.monitoring.coreos.com s/main (why)
::error title=not-looked-at%3A Thing.example.com::not looked at, makes pods: Thing.example.com (why)
::warning title=chooses-nobody%3A guardrail db::guardrail db: to chooses no workload: podSelector a in (b,c)
::warning title=chooses-nobody%3A NetworkPolicy s/n,file=n.yaml,line=9::NetworkPolicy s/n selects no pod: podSelector a=b
::notice title=exempted%3A NetworkPolicy shop/denied,file=chart/templates/netpol.yaml::exempted by window (moving, <100%25>): [only, some: 100%25] shop/Pod/a could reach <b> & 100%25
`
	if diff := cmp.Diff(want, written(t, r.GitHub)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}
