package rounds

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/runtime"
	"pgregory.net/rapid"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/cluster/clustertest"
	"github.com/podcullis/podcullis/guardrail"
	"github.com/podcullis/podcullis/policies"
	"github.com/podcullis/podcullis/policyreport"
)

const lawRules = `
exclude: {namespaces: [e]}
guardrails:
- {name: isolated, guardrail: default-deny, action: audit, match: {namespaceSelector: {matchLabels: {team: x}}}}
- name: shut
  guardrail: forbidden-paths
  action: deny
  parameters: {from: {podSelector: {matchLabels: {app: web}}}, to: {podSelector: {matchLabels: {app: db}}}}
- name: team-shut
  guardrail: forbidden-paths
  action: warn
  match: {excludedNamespaces: [b]}
  parameters: {from: {namespaceSelector: {matchLabels: {team: x}}}, to: {namespaceSelector: {matchLabels: {team: y}}}}
- {name: no-way-out, guardrail: forbidden-paths, action: warn, parameters: {from: {podSelector: {matchLabels: {app: db}}}, to: {cidr: 0.0.0.0/0}}}
- {name: needed, guardrail: required-paths, action: deny, parameters: {from: {podSelector: {matchLabels: {app: web}}}, to: {podSelector: {matchLabels: {app: api}}}}}
exemptions:
- {name: window, guardrails: [isolated, shut, needed], match: {namespaces: [c]}, reason: moving, expires: 2030-01-31}
`

const otherLawRules = `
guardrails:
- name: shut
  guardrail: forbidden-paths
  action: warn
  parameters: {from: {podSelector: {matchLabels: {app: api}}}, to: {podSelector: {matchLabels: {app: db}}}}
- {name: never, guardrail: forbidden-paths, action: warn, parameters: {scope: possible, from: {namespaceSelector: {matchLabels: {team: x}}}, to: {podSelector: {matchLabels: {app: db}}}}}
- {name: not-exposed, guardrail: exposed-to-outside, action: deny, parameters: {to: {}, through: [service]}}
`

// lawObject is an object of a few that there may be.
var lawObject = rapid.Custom(func(r *rapid.T) runtime.Object {
	ns := rapid.SampledFrom([]string{"a", "b", "c", "d", "e"}).Draw(r, "namespace")
	app := rapid.SampledFrom([]string{"web", "db", "api"}).Draw(r, "app")
	switch rapid.IntRange(0, 7).Draw(r, "what") {
	case 0:
		return clustertest.Namespace(ns, "team="+rapid.SampledFrom([]string{"x", "y"}).Draw(r, "team"))
	case 1:
		return clustertest.Netpol(ns+"/deny", `{podSelector: {}, policyTypes: [Ingress, Egress]}`)
	case 2:
		return clustertest.Deployment(ns+"/"+app, clustertest.Labels("app="+app))
	case 3:
		return clustertest.Netpol(ns+"/some-"+app, fmt.Sprintf(rapid.SampledFrom([]string{
			`{podSelector: {matchLabels: {app: %s}}, ingress: [{from: [{namespaceSelector: {matchLabels: {team: x}}}]}]}`,
			`{podSelector: {matchLabels: {app: %s}}, ingress: [{from: [{namespaceSelector: {}, podSelector: {matchLabels: {app: web}}}], ports: [{port: 80}]}]}`,
			`{podSelector: {matchLabels: {app: %s}}, egress: [{to: [{namespaceSelector: {}}]}], policyTypes: [Egress]}`,
			`{podSelector: {matchLabels: {app: %s}}, egress: [{to: [{ipBlock: {cidr: 10.0.0.0/8}}]}], policyTypes: [Egress]}`,
		}).Draw(r, "netpol"), app))
	}
	return clustertest.Pod(ns+"/"+rapid.SampledFrom([]string{"p", "q"}).Draw(r, "pod"), clustertest.Labels("app="+app))
})

