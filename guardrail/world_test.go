package guardrail

import (
	"context"
	"testing"

	"github.com/podcullis/podcullis/cluster/clustertest"
	"github.com/podcullis/podcullis/connectivity"
)

func TestConnectivityStopsWhenTheTimeIsOver(t *testing.T) {
	s := clustertest.Snapshot(t, clustertest.Deployment("shop/a"), clustertest.Deployment("shop/b"))
	ctx, cancel := context.WithCancel(context.Background())
	all := connectivity.Query{From: connectivity.Everyone(), To: connectivity.Everyone()}
	if got := newWorld(newLane().newTurn(ctx), s, s, connectivity.Options{}).open("q", []connectivity.Query{all}); len(got) != 2 {
		t.Fatalf("%d connections, want 2", len(got))
	}
	cancel()
	if got := newWorld(newLane().newTurn(ctx), s, s, connectivity.Options{}).open("q", []connectivity.Query{all}); len(got) != 0 {
		t.Errorf("%d connections were computed after the time was over", len(got))
	}
}
