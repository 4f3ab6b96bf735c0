package guardrail

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/runtime"

	"github.com/podcullis/podcullis/cluster/clustertest"
)

// crowd are workloads in a number of namespaces that may all go out, and a db that lets
// nobody in.
func crowd(namespaces, each int) []runtime.Object {
	objects := []runtime.Object{
		clustertest.Namespace("payments"),
		clustertest.Deployment("payments/db", clustertest.Labels("app=db")),
		clustertest.Netpol("payments/default-deny", "{podSelector: {}, policyTypes: [Ingress, Egress]}"),
	}
	for n := range namespaces {
		ns := fmt.Sprintf("team-%02d", n)
		objects = append(objects, clustertest.Namespace(ns))
		for w := range each {
			objects = append(objects, clustertest.Deployment(fmt.Sprintf("%s/w%d", ns, w), clustertest.Labels("app=web")))
		}
	}
	return objects
}

const onlyPayments = `apiVersion: podcullis.io/v1alpha1
kind: Guardrails
guardrails:
- name: db-is-shut
  guardrail: forbidden-paths
  action: deny
  parameters: {from: {podSelector: {matchLabels: {app: web}}}, to: {podSelector: {matchLabels: {app: db}}}}
`

// 78 workloads and one rule are one violation, with all of them in its details.
func TestOneCauseIsOneViolation(t *testing.T) {
	e, err := configure("c", onlyPayments, embedded(t))
	if err != nil {
		t.Fatal(err)
	}
	opens := clustertest.Netpol("payments/open", "{podSelector: {}, ingress: [{}]}")
	d, err := e.Evaluate(context.Background(), review(t, clustertest.Snapshot(t, crowd(13, 6)...), nil, opens))
	if err != nil {
		t.Fatal(err)
	}
	const want = "78 workloads in 13 namespaces (such as team-00/Deployment/w0, team-01/Deployment/w0 and team-02/Deployment/w0) could reach payments/Deployment/db on all ports"
	if len(d.Violations) != 1 || d.Violations[0].Summary() != want {
		t.Fatalf("got %v", d.DenialMessage())
	}
	if n := len(d.Violations[0].Each()); n != 78 || d.Count() != 78 || d.Count(Warn) != 0 {
		t.Errorf("%d connections in the details, %d counted; want 78", n, d.Count())
	}
	if got := d.Further(); len(got) != 1 || got[0] != "to see why: podcullis explain --context CONTEXT -f FILE team-00/Deployment/w0 payments/Deployment/db" {
		t.Errorf("what to type next is %q", got)
	}
}

// What is listed is bounded, and what is left out is counted.
func TestDetailsAreBounded(t *testing.T) {
	e, err := configure("c", onlyPayments, embedded(t))
	if err != nil {
		t.Fatal(err)
	}
	opens := clustertest.Netpol("payments/open", "{podSelector: {}, ingress: [{}]}")
	d, err := e.Evaluate(context.Background(), review(t, clustertest.Snapshot(t, crowd(50, 50)...), nil, opens))
	if err != nil {
		t.Fatal(err)
	}
	if v := d.Violations[0]; len(v.Each()) != maxListed || v.Count() != 2500 || !strings.HasPrefix(v.Summary(), "2500 workloads in 50 namespaces") {
		t.Errorf("%d of %d listed: %s", len(v.Each()), v.Count(), v.Summary())
	}
}

// Who compares what is found over time gets each connection by itself.
func TestInHindsightEachStandsAlone(t *testing.T) {
	e, err := configure("c", onlyPayments, embedded(t))
	if err != nil {
		t.Fatal(err)
	}
	r := review(t, clustertest.Snapshot(t, crowd(2, 3)...), nil, clustertest.Netpol("payments/open", "{podSelector: {}, ingress: [{}]}"))
	decisions, err := e.InForce().EvaluateInHindsight(context.Background(), r.Before, r.After, false, []Review{r})
	if err != nil || len(decisions) != 1 || len(decisions[0].Violations) != 6 {
		t.Fatalf("got %v, %v; want 6 violations", decisions, err)
	}
}

// A denial with very many violations is as long as a screen.
func TestALongDenialIsCut(t *testing.T) {
	for name, test := range map[string]struct{ violations, lines, reasons int }{
		"Few":      {3, 10, 6},
		"Many":     {12, 20, 6},
		"VeryMany": {40, 22, 0},
	} {
		t.Run(name, func(t *testing.T) {
			d := Decision{Subject: "NetworkPolicy shop/x"}
			for i := range test.violations {
				d.Violations = append(d.Violations, Violation{Guardrail: fmt.Sprint("g", i), Action: Deny, Message: "could\n  opened by: x\n  to fix: y"})
			}
			got := d.DenialMessage()
			if lines := strings.Count(got, "\n") + 1; lines > test.lines || strings.Count(got, "\n  ") < test.reasons {
				t.Errorf("%d lines, want at most %d with %d of reasons:\n%s", lines, test.lines, test.reasons, got)
			}
		})
	}
}
