package e2e

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/yaml"
)

// The failurePolicy is Fail, so a webhook that is away lets nothing pass; one that
// has just come back knows the cluster before it answers.
func TestRestartUnderAStreamOfAppliesLetsNothingForbiddenIn(t *testing.T) {
	c := start(t)
	g := c.gate(t, gateOptions{args: []string{"--drain-timeout", "2s"}})
	c.shop(t)
	forbidden := decodeNetpol(t, netpol("forbidden", `podSelector: {matchLabels: {app: db}}`, `ingress: [{}]`))
	harmless := decodeNetpol(t, netpol("harmless", `podSelector: {matchLabels: {app: db}}`, `ingress: [{from: [{podSelector: {matchLabels: {app: backend}}}], ports: [{port: 5432}]}]`))

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var streams sync.WaitGroup
	var admitted, denied, unanswered, passed atomic.Int64
	api := c.client.NetworkingV1().NetworkPolicies("shop")
	create := func(worker, i int, of *networkingv1.NetworkPolicy) error {
		netpol := of.DeepCopy()
		netpol.Name = fmt.Sprintf("%s-%d-%d", of.Name, worker, i)
		_, err := api.Create(ctx, netpol, metav1.CreateOptions{})
		return err
	}
	for worker := range 3 {
		streams.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				switch err := create(worker, i, forbidden); {
				case err == nil:
					admitted.Add(1)
				case strings.Contains(err.Error(), "only-backend-reaches-db"):
					denied.Add(1)
				default:
					unanswered.Add(1)
				}
				if i%5 == 0 && create(worker, i, harmless) == nil {
					passed.Add(1)
				}
			}
		})
	}
	reaches := func(what string, n *atomic.Int64, more int64) {
		t.Helper()
		want := n.Load() + more
		await(t, what, func(context.Context) error {
			if got := n.Load(); got < want {
				return fmt.Errorf("%d, want %d", got, want)
			}
			return nil
		})
	}
	for range 2 {
		reaches("denials", &denied, 10)
		g.stop(t)
		reaches("requests without a webhook", &unanswered, 10)
		g.start(t)
		reaches("denials after the restart", &denied, 10)
	}
	cancel()
	streams.Wait()
	t.Logf("forbidden: %d admitted, %d denied, %d failed for want of a webhook; harmless: %d passed", admitted.Load(), denied.Load(), unanswered.Load(), passed.Load())
	list, err := api.List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, netpol := range list.Items {
		if strings.HasPrefix(netpol.Name, "forbidden") {
			t.Errorf("%s was let in", netpol.Name)
		}
	}
	if passed.Load() == 0 {
		t.Error("nothing harmless passed")
	}
}

// M1 of the threats: two changes, each harmless alone, fired together.
func TestTwoHarmlessChangesThatOpenAPathTogetherAreNeverBothAdmitted(t *testing.T) {
	c := start(t)
	c.gate(t, gateOptions{})
	c.shop(t)
	logging := strings.TrimPrefix(c.awaitPods(t, "shop", "app=logging", 1)[0], "pod/")
	opening := decodeNetpol(t, netpol("opening", `podSelector: {matchLabels: {app: db}}`, `ingress: [{from: [{podSelector: {matchLabels: {role: reader}}}], ports: [{port: 5432}]}]`))
	netpols, pods := c.client.NetworkingV1().NetworkPolicies("shop"), c.client.CoreV1().Pods("shop")
	relabel := func(value string) error {
		patch := fmt.Sprintf(`{"metadata":{"labels":{"role":%s}}}`, value)
		_, err := pods.Patch(t.Context(), logging, types.MergePatchType, []byte(patch), metav1.PatchOptions{})
		return err
	}
	const rounds = 30
	var both, one, none int
	for range rounds {
		var netpolErr, labelErr error
		var pair sync.WaitGroup
		pair.Go(func() { _, netpolErr = netpols.Create(t.Context(), opening, metav1.CreateOptions{}) })
		pair.Go(func() { labelErr = relabel(`"reader"`) })
		pair.Wait()
		switch {
		case netpolErr == nil && labelErr == nil:
			both++
		case netpolErr == nil || labelErr == nil:
			one++
		default:
			none++
			t.Logf("neither was admitted: %v; %v", netpolErr, labelErr)
		}
		if netpolErr == nil {
			if err := netpols.Delete(t.Context(), opening.Name, metav1.DeleteOptions{}); err != nil {
				t.Fatal(err)
			}
		}
		if labelErr == nil {
			if err := relabel("null"); err != nil {
				t.Fatal(err)
			}
		}
	}
	t.Logf("%d rounds: %d admitted both, %d one, %d neither", rounds, both, one, none)
	if both > 0 {
		t.Errorf("%d of %d rounds opened the path", both, rounds)
	}
	if one == 0 {
		t.Error("no round admitted anything: harmless changes must pass")
	}
}

func decodeNetpol(t *testing.T, text string) *networkingv1.NetworkPolicy {
	t.Helper()
	var netpol networkingv1.NetworkPolicy
	if err := yaml.UnmarshalStrict([]byte(text), &netpol); err != nil {
		t.Fatal(err)
	}
	return &netpol
}
