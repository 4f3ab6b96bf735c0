package guardrail

import (
	"context"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/cluster/clustertest"
	"github.com/podcullis/podcullis/connectivity"
)

func TestClosedIsTheDeltaAndBlockedIsWhatThereIs(t *testing.T) {
	before := clustertest.Snapshot(t,
		clustertest.Deployment("shop/web", clustertest.Labels("app=web")),
		clustertest.Deployment("shop/db", clustertest.Labels("app=db")),
		clustertest.Netpol("shop/db", `{podSelector: {matchLabels: {app: db}}, ingress: []}`),
	)
	after := clustertest.Apply(t, before, clustertest.Create(t, clustertest.Netpol("shop/web", `{podSelector: {matchLabels: {app: web}}, ingress: []}`))...)
	e := &evaluation{
		Review: &Review{Before: before, After: after, Origin: Admission},
		world:  newWorld(newLane().newTurn(context.Background()), before, after, connectivity.Options{}),
	}
	for name, test := range map[string]struct {
		answer func([]*ast.Term) (ast.Value, error)
		want   []string
	}{
		"Closed":  {e.closed, []string{"db to web"}},
		"Blocked": {e.blocked, []string{"db to web", "web to db"}},
	} {
		v, err := test.answer([]*ast.Term{ast.MustParseTerm(`{"from": {}, "to": {}, "ports": [{"port": 80}]}`)})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		v.(*ast.Array).Foreach(func(c *ast.Term) {
			text := func(side string) string {
				found, err := c.Value.Find(ast.MustParseRef("x." + side + ".name")[1:])
				if err != nil {
					t.Fatal(err)
				}
				return strings.Trim(found.String(), `"`)
			}
			got = append(got, text("from")+" to "+text("to"))
		})
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestWhatARequirementMayAsk(t *testing.T) {
	for question, want := range map[string]string{
		`{"from": {}, "to": {}, "otherAPIs": "ignored"}`: "",
		`{"from": {}, "to": {}, "otherAPIs": "maybe"}`:   "otherAPIs",
		`{"from": {}, "to": {}, "otherAPIs": 1}`:         "otherAPIs",
		`{"from": {}, "to": {}, "other": "ignored"}`:     "other",
		`{"from": {}, "to": {}, "scope": "possible"}`:    "scope",
		`"shop"`: "want an object",
	} {
		_, trusted, err := parseDemand(ast.MustParseTerm(question))
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want an error about %q", question, err, want)
		}
		if trusted != (want == "") {
			t.Errorf("%s: trusted %v", question, trusted)
		}
	}
}

func TestAuditReportsAShutPathWithTheNetpolThatIsolates(t *testing.T) {
	s := clustertest.Snapshot(t, clustertest.Deployment("shop/web"), clustertest.Deployment("shop/db"), clustertest.Netpol("shop/n", `{podSelector: {}}`))
	w := newWorld(newLane().newTurn(context.Background()), &cluster.Snapshot{}, s, connectivity.Options{})
	all := connectivity.Query{From: connectivity.Everyone(), To: connectivity.Everyone()}
	closures := connectivity.Blocked(s, all, connectivity.Options{})
	if len(closures) != 2 {
		t.Fatalf("%d closures, want 2", len(closures))
	}
	for _, c := range closures {
		if home := w.homeOfClosure(c, func(cluster.Ref) bool { return true }); home.Name != "n" {
			t.Errorf("%s to %s is reported with %s", c.From, c.To, home)
		}
		if home := w.homeOfClosure(c, func(r cluster.Ref) bool { return r.Kind == "Deployment" }); home != c.From.Workload.Ref {
			t.Errorf("%s to %s is reported with %s", c.From, c.To, home)
		}
	}
}
