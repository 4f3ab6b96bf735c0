package e2e

import (
	"strings"
	"testing"

	"github.com/podcullis/podcullis/test/server"
)

// A webhook that is registered for all there is stops nothing that nobody judges,
// such as the leases of the nodes, and judges what it knows as before.
func TestRegisteredForEverythingItStopsNobodysLeases(t *testing.T) {
	c := start(t)
	c.namespace(t, "shop")
	g := c.gate(t, gateOptions{everything: true})
	reviews := "SelfSubjectAccessReview.authorization.k8s.io"
	if !strings.Contains(c.kubectl(t, "", "version"), "Server Version: v1.36.") {
		reviews = "" // since 1.37 no webhook is asked about them
	}
	const lease = `{apiVersion: coordination.k8s.io/v1, kind: Lease, metadata: {name: node-1, namespace: shop}, spec: {holderIdentity: a, leaseDurationSeconds: 40}}`
	t.Cleanup(func() { c.kubectlAnyway("-n", "shop", "delete", "lease,configmap,event", "--all") })
	for _, change := range []struct{ stdin, args, warns string }{
		{lease, "create -f -", "Lease.coordination.k8s.io"},
		{"", `-n shop patch lease node-1 --type=merge -p {"spec":{"holderIdentity":"b"}}`, "Lease.coordination.k8s.io"},
		{"", "-n shop create configmap x", "ConfigMap"},
		{"", "-n shop delete configmap x", "ConfigMap"},
		{"", "auth can-i get pods", reviews},
		{"", "create clusterrole everything-test --verb=get --resource=pods", "ClusterRole.rbac.authorization.k8s.io"},
		{"", "delete clusterrole everything-test", "ClusterRole.rbac.authorization.k8s.io"},
		{"", "-n shop create token default", ""},
		{"", "-n shop delete lease node-1", "Lease.coordination.k8s.io"},
	} {
		_, stderr, err := c.Kubectl(t.Context(), change.stdin, strings.Fields(change.args)...)
		if err != nil {
			t.Errorf("kubectl %s: %v", change.args, err)
		}
		if change.warns != "" && !strings.Contains(stderr, "Warning: "+change.warns+" is not a kind that Podcullis models") {
			t.Errorf("kubectl %s: %q", change.args, stderr)
		}
	}
	text, err := server.Get(t.Context(), "http://"+g.metrics+"/metrics")
	if err != nil || strings.Contains(text, "podcullis_unjudged_requests_total 0\n") {
		t.Errorf("nothing was counted: %v", err)
	}
	if _, _, err := c.Kubectl(t.Context(), hostPod, "create", "-f", "-"); err == nil {
		t.Error("a pod that has to be refused was not")
	}
}
