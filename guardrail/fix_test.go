package guardrail

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/cluster/clustertest"
	"github.com/podcullis/podcullis/connectivity"
)

const aFix = `
apiVersion: podcullis.io/v1alpha1
kind: Guardrails
guardrails:
- {name: db-is-shut, guardrail: fixing, action: deny}
`

const fixingRego = `# METADATA
# title: Fixing
# description: Tells the fix of each path.
# custom:
#   severity: high
#   kinds: [NetworkPolicy]
package guardrails.fixing

violation contains {"msg": $"{c.from.name} could reach db\n  to fix: {advice(c)}", "details": c} if {
	some c in netpol.opened({
		"from": {"podSelector": {"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["db"]}]}},
		"to": {"podSelector": {"matchLabels": {"app": "db"}}},
	})
}

advice(c) := text if {
	text := netpol.fix(c).text
}

else := "none"
`

var allowAll = clustertest.Netpol("shop/allow-all", "{podSelector: {}, ingress: [{ports: [{port: 5432}]}]}")

// shop has n clients of a database that is shut for all of them.
func shop(t testing.TB, n int) *cluster.Snapshot {
	objects := []runtime.Object{
		clustertest.StatefulSet("shop/db", clustertest.Labels("app=db")),
		clustertest.Netpol("shop/default-deny", "{podSelector: {}, policyTypes: [Ingress]}"),
	}
	for i := range n {
		name := fmt.Sprintf("c%d", i)
		objects = append(objects, clustertest.Deployment("shop/"+name, clustertest.Labels("app="+name)))
	}
	return clustertest.Snapshot(t, objects...)
}

// reviewed asks the one guardrail of aFix about a review, and returns what it
// reported with the evaluation that it asked.
func reviewed(ctx context.Context, t testing.TB, r Review) ([]Violation, *evaluation) {
	t.Helper()
	l, err := library(map[string]string{"fixing.rego": fixingRego})
	if err != nil {
		t.Fatal(err)
	}
	e, err := configure("c", aFix, l)
	if err != nil {
		t.Fatal(err)
	}
	set := e.current.Load()
	eval := &evaluation{Review: &r, world: set.world(newLane().newTurn(ctx), r.Before, r.After)}
	eval.begin(set.instances[0], set.concerning(set.instances[0], &r))
	found, err := set.instances[0].run(ctx, eval, &input{review: &r})
	if err != nil {
		t.Fatal(err)
	}
	return found, eval
}

func TestTheFixOfADenialWasTriedAndShutsThePath(t *testing.T) {
	r := review(t, shop(t, 1), nil, allowAll)
	found, e := reviewed(t.Context(), t, r)
	if len(found) != 1 || e.fixing.sought != 1 {
		t.Fatalf("%d violations, %d fixes sought; want one of each", len(found), e.fixing.sought)
	}
	var client, db connectivity.Peer
	client.Workload, _ = r.After.Workload(cluster.Ref{Namespace: "shop", Kind: "Deployment", Name: "c0"})
	db.Workload, _ = r.After.Workload(cluster.Ref{Namespace: "shop", Kind: "StatefulSet", Name: "db"})
	for _, f := range connectivity.Fixes(r.After, client, db, connectivity.AllPorts(), connectivity.Options{}) {
		if !strings.Contains(found[0].Message, "to fix: "+f.String()) {
			continue
		}
		fixed := r.After
		for _, draft := range f.Netpols {
			n, err := draft.Compile()
			if err != nil {
				t.Fatal(err)
			}
			fixed = clustertest.Apply(t, fixed, cluster.Change{After: n})
		}
		r.After = fixed
		if left, _ := reviewed(t.Context(), t, r); len(left) > 0 {
			t.Errorf("after the fix: %s", left[0].Message)
		}
		return
	}
	t.Errorf("the fix is none of those that were tried: %s", found[0].Message)
}

func TestAFixIsSoughtForTheFirstViolationsOnly(t *testing.T) {
	found, e := reviewed(t.Context(), t, review(t, shop(t, 5), nil, allowAll))
	offered := 0
	for _, v := range found {
		if strings.Contains(v.Message, "to fix: leave the pods with app=c") {
			offered++
		}
	}
	if len(found) != 5 || offered != maxFixes || e.fixing.sought != maxFixes {
		t.Errorf("%d violations, %d fixes offered, %d sought; want 5, %d and %d", len(found), offered, e.fixing.sought, maxFixes, maxFixes)
	}
}

