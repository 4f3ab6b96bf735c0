package main

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"

	"github.com/podcullis/podcullis/audit/rounds"
	"github.com/podcullis/podcullis/cluster/clustertest"
)

// The audit is told of a network that ignores NetworkPolicies, and of none of which that is not
// known; which plugin runs is asked once in a while, and netpols are looked at each time.
func TestNetworkSource(t *testing.T) {
	cilium := clustertest.DaemonSet("kube-system/cilium", clustertest.Labels("k8s-app=cilium"))
	cilium.Spec.Template.Spec.Containers = []corev1.Container{{Name: "cilium-agent", Image: "registry.example/cilium/cilium:v1.18.1"}}
	never := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "kube-system", Name: "cilium-config"}, Data: map[string]string{"enable-policy": "never"}}
	s := clustertest.Snapshot(t, clustertest.Pod("shop/web", clustertest.Labels("app=web")), clustertest.Netpol("shop/a", "{podSelector: {}}"))
	ignores := rounds.Remark{What: "not-enforced", Subject: "network", Text: "Cilium ignores NetworkPolicies: they block no packet"}

	client := fake.NewClientset(cilium, never)
	source := networkSource(client)
	if diff := cmp.Diff([]rounds.Remark{ignores}, source(t.Context(), s)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	asked := len(client.Actions())
	more := clustertest.Apply(t, s, clustertest.Create(t, clustertest.Netpol("shop/b", "{podSelector: {}}"))...)
	if got := source(t.Context(), more); len(got) != 2 || got[1].What != "adds-nothing" || got[1].Object.Name != "b" {
		t.Errorf("got %+v", got)
	}
	if n := len(client.Actions()); n != asked {
		t.Errorf("asked %d times more", n-asked)
	}

	for what, resource := range map[string]string{"DaemonSetsForbidden": "daemonsets", "ConfigMapsForbidden": "configmaps"} {
		t.Run(what, func(t *testing.T) {
			client := fake.NewClientset(cilium, never)
			client.PrependReactor("*", resource, func(clienttesting.Action) (bool, runtime.Object, error) {
				return true, nil, apierrors.NewForbidden(schema.GroupResource{Resource: resource}, "", context.Canceled)
			})
			if got := networkSource(client)(t.Context(), s); got != nil {
				t.Errorf("what is not known is told: %+v", got)
			}
		})
	}
}
