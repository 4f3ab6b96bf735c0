package e2e

import (
	"context"
	"errors"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// replicas are several webhooks beside each other, each of which judges everything.
type replicas struct {
	c       cluster
	options gateOptions
	gates   []*gate
}

// replicas starts two webhooks and registers both. When the test is over they are gone.
func (c cluster) replicas(t *testing.T, options gateOptions) *replicas {
	t.Helper()
	r := &replicas{c: c, options: options, gates: []*gate{c.replica(t, options), c.replica(t, options)}}
	c.register(t, options, r.gates...)
	return r
}

// restart ends a replica and starts it anew. Meanwhile the API server asks the
// others, as it does when a Service takes a pod out of its endpoints.
func (r *replicas) restart(t *testing.T, which int) {
	t.Helper()
	var others []*gate
	for i, g := range r.gates {
		if i != which {
			others = append(others, g)
		}
	}
	g := r.gates[which]
	r.ask(t, others...)
	await(t, "the replica not to be asked any more", func(ctx context.Context) error {
		before := g.reviews(ctx)
		_, _, _ = r.c.Kubectl(ctx, hostPod, "create", "--dry-run=server", "-f", "-")
		if g.reviews(ctx) != before {
			return errors.New("it was asked")
		}
		return nil
	})
	g.stop(t)
	g.start(t)
	r.ask(t, r.gates...)
	g.awaitAsked(t)
}

// ask registers some of the replicas.
func (r *replicas) ask(t *testing.T, gates ...*gate) {
	t.Helper()
	api := r.c.client.AdmissionregistrationV1().ValidatingWebhookConfigurations()
	configuration, err := api.Get(t.Context(), "podcullis", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	configuration.Webhooks = entries(r.options, gates...)
	if _, err := api.Update(t.Context(), configuration, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
}
