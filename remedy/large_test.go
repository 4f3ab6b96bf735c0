package remedy_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/runtime"

	"github.com/podcullis/podcullis/cluster/clustertest"
	"github.com/podcullis/podcullis/guardrail"
	"github.com/podcullis/podcullis/remedy"
)

// counting counts the evaluations.
type counting struct {
	remedy.Evaluator
	steps *int
}

func (c counting) Evaluate(ctx context.Context, r guardrail.Review) (guardrail.Decision, error) {
	*c.steps++
	return c.Evaluator.Evaluate(ctx, r)
}

// TestLargeClusters: the same edit is found whatever the size, in few steps. Where too
// many connections would have to be compared it does not tell what the edit costs.
func TestLargeClusters(t *testing.T) {
	for _, n := range []int{10, 300} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			c := &testCase{netpol: clustertest.Netpol("one/allow-all", "{podSelector: {}, ingress: [{}]}")}
			objects := []runtime.Object{clustertest.Namespace("one"), clustertest.Netpol("one/default-deny", "{podSelector: {}, policyTypes: [Ingress]}")}
			for i := range n {
				objects = append(objects, clustertest.Deployment(fmt.Sprintf("one/w%d", i), clustertest.Labels(fmt.Sprintf("app=w%d", i), fmt.Sprintf("tier=%d", i%3))))
			}
			c.engine = engineOf(t, `
apiVersion: podcullis.io/v1alpha1
kind: Guardrails
guardrails:
- name: shut
  guardrail: forbidden-paths
  action: deny
  parameters: {from: {podSelector: {matchExpressions: [{key: app, operator: NotIn, values: [w2]}]}}, to: {podSelector: {matchLabels: {app: w0}}}}
`)
			c.review = guardrail.Review{Before: clustertest.Snapshot(t, objects...), Origin: guardrail.Admission}
			c.review = c.with(t, c.netpol)
			d, err := c.engine.Evaluate(t.Context(), c.review)
			if err != nil {
				t.Fatal(err)
			}
			steps := 0
			got, ok := remedy.Find(t.Context(), counting{c.engine, &steps}, c.review, d)
			if want := "leave the pods with app=w0 out of its podSelector"; !ok || got.Text != want || steps > 20 {
				t.Errorf("found %v: %q in %d steps, want %q", ok, got.Text, steps, want)
			}
			if told := strings.Contains(got.Summary(), "keeps"); told != (n == 10) {
				t.Errorf("the cost is told: %v: %s", told, got.Summary())
			}
		})
	}
}
