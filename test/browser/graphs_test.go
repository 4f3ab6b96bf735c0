package browser_test

import (
	"strings"
	"testing"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/cluster/manifest"
	"github.com/podcullis/podcullis/cluster/selector"
	"github.com/podcullis/podcullis/connectivity"
	"github.com/podcullis/podcullis/guardrail"
	"github.com/podcullis/podcullis/report"
	"github.com/podcullis/podcullis/report/picture"
	"github.com/podcullis/podcullis/test/bench/town"
)

func shop(t *testing.T) *cluster.Snapshot {
	t.Helper()
	set, err := manifest.Load([]string{"../../examples/shop"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	s, err := set.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// asked is the shop, with the question who but the backend reaches the database.
func asked(t *testing.T) picture.Source {
	t.Helper()
	s := shop(t)
	source := picture.Source{Snapshot: s, Connections: connectivity.Connections(s, connectivity.Options{})}
	var db *cluster.Workload
	for w := range s.Workloads("shop") {
		if w.Name == "db" {
			db = w
		}
	}
	for w := range s.Workloads("shop") {
		if w != db && w.Name != "backend" {
			source.Asked = append(source.Asked, connectivity.Explain(s, connectivity.Peer{Workload: w}, connectivity.Peer{Workload: db}, connectivity.AllPorts(), connectivity.Options{}))
		}
	}
	return source
}

// changed is the shop after somebody removed its netpols but one, with a finding.
func changed(t *testing.T) *picture.Graph {
	t.Helper()
	source := asked(t)
	s := source.Snapshot
	for _, name := range []string{"backend", "frontend", "default-deny"} {
		n, ok := s.Netpol("shop", name)
		if !ok {
			t.Fatalf("no netpol %s", name)
		}
		var err error
		if s, err = s.Apply(cluster.Change{Before: n}); err != nil {
			t.Fatal(err)
		}
	}
	source.Before, source.Compared = source.Connections, true
	source.Snapshot, source.Connections = s, connectivity.Connections(s, connectivity.Options{})
	peer := func(kind, name string) map[string]any {
		return map[string]any{"namespace": "shop", "kind": kind, "name": name}
	}
	source.Findings = []report.Finding{{
		Violation: guardrail.Violation{
			Guardrail: "backend-is-private", Action: guardrail.Deny, Severity: "critical",
			Message: "shop/Deployment/logging could reach shop/Deployment/backend on all ports\n  opened by: egress rule 1 of NetworkPolicy shop/collectors",
			Details: map[string]any{"from": peer("Deployment", "logging"), "to": peer("Deployment", "backend")},
		},
		Object: cluster.Ref{Namespace: "shop", Kind: "NetworkPolicy", Name: "collectors"}, Location: report.Location{File: "10-netpols.yaml", Line: 90},
	}}
	return picture.New(source)
}

// large is a town of 60 namespaces and more than 400 workloads.
func large(t *testing.T) *picture.Graph {
	t.Helper()
	s, err := town.Plan{Seed: 7, Namespaces: 60, Pods: 1500, Netpols: 360}.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	return picture.New(picture.Source{Snapshot: s, Connections: connectivity.Connections(s, connectivity.Options{})})
}

// grown is a town of about so many workloads, after somebody deleted the default-deny of
// two namespaces and the agreements of a third: of what that opens, some violates a
// guardrail.
func grown(t *testing.T, namespaces, pods int) *picture.Graph {
	t.Helper()
	before, err := town.Plan{Seed: 11, Namespaces: namespaces, Pods: pods, Netpols: 9 * namespaces}.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	after, quarters := before, 0
	for ns := range before.Namespaces() {
		if !strings.Contains(ns.Name, "-prod-") {
			continue
		}
		quarters++
		for _, n := range before.Netpols(ns.Name) {
			if quarters == 1 && (n.Name == "default-deny" || n.Selector.Matches(map[string]string{"tier": "db"}) != selector.No) || quarters == 2 && n.Name == "api" {
				if after, err = after.Apply(cluster.Change{Before: n}); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	source := picture.Source{
		Heading:  picture.Heading{Title: "The town", Origin: "town/", Stamp: "2026-11-27", Version: "1.0.0"},
		Snapshot: after, Connections: connectivity.Connections(after, connectivity.Options{}),
		Before: connectivity.Connections(before, connectivity.Options{}), Compared: true,
	}
	details := func(p connectivity.Peer) map[string]any {
		return map[string]any{"namespace": p.Workload.Namespace, "kind": p.Workload.Kind, "name": p.Workload.Name}
	}
	severities := []string{"low", "critical", "medium", "high"}
	for i, d := range connectivity.Diff(before, after, connectivity.Options{}) {
		if !d.Added() || d.From.Workload == nil || d.To.Workload == nil || i%5 != 0 {
			continue
		}
		source.Findings = append(source.Findings, report.Finding{
			Violation: guardrail.Violation{
				Guardrail: "only-with-an-agreement", Action: guardrail.Deny, Severity: severities[i%len(severities)],
				Message: d.From.String() + " could reach " + d.To.String() + " on " + d.Gained().String(),
				Details: map[string]any{"from": details(d.From), "to": details(d.To)},
			},
			Object: d.To.Workload.Ref,
		})
	}
	return picture.New(source)
}
