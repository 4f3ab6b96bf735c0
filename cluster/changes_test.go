package cluster_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/cluster/clustertest"
)

func TestChangesSince(t *testing.T) {
	web, db := clustertest.Pod("shop/web", clustertest.Labels("app=web")), clustertest.Pod("shop/db")
	netpol := clustertest.Netpol("shop/n", `{podSelector: {}}`)
	before := clustertest.Snapshot(t, clustertest.Namespace("shop"), clustertest.Namespace("old"), clustertest.Pod("old/p"), web, db, netpol)
	changes := append(
		clustertest.Create(t, clustertest.Namespace("new", "a=b"), clustertest.Deployment("new/d"), clustertest.Namespace("shop", "a=b")),
		clustertest.Update(t, web, clustertest.Pod("shop/web", clustertest.Labels("app=other"))),
	)
	changes = append(changes, clustertest.Delete(t, netpol, clustertest.Pod("old/p"), clustertest.Namespace("old"))...)
	after := clustertest.Apply(t, before, changes...)
	var got []string
	for _, c := range after.ChangesSince(before) {
		text := c.Ref().String()
		if c.Before != nil {
			text += " was"
		}
		if c.After != nil {
			text += " is"
		}
		got = append(got, text)
	}
	want := []string{
		"Namespace/new is", "Namespace/old was", "Namespace/shop was is", "new/Deployment/d is", "old/Pod/p was",
		"shop/NetworkPolicy/n was", "shop/Pod/web was is",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	again := clustertest.Apply(t, before, after.ChangesSince(before)...)
	if left := after.ChangesSince(again); len(left) > 0 {
		t.Errorf("applied to what was, they leave %d changes", len(left))
	}
}

// Whoever keeps old versions must not keep what is large.
func TestLight(t *testing.T) {
	var peers []string
	for i := range 300 {
		peers = append(peers, fmt.Sprintf("{podSelector: {matchLabels: {app: a%d}}}", i))
	}
	large := clustertest.Netpol("shop/n", `{podSelector: {}, ingress: [{from: [`+strings.Join(peers, ", ")+`]}]}`)
	wide := clustertest.Netpol("shop/n", `{podSelector: {matchExpressions: [{key: a, operator: In, values: [`+strings.Repeat("x1234567890123456789,", 1000)+`y]}]}}`)
	for name, c := range map[string]struct {
		change cluster.Change
		light  bool
	}{
		"pod":        {cluster.Change{After: clustertest.Stored(t, clustertest.Pod("shop/web", clustertest.Labels("a=b")))}, true},
		"many peers": {cluster.Change{Before: clustertest.Stored(t, large)}, false},
		"many words": {cluster.Change{Before: clustertest.Stored(t, wide)}, false},
	} {
		if got := c.change.Light(256); got != c.light {
			t.Errorf("%s: light %t", name, got)
		}
	}
}
