package chaos

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"
)

const doomed = `
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: default-deny, namespace: %[1]s}
spec: {podSelector: {}, policyTypes: [Ingress, Egress]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: %[1]s}
spec:
  replicas: 3
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: c, image: example.test/c}]}
---
apiVersion: v1
kind: Pod
metadata: {name: lingering, namespace: %[1]s, finalizers: [chaos.test/hold]}
spec: {containers: [{name: c, image: example.test/c}]}
`

// A namespace can be deleted while its workloads must be isolated. The netpols
// stay as long as a pod does, and nothing is wedged.
func TestNamespaceIsDeletedWhileEnforced(t *testing.T) {
	c := start(t)
	c.serve(t, 1, replicaOptions{})
	rounds := size(1, 10)
	var outlived int64
	var slowest time.Duration
	for i := range rounds {
		name := fmt.Sprintf("doomed-%d", i)
		if err := c.CreateNamespace(t.Context(), name, nil); err != nil {
			t.Fatal(err)
		}
		c.kubectl(t, fmt.Sprintf(doomed, name), "apply", "-f", "-")
		c.kubectl(t, "", "-n", name, "wait", "--for=create", "pod", "-l", "app=web", "--timeout=60s")
		c.kubectl(t, "", "delete", "namespace", name, "--wait=false")
		await(t, "all pods but the one with a finalizer to go", func(ctx context.Context) error {
			out, _, err := c.Kubectl(ctx, "", "-n", name, "get", "pods", "-o", "name")
			if err == nil && out != "pod/lingering\n" {
				err = errors.New(out)
			}
			return err
		})
		pause(t, 2*time.Second) // the namespace controller tries the netpol meanwhile
		if _, stderr, err := c.Kubectl(t.Context(), "", "-n", name, "get", "networkpolicy", "default-deny"); err != nil {
			outlived++
			t.Errorf("the pod outlives its protection: %v %s", err, stderr)
		}
		released := time.Now()
		c.kubectl(t, "", "-n", name, "patch", "pod", "lingering", "--type=merge", "-p", `{"metadata":{"finalizers":null}}`)
		await(t, "the namespace to be gone", func(ctx context.Context) error {
			out, _, err := c.Kubectl(ctx, "", "get", "namespace", name, "--ignore-not-found", "-o", "name")
			if err == nil && out != "" {
				err = errors.New("still there")
			}
			return err
		})
		slowest = max(slowest, time.Since(released))
	}
	record(t, row{
		day: "namespace deleted", injected: fmt.Sprintf("%d namespaces with netpols, pods and a pod that lingers", rounds), asked: int64(rounds), wrong: outlived,
		remark: fmt.Sprintf("all gone, at most %s after the last pod", slowest.Round(100*time.Millisecond)),
	})
}
