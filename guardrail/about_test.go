package guardrail

import (
	"context"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/podcullis/podcullis/cluster/clustertest"
)

func TestAboutInALine(t *testing.T) {
	for want, a := range map[string]About{
		"":                              {},
		"ask team-payments about g":     {Owner: "team-payments"},
		"about g: card data stays":      {Description: "card data stays."},
		"about g: https://wiki.example": {Link: "https://wiki.example"},
		"ask team-payments about g: card data stays (https://wiki.example)": {Description: "card data stays", Owner: "team-payments", Link: "https://wiki.example"},
	} {
		if got := a.Of("g"); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// A denial ends with whom to ask, once for each guardrail that denies.
func TestADenialEndsWithWhomToAsk(t *testing.T) {
	e, err := configure("c", strings.Replace(onlyPayments, "  action: deny\n", "  action: deny\n  description: Card data stays where it is.\n  owner: team-payments\n  link: https://wiki.example.com/cards\n", 1), embedded(t))
	if err != nil {
		t.Fatal(err)
	}
	d, err := e.Evaluate(context.Background(), review(t, clustertest.Snapshot(t, crowd(1, 1)...), nil, clustertest.Netpol("payments/open", "{podSelector: {}, ingress: [{}]}")))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"to see why: podcullis explain --context CONTEXT -f FILE team-00/Deployment/w0 payments/Deployment/db",
		"ask team-payments about db-is-shut: Card data stays where it is (https://wiki.example.com/cards)",
	}
	if diff := cmp.Diff(want, d.Further()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	use, ok := e.Use("db-is-shut")
	if !ok || use.Of.ID != "forbidden-paths" || use.Owner != "team-payments" {
		t.Errorf("got %+v, %v", use, ok)
	}
	if _, ok := e.Use("forbidden-paths"); ok {
		t.Error("a guardrail's own name is none of the configuration")
	}
}
