package main

import (
	"strings"
	"testing"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
)

func TestWhichConsistencyThereIs(t *testing.T) {
	for name, test := range map[string]struct {
		options func(*options)
		want    string
		because string
	}{
		"Loopback":           {func(*options) {}, strict, "only this machine"},
		"Anybody":            {func(o *options) { o.bindAddress = ":9443" }, local, "anybody who reaches"},
		"ClientCertificates": {func(o *options) { o.bindAddress, o.clientCA = ":9443", "ca.crt" }, strict, "client certificate"},
		"KnownCallers":       {func(o *options) { o.bindAddress, o.knownCallers = ":9443", true }, strict, "--known-callers"},
		"AskedFor":           {func(o *options) { o.consistency = observe }, observe, "--consistency"},
		"AskedForByAnybody":  {func(o *options) { o.bindAddress, o.consistency = ":9443", strict }, strict, "can fill the ledger"},
		"AuditMode":          {func(o *options) { o.mode = "audit" }, local, "refuses nothing"},
	} {
		t.Run(name, func(t *testing.T) {
			o := defaultOptions()
			test.options(o)
			got, why := o.chosenConsistency()
			if got != test.want || !strings.Contains(why, test.because) {
				t.Errorf("got %s, because %s; want %s, because %s", got, why, test.want, test.because)
			}
		})
	}
}

func TestFlagsOfTheLedger(t *testing.T) {
	for name, test := range map[string]struct {
		options func(*options)
		wrong   string
	}{
		"NoSuchThing":  {func(o *options) { o.consistency = "eventual" }, `--consistency must be strict, local or observe, got "eventual"`},
		"NoNamespace":  {func(o *options) { o.ledger = "x" }, `--ledger must be namespace/name, got "x"`},
		"NotShared":    {func(o *options) { o.ledger, o.consistency = "a/b", local }, "--ledger is for --consistency strict, got local"},
		"NoAPIServer":  {func(o *options) { o.clusterManifests, o.consistency = []string{"x"}, strict }, "--consistency needs an API server"},
		"NoTime":       {func(o *options) { o.requestTimeout = 0 }, "--api-request-timeout must be >= 5s, got 0s"},
		"NoReplicas":   {func(o *options) { o.replicas = 0 }, "--replicas must be >= 1, got 0"},
		"AllAsItIs":    {func(*options) {}, ""},
		"ALedgerAlone": {func(o *options) { o.ledger = "a/b" }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			o := defaultOptions()
			test.options(o)
			var got string
			if err := o.Validate(nil); err != nil {
				got = err.Error()
			}
			if (test.wrong == "") != (got == "") || !strings.Contains(got, test.wrong) {
				t.Errorf("got %q, want %q", got, test.wrong)
			}
		})
	}
}

func TestWhoIsAskedAboutNetpols(t *testing.T) {
	rule := func(group, resource string) admissionregistrationv1.RuleWithOperations {
		return admissionregistrationv1.RuleWithOperations{Rule: admissionregistrationv1.Rule{APIGroups: []string{group}, Resources: []string{resource}}}
	}
	for _, r := range []admissionregistrationv1.RuleWithOperations{rule("networking.k8s.io", "networkpolicies"), rule("*", "*"), rule("*", "*/*"), rule("networking.k8s.io", "*")} {
		if !asksAboutNetpols(r) {
			t.Errorf("%v is asked", r)
		}
	}
	for _, r := range []admissionregistrationv1.RuleWithOperations{rule("", "pods"), rule("networking.k8s.io", "ingresses"), rule("*", "pods/*")} {
		if asksAboutNetpols(r) {
			t.Errorf("%v is not asked", r)
		}
	}
}

func TestWhoBeginsWithABarrier(t *testing.T) {
	for name, test := range map[string]struct {
		mode     string
		webhook  string
		replicas int
		none     bool
	}{
		"Strict":             {strict, "enforce", 1, false},
		"StrictAndMore":      {strict, "enforce", 2, false},
		"LocalAlone":         {local, "enforce", 1, false},
		"LocalAndMore":       {local, "enforce", 2, true},
		"NothingIsRefused":   {local, "audit", 1, true},
		"NorWhateverTheMode": {strict, "audit", 2, true},
	} {
		t.Run(name, func(t *testing.T) {
			o := defaultOptions()
			o.mode, o.replicas = test.webhook, test.replicas
			if got := needsNoBarrier(o, test.mode); got != test.none {
				t.Errorf("got %v, want %v", got, test.none)
			}
		})
	}
}
