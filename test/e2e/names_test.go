package e2e

import (
	"context"
	"fmt"
	"strings"
	"testing"
)

// B2: a protecting netpol does not go by way of its owner, or as an orphan maker.
func TestNetpolDoesNotGoWithItsOwner(t *testing.T) {
	c := start(t)
	c.namespace(t, "shop")
	g := c.gate(t, gateOptions{})
	c.shop(t)
	c.kubectl(t, "", "-n", "shop", "create", "configmap", "owner")
	uid := c.kubectl(t, "", "-n", "shop", "get", "configmap", "owner", "-o", "jsonpath={.metadata.uid}")
	c.kubectl(t, "", "-n", "shop", "patch", "networkpolicy", "default-deny", "--type=merge", "-p",
		fmt.Sprintf(`{"metadata":{"ownerReferences":[{"apiVersion":"v1","kind":"ConfigMap","name":"owner","uid":%q}]}}`, strings.TrimSpace(uid)))
	before := c.kubectl(t, "", "-n", "shop", "get", "networkpolicy", "default-deny", "-o", "jsonpath={.metadata.uid}")

	c.kubectl(t, "", "-n", "shop", "delete", "configmap", "owner")
	await(t, "the garbage collector is refused", func(context.Context) error {
		for line := range strings.Lines(g.log(t)) {
			if strings.Contains(line, "generic-garbage-collector") && strings.Contains(line, "default-deny") && strings.Contains(line, "denied") {
				return nil
			}
		}
		return fmt.Errorf("it was not yet")
	})
	if after := c.kubectl(t, "", "-n", "shop", "get", "networkpolicy", "default-deny", "-o", "jsonpath={.metadata.uid}"); after != before {
		t.Errorf("the netpol was %s and is %s", before, after)
	}
	c.refused(t, "default-deny-delete-orphan", "", "-n", "shop", "delete", "networkpolicy", "default-deny", "--cascade=orphan")
}

// B9: the longest name there is, and letters that only look like ours.
func TestNamesThatAreHardToRead(t *testing.T) {
	c := start(t)
	c.namespace(t, "shop")
	c.gate(t, gateOptions{})
	c.shop(t)
	long := strings.Repeat("allow-all.", 25) + "all"
	if len(long) != 253 {
		t.Fatalf("the name has %d characters", len(long))
	}
	c.refused(t, "netpol-longest-name", netpol(long, "podSelector: {}", "ingress: [{}]"), "apply", "-f", "-")

	// A Cyrillic letter makes another key or value; the API server takes neither.
	before := c.everything(t)
	frontend := c.awaitPods(t, "shop", "app=frontend", 1)[0]
	for _, label := range []string{"\u0430pp=backend", "app=b\u0430ckend"} {
		if _, stderr, err := c.Kubectl(t.Context(), "", "-n", "shop", "label", frontend, label, "--overwrite"); err == nil {
			t.Errorf("%q was accepted: %s", label, stderr)
		}
	}
	if after := c.everything(t); after != before {
		t.Errorf("something changed:\nbefore\n%s\nafter\n%s", before, after)
	}
}
