package guardrail

import (
	"context"
	"strings"
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/cluster/clustertest"
	"github.com/podcullis/podcullis/connectivity"
)

func possiblyOpen(t *testing.T, s *cluster.Snapshot) (*evaluation, []connectivity.Connection, string) {
	t.Helper()
	e := &evaluation{
		Review: &Review{Before: s, After: s, Origin: Admission},
		world:  newWorld(newLane().newTurn(context.Background()), s, s, connectivity.Options{}),
	}
	question := ast.MustParseTerm(`{"from": {"podSelector": {"matchLabels": {"tier": "web"}}}, "to": {"podSelector": {"matchLabels": {"tier": "db"}}}, "scope": "possible"}`)
	v, err := e.open([]*ast.Term{question})
	if err != nil {
		t.Fatal(err)
	}
	q, err := parsePathQuestion(question)
	if err != nil {
		t.Fatal(err)
	}
	return e, connectivity.Open(s, q.Queries[0], connectivity.Options{}), v.String()
}

func TestAWitnessForAuthors(t *testing.T) {
	_, _, text := possiblyOpen(t, clustertest.Snapshot(t, clustertest.Netpol("shop/in", `{podSelector: {}, ingress: [
		{from: [{podSelector: {matchExpressions: [{key: app, operator: Exists}, {key: app, operator: NotIn, values: [web]}]}}], ports: [{port: pg}]}]}`)))
	for _, want := range []string{
		`"key": [{"key": "app", "operator": "Exists", "values": []}, {"key": "app", "operator": "NotIn", "values": ["web"]}]`,
		`"kind": "Pod", "labels": {"app": "x", "tier": "web"}, "name": "", "namedPorts": [], "namespace": "shop", "witness": true`,
		`"namedPorts": [{"name": "pg", "protocol": "TCP"}]`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("want %s in %s", want, text)
		}
	}
}

// Where no netpol opens a possible path, there may be no workload either to
// report it with: the namespace itself will do, or whatever is in it.
func TestAuditReportsAPossiblePathWithTheNamespace(t *testing.T) {
	tests := map[string]struct {
		cluster *cluster.Snapshot
		judged  string
		want    cluster.Ref
	}{
		"TheNamespace":             {clustertest.Snapshot(t, clustertest.Namespace("shop")), "Namespace", cluster.Ref{Kind: "Namespace", Name: "shop"}},
		"AnImpliedOneIsNoObject":   {clustertest.Snapshot(t, clustertest.Deployment("shop/web")), "", cluster.Ref{Namespace: "shop", Kind: "Deployment", Name: "web"}},
		"OnlyWhatIsJudged":         {clustertest.Snapshot(t, clustertest.Namespace("shop"), clustertest.Deployment("shop/web")), "Deployment", cluster.Ref{Namespace: "shop", Kind: "Deployment", Name: "web"}},
		"ANetpolThatDoesNotShut":   {clustertest.Snapshot(t, clustertest.Netpol("shop/n", `{podSelector: {matchLabels: {a: b}}}`)), "", cluster.Ref{Namespace: "shop", Kind: "NetworkPolicy", Name: "n"}},
		"NothingThatIsJudgedThere": {clustertest.Snapshot(t, clustertest.Namespace("shop")), "Pod", cluster.Ref{}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			e, all, _ := possiblyOpen(t, test.cluster)
			if len(all) != 1 {
				t.Fatalf("%d connections, want one", len(all))
			}
			home := e.homeOf(all[0], func(r cluster.Ref) bool { return test.judged == "" || r.Kind == test.judged })
			if home != test.want {
				t.Errorf("reported with %s, want %s", home, test.want)
			}
		})
	}
}
