package suggest_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/runtime"

	"github.com/podcullis/podcullis/cluster/clustertest"
	"github.com/podcullis/podcullis/connectivity"
	"github.com/podcullis/podcullis/suggest"
)

// A list in which nearly everybody talks to everybody, each in another way, is the worst for the
// search: it is given up, and what was found by then is exact.
func TestSuggestionForADenseListEnds(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	objects := []runtime.Object{clustertest.Namespace("shop")}
	const n = 60
	for i := range n {
		objects = append(objects, clustertest.Deployment(fmt.Sprintf("shop/w%d", i), clustertest.Labels(fmt.Sprintf("app=w%d", i%20), fmt.Sprintf("part=p%d", i/20))))
	}
	snapshot := clustertest.Snapshot(t, objects...)
	all := workloads(snapshot)
	var wanted []suggest.Wanted
	for i := range n {
		for j := range n {
			if i == j || random.IntN(3) > 0 {
				continue
			}
			wanted = append(wanted, suggest.Wanted{
				From: connectivity.Peer{Workload: all[fmt.Sprintf("shop/Deployment/w%d", i)]}, To: connectivity.Peer{Workload: all[fmt.Sprintf("shop/Deployment/w%d", j)]},
				Ports: ports(tcp(uint16(80+random.IntN(3)), uint16(82+random.IntN(3)))),
			})
		}
	}
	begin := time.Now()
	got, err := suggest.New(suggest.Request{Snapshot: snapshot, Options: exact, Namespaces: []string{"shop"}, Wanted: wanted})
	if err != nil {
		t.Fatal(err)
	}
	if took := time.Since(begin); took > time.Minute {
		t.Errorf("it took %s", took)
	}
	if len(got.Extra)+len(got.Unkept)+len(got.Shared) > 0 {
		t.Errorf("extra %v, unkept %v, shared %v", got.Extra, got.Unkept, got.Shared)
	}
	t.Logf("%d connections: %d netpols with %d rules in %s", len(wanted), len(got.Netpols), got.Rules, time.Since(begin).Round(time.Millisecond))
}
