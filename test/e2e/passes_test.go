package e2e

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// What was open before is not the fault of the change that comes after.
func TestHoleThatWasThereBeforeStopsNoOperation(t *testing.T) {
	c := start(t)
	c.shop(t)
	hole := netpol("hole", `podSelector: {matchLabels: {app: db}}`, `ingress: [{from: [{podSelector: {matchLabels: {app: logging}}}]}]`)
	c.kubectl(t, hole, "apply", "-f", "-")
	c.kubectl(t, "", "-n", "shop", "delete", "networkpolicy", "default-deny", "allow-dns") // and workloads without isolation
	c.gate(t, gateOptions{})

	t.Run("ScaleUp", func(t *testing.T) {
		for _, workload := range []string{"deployment/logging", "deployment/analytics", "statefulset/db"} {
			c.kubectl(t, "", "-n", "shop", "scale", workload, "--replicas=3")
		}
		c.awaitPods(t, "shop", "app=logging", 3)
		c.awaitPods(t, "shop", "app=analytics", 3)
	})
	t.Run("ReplacementOfAPod", func(t *testing.T) {
		gone := c.awaitPods(t, "shop", "app=logging", 3)[0]
		c.kubectl(t, "", "-n", "shop", "delete", gone)
		for _, pod := range c.awaitPods(t, "shop", "app=logging", 3) {
			if pod == gone {
				t.Errorf("%s is still there", gone)
			}
		}
	})
	t.Run("Drain", func(t *testing.T) {
		pod := strings.TrimPrefix(c.awaitPods(t, "shop", "app=logging", 3)[0], "pod/")
		eviction := fmt.Sprintf(`{"apiVersion":"policy/v1","kind":"Eviction","metadata":{"name":%q,"namespace":"shop"}}`, pod)
		c.kubectl(t, eviction, "create", "--raw", "/api/v1/namespaces/shop/pods/"+pod+"/eviction", "-f", "-")
		await(t, "the pod to be replaced", func(ctx context.Context) error {
			out, _, err := c.Kubectl(ctx, "", "-n", "shop", "get", "pods", "-l", "app=logging", "-o", "name")
			if err == nil && (strings.Contains(out, pod) || len(strings.Fields(out)) != 3) {
				err = errors.New(out)
			}
			return err
		})
	})
	t.Run("ImageUpdate", func(t *testing.T) {
		before := strings.TrimSpace(c.kubectl(t, "", "-n", "shop", "get", "replicasets", "-l", "app=logging", "-o", "name"))
		c.kubectl(t, "", "-n", "shop", "patch", "deployment", "logging", "--type=merge", "-p", `{"spec":{"strategy":{"type":"Recreate","rollingUpdate":null}}}`)
		c.kubectl(t, "", "-n", "shop", "set", "image", "deployment/logging", "logging=shop/logging:2.2")
		await(t, "pods of the new image", func(ctx context.Context) error {
			out, _, err := c.Kubectl(ctx, "", "-n", "shop", "get", "pods", "-l", "app=logging", "-o", "jsonpath={.items[*].spec.containers[0].image}")
			if err == nil && out != "shop/logging:2.2 shop/logging:2.2 shop/logging:2.2" {
				err = errors.New(out)
			}
			return err
		})
		after := c.kubectl(t, "", "-n", "shop", "get", "replicasets", "-l", "app=logging", "-o", "name")
		if strings.TrimSpace(after) == before {
			t.Errorf("the rollout made no ReplicaSet beside %s", before)
		}
	})
	t.Run("ShrinkingEdit", func(t *testing.T) {
		c.kubectl(t, "", "-n", "shop", "patch", "networkpolicy", "hole", "--type=json", "-p", `[{"op":"add","path":"/spec/ingress/0/ports","value":[{"port":5432}]}]`)
	})
	t.Run("AnnotationsAndScaleDown", func(t *testing.T) {
		c.kubectl(t, "", "-n", "shop", "annotate", "deployment/logging", "networkpolicy/hole", "owner=ops")
		c.kubectl(t, "", "-n", "shop", "scale", "deployment/logging", "--replicas=0")
		c.awaitPods(t, "shop", "app=logging", 0)
	})
	t.Run("DeleteTheHole", func(t *testing.T) { c.kubectl(t, "", "-n", "shop", "delete", "networkpolicy", "hole") })
}