// What is found by going on from what is known is what is found by looking at everything:
// after changes of all kinds, of the guardrails, and of the day.
func TestGoingOnFindsWhatAWholeRoundFinds(t *testing.T) {
	wentOn := 0
	rapid.Check(t, func(r *rapid.T) {
		e := engine(t, lawRules)
		today := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
		now := &cluster.Snapshot{}
		var kept, whole policyreport.Tallies
		of := func(kept *policyreport.Tallies) *Rounds {
			made := roundsOf(e, still{now})
			made.Now = func() time.Time { return today }
			made.Keep = func(_ context.Context, t policyreport.Tallies) error { *kept = t; return nil }
			return made
		}
		r1 := of(&kept)
		look := func() {
			if err := r1.round(t.Context(), now, e.InForce()); err != nil {
				r.Fatal(err)
			}
			if r1.near.looked > 0 {
				wentOn++
			}
			r2 := of(&whole)
			if err := r2.round(t.Context(), now, e.InForce()); err != nil {
				r.Fatal(err)
			}
			if diff := cmp.Diff(madeKnown(r2, whole), madeKnown(r1, kept)); diff != "" {
				r.Fatalf("going on differs (-whole +going on):\n%s", diff)
			}
		}
		change := func() {
			o := clustertest.Stored(t, lawObject.Draw(r, "object"))
			c := cluster.Change{Before: now.Object(o.Ref()), After: o}
			if c.Before != nil && rapid.Bool().Draw(r, "deleted") {
				c.After = nil
			}
			next, err := now.Apply(c)
			if err != nil {
				r.Fatal(err)
			}
			now = next
		}
		for range 12 {
			change()
		}
		look()
		for range rapid.IntRange(1, 6).Draw(r, "rounds") {
			switch rapid.IntRange(0, 9).Draw(r, "step") {
			case 0:
				rules := rapid.SampledFrom([]string{lawRules, otherLawRules}).Draw(r, "rules")
				if err := e.Reload(library(t), configOf(t, rules)); err != nil {
					r.Fatal(err)
				}
			case 1:
				today = today.AddDate(0, 0, rapid.SampledFrom([]int{1, 40}).Draw(r, "days"))
			default:
				for range rapid.IntRange(1, 2).Draw(r, "changes") {
					change()
				}
			}
			look()
		}
	})
	if wentOn == 0 {
		t.Error("each round was a whole one")
	}
}

// A namespace that came and went between two rounds leaves its labels to what is in it, and is
// no change of any object.
func TestWhatANamespaceLeftBehindIsLookedAt(t *testing.T) {
	e := engine(t, lawRules)
	s := clustertest.Snapshot(t, clustertest.Namespace("d", "team=y"), clustertest.Namespace("a"), clustertest.Namespace("c"), clustertest.Deployment("d/api"), clustertest.Pod("b/p"))
	var kept, whole policyreport.Tallies
	made := func(into *policyreport.Tallies) *Rounds {
		r := roundsOf(e, still{s})
		r.Keep = func(_ context.Context, t policyreport.Tallies) error { *into = t; return nil }
		return r
	}
	known := made(&kept)
	look := func(r *Rounds) {
		if err := r.round(t.Context(), s, e.InForce()); err != nil {
			t.Fatal(err)
		}
	}
	look(known)
	b := clustertest.Stored(t, clustertest.Namespace("b", "team=y"))
	s = clustertest.Apply(t, s, cluster.Change{After: b})
	s = clustertest.Apply(t, s, cluster.Change{Before: b})
	look(known)
	anew := made(&whole)
	look(anew)
	if diff := cmp.Diff(madeKnown(anew, whole), madeKnown(known, kept)); diff != "" {
		t.Errorf("going on differs (-whole +going on):\n%s", diff)
	}
	if known.near.looked == 0 {
		t.Error("it was a whole round, so nothing is shown")
	}
}

// madeKnown is all that a round makes known.
func madeKnown(r *Rounds, kept policyreport.Tallies) []string {
	var out []string
	for _, namespace := range slices.Sorted(maps.Keys(kept)) {
		tally := kept[namespace]
		if tally.Fail+tally.Warn == 0 {
			continue
		}
		out = append(out, fmt.Sprintf("%s: %d %d", namespace, tally.Fail, tally.Warn))
		for _, e := range tally.Listed() {
			out = append(out, fmt.Sprintf("%+v", e))
		}
	}
	s := r.metrics.shown.Load()
	for k, n := range s.count {
		out = append(out, fmt.Sprint(k, n))
	}
	slices.Sort(out)
	return append(out, fmt.Sprint("exempted ", s.exempted, s.remarks))
}

func library(t testing.TB) *guardrail.Library {
	t.Helper()
	l, err := guardrail.LoadLibrary(guardrail.Source{Name: "embedded", FS: policies.FS})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func configOf(t testing.TB, rules string) *guardrail.Config {
	t.Helper()
	c, err := guardrail.ParseConfig("test.yaml", []byte("apiVersion: podcullis.io/v1alpha1\nkind: Guardrails\n"+strings.TrimLeft(rules, "\n")))
	if err != nil {
		t.Fatal(err)
	}
	return c
}
