package remedy_test

import (
	"context"
	"testing"

	networkingv1 "k8s.io/api/networking/v1"
	"pgregory.net/rapid"

	"github.com/podcullis/podcullis/remedy"
)

// TestLawOfDoubtfulPaths holds of netpols whose address blocks may hold what pods will get:
// there is a remedy whenever to leave the blocks out is one, it is denied by nobody, so
// that no path is left in doubt, and it opens nothing that the change would not.
func TestLawOfDoubtfulPaths(t *testing.T) {
	denied, found := 0, 0
	rapid.Check(t, func(r *rapid.T) {
		c := drawCase(r)
		plain := c.netpol.DeepCopy()
		addBlocks(r, c.netpol)
		c.text += "with blocks " + show(c.netpol)
		c.review = c.with(r, c.netpol)
		d, err := c.engine.Evaluate(context.Background(), c.review)
		if err != nil {
			r.Fatal(err)
		}
		if !d.Denied() {
			return
		}
		denied++
		got, ok := remedy.Find(context.Background(), c.engine, c.review, d)
		if !ok {
			if d, err := c.engine.Evaluate(context.Background(), c.with(r, plain)); err == nil && !d.Denied() {
				r.Fatalf("without the blocks it is allowed, and no remedy is found:\n%s", c)
			}
			return
		}
		found++
		edited := c.netpol.DeepCopy()
		for _, e := range got.Edits {
			put(r, &edited.Spec, e.Part)
		}
		fixed := c.with(r, edited)
		if d, err := c.engine.Evaluate(context.Background(), fixed); err != nil || d.Denied() {
			r.Fatalf("the advice was followed, and the answer is (error %v):\n%s\n%s\n%s", err, d.DenialMessage(), got.Advice(), c)
		}
		if more := c.more(fixed); len(more) > 0 {
			r.Fatalf("the advice opens %v, which the change does not:\n%s\n%s", more, got.Advice(), c)
		}
	})
	t.Logf("STAT %d changes with doubtful paths denied, %d with a remedy", denied, found)
	if denied > 20 && found == 0 {
		t.Error("no remedy was found")
	}
}

// addBlocks gives a netpol one or two peers of addresses, in rules that have peers and in
// one of their own.
func addBlocks(r *rapid.T, n *networkingv1.NetworkPolicy) {
	block := func() networkingv1.NetworkPolicyPeer {
		cidr := rapid.SampledFrom([]string{"10.8.0.0/16", "192.168.0.0/24"}).Draw(r, "block")
		return networkingv1.NetworkPolicyPeer{IPBlock: &networkingv1.IPBlock{CIDR: cidr}}
	}
	if rule := &n.Spec.Ingress[0]; len(rule.From) > 0 && rapid.Bool().Draw(r, "beside pods") {
		rule.From = append(rule.From, block())
		return
	}
	n.Spec.Ingress = append(n.Spec.Ingress, networkingv1.NetworkPolicyIngressRule{From: []networkingv1.NetworkPolicyPeer{block()}})
}
