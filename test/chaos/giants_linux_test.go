package chaos

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// chartMemory is the memory limit of the chart, and GOMEMLIMIT what it makes of it.
const (
	chartMemory  = 512 << 20
	chartGoLimit = chartMemory / 10 * 9
)

// giantPeers is how many peers fit into one object: etcd takes 1.5 MiB, and an empty
// podSelector is four bytes there.
const giantPeers = 145_000

// giant is a netpol with as many peers as that.
func giant(name string) *networkingv1.NetworkPolicy {
	peers := make([]networkingv1.NetworkPolicyPeer, giantPeers)
	for i := range peers {
		peers[i].PodSelector = &metav1.LabelSelector{}
	}
	return &networkingv1.NetworkPolicy{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: networkingv1.NetworkPolicySpec{
			PodSelector: metav1.LabelSelector{MatchLabels: map[string]string{"no": "body"}},
			PolicyTypes: []networkingv1.PolicyType{networkingv1.PolicyTypeIngress},
			Ingress:     []networkingv1.NetworkPolicyIngressRule{{From: peers}},
		},
	}
}

// Netpols that are as large as an API server stores, and were stored while nobody looked,
// end no replica that has the memory that the chart gives it: not when it reads them, not
// when it is started again, and not when they change.
func TestStoredGiantsLeaveAReplicaItsMemory(t *testing.T) {
	c := start(t)
	group := newCgroup(t, chartMemory)
	namespace := c.namespace(t, "giants")
	netpols := c.client.NetworkingV1().NetworkPolicies(namespace)
	const first = "giant-0"
	count := size(16, 48)
	for i := range count {
		if _, err := netpols.Create(t.Context(), giant(fmt.Sprintf("giant-%d", i)), metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	certs, ca := certificates(t)
	options := replicaOptions{certs: certs, ca: ca, cgroup: group.procs(), env: []string{fmt.Sprintf("GOMEMLIMIT=%d", chartGoLimit)}}
	r := c.launch(t, options)
	t.Logf("started with %d giants: peak %d MiB of 512", count, group.peak(t))

	r.Kill()
	r = c.launch(t, options)
	t.Logf("started again: peak %d MiB of 512", group.peak(t))

	// Each of these takes the API server itself some seconds.
	patiently(t, "a giant is told anew", func() error {
		_, err := netpols.Patch(t.Context(), "giant-2", types.JSONPatchType, []byte(`[{"op":"add","path":"/metadata/annotations","value":{"turn":"1"}}]`), metav1.PatchOptions{})
		return err
	})
	c.register(t, r.address, ca, admissionregistrationv1.Fail)
	var refused error
	patiently(t, "one more giant is asked for", func() error {
		if _, refused = netpols.Create(t.Context(), giant("one-more"), metav1.CreateOptions{}); apierrors.IsTimeout(refused) {
			return refused
		}
		return nil
	})
	if refused == nil || !strings.Contains(refused.Error(), "145000 peers, and at most 10000 are read") {
		t.Errorf("one more giant: %v, want it to be refused with the bound", refused)
	}
	patiently(t, "a giant is made small", func() error { return c.shrink(t, namespace, first, 3) })
	patiently(t, "a giant that selects nobody is deleted", func() error {
		return netpols.Delete(t.Context(), "giant-1", metav1.DeleteOptions{})
	})
	r.alive(t)
	if n := group.ended(t); n > 0 {
		t.Errorf("the kernel ended %d processes for want of memory", n)
	}
	record(t, row{day: "giants stored", injected: fmt.Sprintf("%d netpols of %d peers, 512 MiB", count, giantPeers), asked: int64(count), remark: fmt.Sprintf("peak %d MiB", group.peak(t))})
	r.Kill()
}

func (c cluster) namespace(t *testing.T, name string) string {
	t.Helper()
	namespaces := c.client.CoreV1().Namespaces()
	if _, err := namespaces.Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		err := c.client.NetworkingV1().NetworkPolicies(name).DeleteCollection(ctx, metav1.DeleteOptions{}, metav1.ListOptions{})
		if err := errors.Join(err, namespaces.Delete(ctx, name, metav1.DeleteOptions{})); err != nil {
			t.Error(err)
		}
	})
	return name
}

// shrink leaves the first peers of a giant alone.
func (c cluster) shrink(t *testing.T, namespace, name string, peers int) error {
	t.Helper()
	netpols := c.client.NetworkingV1().NetworkPolicies(namespace)
	np, err := netpols.Get(t.Context(), name, metav1.GetOptions{})
	if err != nil {
		return err
	}
	np.Spec.Ingress[0].From = np.Spec.Ingress[0].From[:peers]
	_, err = netpols.Update(t.Context(), np, metav1.UpdateOptions{})
	return err
}

// patiently does something again for as long as the API server has no time for it.
func patiently(t *testing.T, what string, do func() error) {
	t.Helper()
	await(t, what, func(context.Context) error {
		err := do()
		if err != nil && !apierrors.IsTimeout(err) && !apierrors.IsServerTimeout(err) {
			t.Fatalf("%s: %v", what, err)
		}
		return err
	})
}