func TestNamespaceIsCreatedAndItsLastNetpolDeleted(t *testing.T) {
	c := start(t)
	c.gate(t, gateOptions{})
	const name = "fresh"
	c.kubectl(t, "", "create", "namespace", name)
	netpols := strings.ReplaceAll(netpol("default-deny", "podSelector: {}", "policyTypes: [Ingress, Egress]"), "shop", name)
	c.kubectl(t, netpols, "create", "-f", "-")
	c.kubectl(t, "", "-n", name, "delete", "networkpolicy", "default-deny")
	// B12: what is made at once in a namespace that was made at once is judged
	// by the labels of that namespace.
	c.refused(t, "namespace-just-created", strings.ReplaceAll(deploymentIn("new", "bare", "{app: bare}"), "new", name), "create", "-f", "-")
	c.kubectl(t, "", "delete", "namespace", name, "--wait=false")
}

func TestNamespaceGoesWithAllThatIsInIt(t *testing.T) {
	c := start(t)
	c.gate(t, gateOptions{})
	c.kubectl(t, "", "create", "namespace", "doomed")
	manifests := `
{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: default-deny, namespace: doomed}, spec: {podSelector: {}, policyTypes: [Ingress, Egress]}}
---
` + deploymentIn("doomed", "web", "{app: web}")
	c.kubectl(t, manifests, "apply", "-f", "-")
	c.awaitPods(t, "doomed", "app=web", 1)
	c.kubectl(t, "", "delete", "namespace", "doomed", "--wait=false")
	// A pod that still runs keeps its netpols: B16. Nothing runs here, so they
	// are gone in the end.
	await(t, "the end of the namespace", func(ctx context.Context) error {
		_, err := c.client.CoreV1().Namespaces().Get(ctx, "doomed", metav1.GetOptions{})
		if err == nil {
			return errors.New("it is still there")
		}
		return nil
	})
}

func TestNetpolsOfATerminatingNamespaceOutliveItsPods(t *testing.T) {
	c := start(t)
	c.gate(t, gateOptions{})
	c.kubectl(t, "", "create", "namespace", "clinging")
	manifests := `
{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: default-deny, namespace: clinging}, spec: {podSelector: {}, policyTypes: [Ingress, Egress]}}
---
` + strings.Replace(pod("slow", "{app: slow}", "clinging"), "name: slow", "name: slow, finalizers: [example.test/hold]", 1)
	await(t, "the service account", func(ctx context.Context) error {
		_, err := c.client.CoreV1().ServiceAccounts("clinging").Get(ctx, "default", metav1.GetOptions{})
		return err
	})
	c.kubectl(t, manifests, "apply", "-f", "-")
	// Times have seconds: what is made in the second in which its namespace is deleted may be of the next one.
	await(t, "the next second", func(ctx context.Context) error {
		n, err := c.client.NetworkingV1().NetworkPolicies("clinging").Get(ctx, "default-deny", metav1.GetOptions{})
		if err == nil && time.Since(n.CreationTimestamp.Time) < 2*time.Second {
			err = errors.New("it is still the second in which the NetworkPolicy was made")
		}
		return err
	})
	c.kubectl(t, "", "delete", "namespace", "clinging", "--wait=false")
	await(t, "the pod to be deleted and held", func(ctx context.Context) error {
		pod, err := c.client.CoreV1().Pods("clinging").Get(ctx, "slow", metav1.GetOptions{})
		if err == nil && pod.DeletionTimestamp == nil {
			err = errors.New("it is not being deleted")
		}
		return err
	})
	// Kubernetes from 1.34 on waits by itself; older ones ask for this.
	c.refused(t, "terminating-namespace-controller", "", "-n", "clinging", "delete", "networkpolicy", "default-deny",
		"--as=system:serviceaccount:kube-system:namespace-controller")
	// kubectl would stay on the line: TestDeletingAllOfAReleaseWaitsForItsPods.
	err := c.client.NetworkingV1().RESTClient().Delete().Namespace("clinging").Resource("networkpolicies").Name("default-deny").MaxRetries(0).Do(t.Context()).Error()
	if err == nil {
		t.Fatal("it was deleted")
	}
	golden(t, "terminating-admin", err.Error()+"\n")
	c.kubectl(t, "", "-n", "clinging", "patch", "pod", "slow", "--type=merge", "-p", `{"metadata":{"finalizers":null}}`)
	await(t, "the end of the namespace", func(ctx context.Context) error {
		_, err := c.client.CoreV1().Namespaces().Get(ctx, "clinging", metav1.GetOptions{})
		if err == nil {
			return errors.New("it is still there")
		}
		return nil
	})
}
