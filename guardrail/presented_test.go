package guardrail

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/cluster/clustertest"
)

// What nobody asked for is presented with the group, resource and namespace that the API
// server would send.
func TestPresented(t *testing.T) {
	deployment := clustertest.Stored(t, clustertest.Deployment("shop/web"))
	for name, test := range map[string]struct {
		change cluster.Change
		want   string
	}{
		"Namespace":  {cluster.Change{After: clustertest.Stored(t, clustertest.Namespace("shop"))}, "CREATE namespaces. Namespace shop/shop"},
		"Pod":        {cluster.Change{After: clustertest.Stored(t, clustertest.Pod("shop/web"))}, "CREATE pods. Pod shop/web"},
		"Deployment": {cluster.Change{Before: deployment, After: deployment}, "UPDATE deployments.apps Deployment shop/web"},
		"Netpol":     {cluster.Change{Before: clustertest.Stored(t, clustertest.Netpol("shop/deny", "{}"))}, "DELETE networkpolicies.networking.k8s.io NetworkPolicy shop/deny"},
		"Service":    {cluster.Change{After: &cluster.Service{Namespace: "shop", Name: "web"}}, "CREATE services. Service shop/web"},
		"Ingress":    {cluster.Change{After: &cluster.IngressEntry{Namespace: "shop", Name: "web"}}, "CREATE ingresses.networking.k8s.io Ingress shop/web"},
		"Route":      {cluster.Change{After: &cluster.Route{Kind: "HTTPRoute", Namespace: "shop", Name: "web"}}, "CREATE httproutes.gateway.networking.k8s.io HTTPRoute shop/web"},
		"OtherAPI":   {cluster.Change{After: &cluster.Foreign{Group: "cilium.io", Kind: "CiliumNetworkPolicy", Namespace: "shop", Name: "web"}}, "CREATE ciliumnetworkpolicies.cilium.io CiliumNetworkPolicy shop/web"},
	} {
		r := Presented(test.change, Audit, today).Request
		got := fmt.Sprintf("%s %s.%s %s %s/%s", r.Operation, r.Resource.Resource, r.Kind.Group, r.Kind.Kind, r.Namespace, r.Name)
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}