func TestAReviewThatPassesPaysForNoFix(t *testing.T) {
	found, e := reviewed(t.Context(), t, review(t, shop(t, 2), nil, clustertest.Netpol("shop/c", "{podSelector: {matchLabels: {app: c0}}, ingress: [{}]}")))
	if len(found) != 0 || e.fixing.sought != 0 {
		t.Errorf("%d violations, %d fixes sought; want none", len(found), e.fixing.sought)
	}
}

func TestWhereThereIsNoFix(t *testing.T) {
	db, client := `{"namespace": "shop", "kind": "StatefulSet", "name": "db"}`, `{"namespace": "shop", "kind": "Deployment", "name": "c0"}`
	isolated, bare := shop(t, 1), clustertest.Snapshot(t, clustertest.StatefulSet("shop/db", clustertest.Labels("app=db")), clustertest.Deployment("shop/c0", clustertest.Labels("app=c0")))
	tests := map[string]struct {
		reason   string
		snapshot *cluster.Snapshot
		origin   Origin
		steps    int64 // taken before
		from, to string
		want     bool
	}{
		"AtAdmission":     {"the others differ from this in one thing", isolated, Admission, 0, client, db, true},
		"InAudit":         {"there may be thousands of paths", isolated, Audit, 0, client, db, false},
		"OutOfSteps":      {"earlier fixes of the review have taken them", isolated, Admission, maxFixSteps, client, db, false},
		"OnlyNewNetpols":  {"a netpol that isolates does not fit in a line", bare, Admission, 0, client, db, false},
		"APossiblePod":    {"it is no workload", isolated, Admission, 0, `{"namespace": "shop", "kind": "Pod", "name": "", "witness": true}`, db, false},
		"ABlockThatLetIn": {"the world can be left out too", isolated, Admission, 0, `{"cidr": "10.0.0.0/8"}`, db, true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			r := review(t, test.snapshot, nil, allowAll)
			if name == "OnlyNewNetpols" {
				r = review(t, test.snapshot, nil, clustertest.Namespace("shop"))
			}
			r.Origin = test.origin
			w := newWorld(newLane().newTurn(t.Context()), r.Before, r.After, connectivity.Options{})
			e := &evaluation{Review: &r, world: w}
			e.fixing.steps.Store(test.steps)
			v, err := e.fix([]*ast.Term{ast.MustParseTerm(`{"from": ` + test.from + `, "to": ` + test.to + `, "ports": [{"protocol": "TCP", "port": 5432, "endPort": 5432}]}`)})
			if err != nil {
				t.Fatal(err)
			}
			if got := v != nil; got != test.want {
				t.Errorf("%s: offered %v, want %v", test.reason, v, test.want)
			}
		})
	}
}

// What is offered hangs on the change and not on the time that is left for it.
func TestTheSameReviewGetsTheSameFixHoweverLittleTimeIsLeft(t *testing.T) {
	r := review(t, shop(t, 3), nil, allowAll)
	want, _ := reviewed(t.Context(), t, r)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	got, e := reviewed(ctx, t, r)
	if len(want) != len(got) || e.fixing.steps.Load() == 0 || e.fixing.steps.Load() >= maxFixSteps {
		t.Fatalf("%d violations, then %d, after %d steps", len(want), len(got), e.fixing.steps.Load())
	}
	for i := range want {
		if want[i].Message != got[i].Message {
			t.Errorf("%q, then %q", want[i].Message, got[i].Message)
		}
	}
}

func TestWhatIsNoConnectionIsAnError(t *testing.T) {
	r := review(t, shop(t, 1), nil, allowAll)
	e := &evaluation{Review: &r, world: newWorld(newLane().newTurn(t.Context()), r.Before, r.After, connectivity.Options{})}
	for _, text := range []string{`"web"`, `{"from": 1}`, `{"from": {"cidr": "everywhere"}, "to": {}}`, `{"ports": [{"protocol": "ICMP"}]}`} {
		if v, err := e.fix([]*ast.Term{ast.MustParseTerm(text)}); err == nil {
			t.Errorf("netpol.fix(%s) is %v, want an error", text, v)
		}
	}
}
