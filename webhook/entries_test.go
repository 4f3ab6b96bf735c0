package webhook

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	"github.com/podcullis/podcullis/cluster"
)

const (
	insideText  = "{metadata: {name: db, namespace: shop, uid: s, resourceVersion: '1'}, spec: {selector: {app: db}, ports: [{port: 5432}]}}"
	localText   = "{metadata: {name: db, namespace: shop, uid: s, resourceVersion: '1'}, spec: {type: LoadBalancer, externalTrafficPolicy: Local, selector: {app: db}, ports: [{port: 5432}]}}"
	ingressText = "{metadata: {name: db, namespace: shop, uid: i}, spec: {defaultBackend: {service: {name: db, port: {number: 5432}}}}}"
	routeText   = "{metadata: {name: db, namespace: shop, uid: r}, spec: {rules: [{backendRefs: [{name: db, port: 5432}]}]}}"
	worldText   = "{metadata: {name: world, namespace: shop, uid: w}, spec: {podSelector: {matchLabels: {app: db}}, ingress: [{from: [{ipBlock: {cidr: 0.0.0.0/0}}]}]}}"
)

func entryRequest(t *testing.T, operation, kind, version, object, old string) admission.Request {
	t.Helper()
	r := request(t, operation, "NetworkPolicy", "shop", "db", object, old)
	r.Kind = metav1.GroupVersionKind{Version: version, Kind: kind}
	r.Resource = metav1.GroupVersionResource{Version: version, Resource: "services"}
	switch kind {
	case "Ingress":
		r.Kind.Group, r.Resource.Group, r.Resource.Resource = "networking.k8s.io", "networking.k8s.io", "ingresses"
	case "HTTPRoute":
		r.Kind.Group, r.Resource.Group, r.Resource.Resource = "gateway.networking.k8s.io", "gateway.networking.k8s.io", "httproutes"
	}
	return r
}

func TestWhatARequestChangesOfEntries(t *testing.T) {
	tests := map[string]struct {
		kind, version, operation string
		subresource              string
		object, old              string
		before, after            bool
		err                      string
	}{
		"ServiceComes":          {kind: "Service", operation: "CREATE", object: insideText, after: true},
		"ServiceChanges":        {kind: "Service", operation: "UPDATE", object: localText, old: insideText, before: true, after: true},
		"ServiceGoes":           {kind: "Service", operation: "DELETE", old: insideText, before: true},
		"LastFinalizerGoes":     {kind: "Service", operation: "UPDATE", object: "{metadata: {name: db, namespace: shop, deletionTimestamp: '2026-11-24T00:00:00Z'}}", old: insideText, before: true},
		"Status":                {kind: "Service", operation: "UPDATE", subresource: "status", object: localText, old: insideText},
		"WhatWasStoredIsNoneOf": {kind: "Service", operation: "UPDATE", object: insideText, old: "{metadata: {name: db}, spec: {ports: [{port: 0}]}}", after: true},
		"Ingress":               {kind: "Ingress", operation: "CREATE", object: ingressText, after: true},
		"RouteOfAnyVersion":     {kind: "HTTPRoute", version: "v1beta1", operation: "CREATE", object: routeText, after: true},
		"AnotherVersion":        {kind: "Ingress", version: "v2", operation: "CREATE", object: ingressText, err: `request.kind: version "v2" of Ingress is not understood, want v1: register the webhook with matchPolicy Equivalent`},
		"NoObject":              {kind: "Service", operation: "CREATE", err: "request.object: missing, and CREATE needs it"},
		"NoOldObject":           {kind: "Service", operation: "DELETE", err: "request.oldObject: missing, and DELETE needs it"},
		"NoName":                {kind: "Service", operation: "CREATE", object: "{metadata: {namespace: shop}}", err: "request.object.metadata.name: missing"},
		"OtherNamespace":        {kind: "HTTPRoute", operation: "CREATE", object: "{metadata: {name: db, namespace: other}}", err: `request.object.metadata.namespace: "other", but request.namespace is "shop"`},
		"NoSuchOperation":       {kind: "Service", operation: "CONNECT", err: `operation "CONNECT" is not one that Podcullis judges: want CREATE, UPDATE or DELETE`},
		"PortOutOfRange":        {kind: "Service", operation: "CREATE", object: "{metadata: {name: db}, spec: {ports: [{port: 70000}]}}", err: "request.object: is no Service that can be read: spec.ports[0].port: Invalid value: 70000: must be between 1 and 65535"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if test.version == "" {
				test.version = "v1"
			}
			r := entryRequest(t, test.operation, test.kind, test.version, test.object, test.old)
			r.SubResource = test.subresource
			j := NewJudge(JudgeOptions{Entries: func() bool { return true }})
			c, err := j.changeFrom(&r.AdmissionRequest, &cluster.Snapshot{})
			if got := errorText(err); got != test.err {
				t.Fatalf("error %q, want %q", got, test.err)
			}
			if (c.Before != nil) != test.before || (c.After != nil) != test.after {
				t.Errorf("got %v", c)
			}
		})
	}
}

// While nobody asks about them a Service is somebody else's object.
func TestEntriesThatNobodyAsksAbout(t *testing.T) {
	r := entryRequest(t, "CREATE", "Service", "v1", insideText, "")
	if c, err := NewJudge(JudgeOptions{}).changeFrom(&r.AdmissionRequest, &cluster.Snapshot{}); err == nil || c != (cluster.Change{}) {
		t.Errorf("got %v, %v", c, err)
	}
}

// TestTwoHarmlessChangesThatExposeTogether: a load balancer that keeps its clients' addresses
// and a netpol that lets them in are harmless each while the other is not there; in flight
// together they are not both let through.
func TestTwoHarmlessChangesThatExposeTogether(t *testing.T) {
	engine := engineOf(t, `
apiVersion: podcullis.io/v1alpha1
kind: Guardrails
guardrails:
- {name: db-is-not-exposed, guardrail: exposed-to-outside, action: deny, parameters: {to: {podSelector: {matchLabels: {app: db}}}, through: [service, ingress, route]}}
`)
	world := func(t *testing.T) admission.Request { return create(t, "NetworkPolicy", "world", worldText) }
	balancer := func(t *testing.T) admission.Request { return entryRequest(t, "CREATE", "Service", "v1", localText, "") }
	for name, pair := range map[string][2]func(*testing.T) admission.Request{
		"ServiceFirst": {balancer, world}, "NetpolFirst": {world, balancer},
	} {
		t.Run(name, func(t *testing.T) {
			j, _, held := withLedger(t, JudgeOptions{Evaluator: engine, Entries: engine.NeedsEntries, Everywhere: engine.LooksEverywhere, EvaluationTime: time.Second})
			expect(t, j.Handle(t.Context(), pair[0](t)), 0, "")
			expect(t, j.Handle(t.Context(), pair[1](t)), 429, "which was changed a moment ago and does not show yet")
			if n := len(held.View().Entries); n != 1 {
				t.Errorf("%d changes are in flight", n)
			}
		})
	}
	j, _, _ := withLedger(t, JudgeOptions{Evaluator: engine, Entries: engine.NeedsEntries})
	expect(t, j.Handle(t.Context(), entryRequest(t, "CREATE", "Service", "v1", insideText, "")), 0, "")
	expect(t, j.Handle(t.Context(), entryRequest(t, "CREATE", "Ingress", "v1", ingressText, "")), 429, "Service shop/db")
}
