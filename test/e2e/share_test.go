package e2e

import (
	"context"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/podcullis/podcullis/test/server"
)

// A pod that a controller makes of a template which was judged is written nowhere: the
// ledger is for netpols, labels and templates. The controllers are real.
func TestPodsOfControllersAreNotWrittenToTheLedger(t *testing.T) {
	c := start(t)
	c.shop(t)
	g := c.gate(t, gateOptions{})
	const each = 40
	crowd := strings.ReplaceAll(crowdOfControllers, "COUNT", strconv.Itoa(each))
	c.kubectl(t, crowd, "apply", "-f", "-")
	c.crowded(t, 3*each)
	for range 2 { // evicted, they come back
		before := g.counted(t, "pods", "CREATE")
		c.kubectl(t, "", "-n", "shop", "delete", "pods", "-l", "crowd", "--force", "--grace-period=0", "--wait=false")
		await(t, "as many pods again", func(context.Context) error {
			if now := g.counted(t, "pods", "CREATE"); now < before+3*each {
				return fmt.Errorf("%d after %d", now, before)
			}
			return nil
		})
		c.crowded(t, 3*each)
	}
	created := g.counted(t, "pods", "CREATE")
	skipped := g.skipped(t)
	t.Logf("%d of %d pods of controllers were written nowhere", skipped, created)
	if created < 9*each || 100*skipped < 99*created {
		t.Errorf("%d of %d, want 99 %%", skipped, created)
	}
}

// crowded waits until so many pods are there.
func (c cluster) crowded(t *testing.T, want int) {
	t.Helper()
	await(t, "the pods of controllers", func(ctx context.Context) error {
		out, stderr, err := c.Kubectl(ctx, "", "-n", "shop", "get", "pods", "-l", "crowd", "-o", "name")
		if err != nil {
			return fmt.Errorf("%w: %s", err, stderr)
		}
		if got := strings.Count(out, "\n"); got != want {
			return fmt.Errorf("%d pods, want %d", got, want)
		}
		return nil
	})
}

var skippedPattern = regexp.MustCompile(`(?m)^podcullis_ledger_skipped_total (\S+)$`)

// skipped is how many pods were allowed without a write.
func (g *gate) skipped(t *testing.T) int {
	t.Helper()
	text, err := server.Get(t.Context(), "http://"+g.metrics+"/metrics")
	if err != nil {
		t.Fatal(err)
	}
	m := skippedPattern.FindStringSubmatch(text)
	if m == nil {
		t.Fatal("no podcullis_ledger_skipped_total")
	}
	n, err := strconv.Atoi(m[1])
	if err != nil {
		t.Fatal(err)
	}
	return n
}

const crowdOfControllers = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: crowd, namespace: shop}
spec:
  replicas: COUNT
  selector: {matchLabels: {crowd: deployment}}
  template: {metadata: {labels: {crowd: deployment}}, spec: {containers: [{name: c, image: example.test/c}]}}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: crowd, namespace: shop}
spec:
  replicas: COUNT
  podManagementPolicy: Parallel
  serviceName: crowd
  selector: {matchLabels: {crowd: statefulset}}
  template: {metadata: {labels: {crowd: statefulset}}, spec: {containers: [{name: c, image: example.test/c}]}}
---
apiVersion: v1
kind: ReplicationController
metadata: {name: crowd, namespace: shop}
spec:
  replicas: COUNT
  selector: {crowd: replicationcontroller}
  template: {metadata: {labels: {crowd: replicationcontroller}}, spec: {containers: [{name: c, image: example.test/c}]}}
`
