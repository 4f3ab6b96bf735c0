package e2e

import (
	"context"
	"strings"
	"testing"

	"github.com/podcullis/podcullis/test/controlplane"
	"github.com/podcullis/podcullis/test/server"
)

func TestAuditModeLetsAllPassAndTells(t *testing.T) {
	c := start(t)
	g := c.gate(t, gateOptions{args: []string{"--mode", "audit"}})
	c.shop(t)
	frontend := c.awaitPods(t, "shop", "app=frontend", 1)[0]
	for _, change := range []change{
		{"audit-netpol-create", netpol("audit-open", `podSelector: {matchLabels: {app: db}}`, `ingress: [{}]`), "create -f -"},
		{"audit-pod-relabel", "", "label " + frontend + " app=backend --overwrite"},
		{"audit-default-deny-delete", "", "delete networkpolicy default-deny"},
		{"audit-pod-host-network", strings.Replace(pod("host", `{app: host}`, "shop"), "spec: {", "spec: {hostNetwork: true, ", 1), "create -f -"},
	} {
		t.Run(change.name, func(t *testing.T) {
			_, stderr, err := c.Kubectl(t.Context(), change.stdin, append([]string{"-n", "shop"}, strings.Fields(change.args)...)...)
			if err != nil {
				t.Fatal(err)
			}
			golden(t, change.name, stderr)
		})
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	event, err := c.AwaitAuditEvent(ctx, func(e controlplane.AuditEvent) bool {
		return e.ObjectRef.Resource == "networkpolicies" && e.Verb == "create" && strings.Contains(e.RequestURI, "shop") &&
			e.Annotations[webhookName+"/decision"] == "would-deny"
	})
	if err != nil {
		t.Fatal(err)
	}
	if event.ResponseStatus.Code != 201 {
		t.Errorf("audit event: answered %d, want 201", event.ResponseStatus.Code)
	}
	golden(t, "audit-annotation", event.Annotations[webhookName+"/violations"]+"\n")
	metrics, err := server.Get(t.Context(), "http://"+g.metrics+"/metrics")
	if err != nil {
		t.Fatal(err)
	}
	for _, guardrail := range []string{"default-deny", "only-backend-reaches-db"} {
		if want := `podcullis_violations_total{action="deny",guardrail="` + guardrail + `",outcome="would-deny"}`; !strings.Contains(metrics, want) {
			t.Errorf("metrics: want %s", want)
		}
	}
}

func TestDenialIsInTheAuditLog(t *testing.T) {
	c := start(t)
	c.namespace(t, "shop")
	c.gate(t, gateOptions{})
	c.refused(t, "denial-in-audit-log", pod("unprotected", "{app: unprotected}", "shop"), "create", "-f", "-")
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	event, err := c.AwaitAuditEvent(ctx, func(e controlplane.AuditEvent) bool {
		return e.ObjectRef.Resource == "pods" && e.ResponseStatus.Code == 403 && strings.Contains(e.ResponseStatus.Message, "unprotected")
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := event.Annotations[webhookName+"/decision"]; got != "denied" {
		t.Errorf("audit annotation of the decision: %q, want denied; all: %v", got, event.Annotations)
	}
}
