package e2e

import (
	"context"
	"fmt"
	"strings"
	"testing"
)

// shop applies the example and waits for its pods.
func (c cluster) shop(t *testing.T) {
	t.Helper()
	c.namespace(t, "shop")
	c.kubectl(t, "", "apply", "-f", repository(t, "examples", "shop"))
	c.awaitPods(t, "shop", "app in (db,backend,frontend,analytics,logging)", 5)
}

// awaitPods waits until as many pods match a selector.
func (c cluster) awaitPods(t *testing.T, namespace, selector string, want int) []string {
	t.Helper()
	var names []string
	await(t, fmt.Sprintf("%d pods of %s in %s", want, selector, namespace), func(ctx context.Context) error {
		out, _, err := c.Kubectl(ctx, "", "get", "pods", "-n", namespace, "-l", selector, "-o", "name")
		if names = strings.Fields(out); err == nil && len(names) != want {
			err = fmt.Errorf("there are %d", len(names))
		}
		return err
	})
	return names
}

func TestShopIsAcceptedInOneGoAndAgain(t *testing.T) {
	c := start(t)
	c.namespace(t, "shop")
	c.gate(t, gateOptions{})
	for range 2 {
		c.shop(t)
		// Without what protects it there is nothing left to protect, so the
		// workloads go first.
		c.kubectl(t, "", "delete", "deployments,statefulsets", "--all", "-n", "shop", "--cascade=foreground")
		c.kubectl(t, "", "delete", "networkpolicies", "--all", "-n", "shop")
	}
}
