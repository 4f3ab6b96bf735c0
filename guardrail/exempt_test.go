package guardrail

import (
	"context"
	"strings"
	"testing"

	authenticationv1 "k8s.io/api/authentication/v1"

	"github.com/podcullis/podcullis/cluster/clustertest"
)

// An exemption covers whom and what it names, and in doubt nobody.
func TestWhatAnExemptionCovers(t *testing.T) {
	for name, test := range map[string]struct {
		match  string
		netpol string
		user   authenticationv1.UserInfo
		origin Origin
		exempt bool
	}{
		"TheNetpol":              {match: "{netpols: [emergency]}", netpol: "emergency", exempt: true},
		"AnotherNetpol":          {match: "{netpols: [emergency]}", netpol: "emergency-2"},
		"ANetpolForTheCLI":       {match: "{netpols: [emergency]}", netpol: "emergency", origin: CLI, exempt: true},
		"ElsewhereByNamespace":   {match: "{namespaces: [other], netpols: [emergency]}", netpol: "emergency"},
		"AWorkloadOrTheNetpol":   {match: "{workloads: [web], netpols: [emergency]}", netpol: "emergency", exempt: true},
		"OnlyAWorkload":          {match: "{workloads: [emergency]}", netpol: "x"},
		"TheUser":                {match: "{users: [ana]}", user: authenticationv1.UserInfo{Username: "ana"}, exempt: true},
		"AnotherUser":            {match: "{users: [ana]}", user: authenticationv1.UserInfo{Username: "anabel", Groups: []string{"ana"}}},
		"TheGroup":               {match: "{groups: [on-call]}", user: authenticationv1.UserInfo{Username: "bo", Groups: []string{"system:authenticated", "on-call"}}, exempt: true},
		"UserOrGroup":            {match: "{users: [ana], groups: [on-call]}", user: authenticationv1.UserInfo{Username: "bo", Groups: []string{"on-call"}}, exempt: true},
		"AUserCalledAsTheGroup":  {match: "{groups: [on-call]}", user: authenticationv1.UserInfo{Username: "on-call"}},
		"TheUserButNotTheNetpol": {match: "{users: [ana], netpols: [emergency]}", netpol: "x", user: authenticationv1.UserInfo{Username: "ana"}},
		"NobodyKnowsWhoMadeIt":   {match: "{users: [ana]}", user: authenticationv1.UserInfo{Username: "ana"}, origin: Audit},
	} {
		t.Run(name, func(t *testing.T) {
			config := onlyPayments + "exemptions:\n- {name: x, guardrails: [db-is-shut], reason: y, match: " + test.match + "}\n"
			e, err := configure("c", config, embedded(t))
			if err != nil {
				t.Fatal(err)
			}
			if test.netpol == "" {
				test.netpol = "n"
			}
			r := review(t, clustertest.Snapshot(t, crowd(1, 1)...), nil, clustertest.Netpol("payments/"+test.netpol, "{podSelector: {}, ingress: [{}]}"))
			r.Request.UserInfo = test.user
			if test.origin != "" {
				r.Origin = test.origin
			}
			d, err := e.Evaluate(context.Background(), r)
			if err != nil {
				t.Fatal(err)
			}
			if exempt := !d.Denied() && len(d.Exempted) == 1; exempt != test.exempt || exempt == d.Denied() {
				t.Errorf("exempt is %v: %+v", exempt, d)
			}
		})
	}
}

// What got in is nobody's exemption: who made it is not known.
func TestAnExemptionOfAUserHoldsAtAdmissionOnly(t *testing.T) {
	e, err := configure("c", onlyPayments+"exemptions:\n- {name: x, guardrails: [db-is-shut], reason: y, match: {users: [ana]}}\n", embedded(t))
	if err != nil {
		t.Fatal(err)
	}
	r := review(t, clustertest.Snapshot(t, crowd(1, 1)...), nil, clustertest.Netpol("payments/n", "{podSelector: {}, ingress: [{}]}"))
	decisions, err := e.InForce().EvaluateInHindsight(context.Background(), r.Before, r.After, false, []Review{r})
	if err != nil || len(decisions) != 1 || !decisions[0].Denied() {
		t.Errorf("got %+v, %v", decisions, err)
	}
}

// An exemption from which nobody is missing says so.
func TestAnExemptionOfANetpolThatIsNotThere(t *testing.T) {
	e, err := configure("c", onlyPayments+"exemptions:\n- {name: x, guardrails: [db-is-shut], reason: y, match: {netpols: [emergency]}}\n", embedded(t))
	if err != nil {
		t.Fatal(err)
	}
	got, err := e.Unmatched(clustertest.Snapshot(t, crowd(1, 1)...))
	if err != nil || len(got) != 1 || !strings.Contains(got[0].String(), "exemption x: match chooses nobody: netpols emergency") {
		t.Errorf("got %v, %v", got, err)
	}
}
