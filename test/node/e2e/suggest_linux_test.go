package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/podcullis/podcullis/test/node"
)

// wantedOfShop is what a shop needs, as somebody writes it down.
const wantedOfShop = `apiVersion: podcullis.io/v1alpha1
kind: Connections
items:
- {from: 203.0.113.0/24, to: shop/frontend, ports: [8443]}
- {from: partner/visitor, to: shop/frontend, ports: [8443]}
- {from: shop/frontend, to: shop/backend, ports: [8080]}
- {from: shop/backend, to: shop/db, ports: [5432]}
- {from: [shop/analytics, shop/frontend], to: shop/logging, ports: [8080, 53/UDP]}
`

// TestSuggest installs what podcullis suggest prints for the shop in place of its netpols: every
// connection of the list is seen to work, and every other one to be blocked.
func TestSuggest(t *testing.T) {
	c := start(t)
	c.namespaces(t, "partner")
	t.Cleanup(func() { c.removeNamespaces(t, "shop") })
	c.shop(t)
	c.awaitReady(t, 5, "shop")
	c.awaitReady(t, 1, "partner")

	list := filepath.Join(t.TempDir(), "wanted.yaml")
	if err := os.WriteFile(list, []byte(wantedOfShop), 0o600); err != nil {
		t.Fatal(err)
	}
	program, err := c.Build(t.Context(), "cmd/podcullis")
	if err != nil {
		t.Fatal(err)
	}
	ask := exec.CommandContext(t.Context(), program, "suggest", "--kubeconfig", c.Kubeconfig, "--pod-network", node.PodNetwork, "-n", "shop", "--intent", list)
	netpols, err := ask.Output()
	if err != nil {
		t.Fatalf("podcullis suggest: %v: %s", err, netpols)
	}
	c.kubectl(t, "", "delete", "networkpolicy", "-n", "shop", "--all")
	c.kubectl(t, string(netpols), "apply", "-f", "-")

	want := map[string]bool{}
	for _, way := range strings.Split(strings.TrimSpace(`
		203.0.113.10 -> shop/frontend tcp/8443
		203.0.113.77 -> shop/frontend tcp/8443
		partner/visitor -> shop/frontend tcp/8443
		shop/frontend -> shop/backend tcp/8080
		shop/backend -> shop/db tcp/5432
		shop/analytics -> shop/logging tcp/8080
		shop/analytics -> shop/logging udp/53
		shop/frontend -> shop/logging tcp/8080
		shop/frontend -> shop/logging udp/53`), "\n") {
		want[strings.TrimSpace(way)] = true
	}
	open := 0
	for way, verdict := range c.agree(t, c.ends(t, "shop", "partner"), shopPorts) {
		from, _, _ := strings.Cut(way, " -> ")
		_, to, _ := strings.Cut(way, " -> ")
		if !strings.HasPrefix(from, "shop/") && !strings.HasPrefix(to, "shop/") {
			continue // nothing is suggested for these
		}
		if (verdict == "open") != want[way] {
			t.Errorf("%s is %s", way, verdict)
		}
		if verdict == "open" {
			open++
		}
	}
	if open != len(want) {
		t.Errorf("%d ways are open, and %d are listed", open, len(want))
	}
}
