package suggest_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/connectivity"
	"github.com/podcullis/podcullis/suggest"
	"github.com/podcullis/podcullis/test/bench/town"
)

// calls are what the tiers of an application of the town call, and where.
var calls = map[string]map[string]uint16{
	town.Frontend: {town.API: 9000}, town.API: {town.Worker: 8000, town.Cache: 6379, town.Database: 5432}, town.Worker: {town.Database: 5432},
}

const instance = "app.kubernetes.io/instance"

// A town of 200 workloads keeps what its tiers need of each other, and that monitoring reaches
// everybody, and nothing else.
func TestSuggestionForATown(t *testing.T) {
	snapshot, err := town.Plan{Seed: 7, Pods: 1000, Namespaces: 12, Netpols: 100}.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	request := suggest.Request{Snapshot: snapshot, Options: exact}
	var all []*cluster.Workload
	for ns := range snapshot.Namespaces() {
		request.Namespaces = append(request.Namespaces, ns.Name)
		for w := range snapshot.Workloads(ns.Name) {
			if !w.Variants[0].HostNetwork { // which no netpol governs
				all = append(all, w)
			}
		}
	}
	want := map[string]string{}
	for _, from := range all {
		for _, to := range all {
			var port uint16
			switch {
			case from == to:
				continue
			case from.Name == "prometheus":
				port = 9102
			case from.Namespace == to.Namespace && from.Labels[instance] == to.Labels[instance]:
				port = calls[from.Labels[town.TierLabel]][to.Labels[town.TierLabel]]
			}
			if port == 0 {
				continue
			}
			w := suggest.Wanted{From: connectivity.Peer{Workload: from}, To: connectivity.Peer{Workload: to}, Ports: ports(tcp(port, port)), Why: "drawn"}
			request.Wanted = append(request.Wanted, w)
			want[from.String()+" -> "+to.String()] = w.Ports.String()
		}
	}
	begin := time.Now()
	result, err := suggest.New(request)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d workloads, %d connections: %d netpols with %d rules in %s", len(all), len(want), len(result.Netpols), result.Rules, time.Since(begin).Round(time.Millisecond))
	if len(all) < 200 || len(result.Alike)+len(result.Unkept)+len(result.Shared) > 0 {
		t.Errorf("%d workloads, alike %v, unkept %v, shared %v", len(all), result.Alike, result.Unkept, result.Shared)
	}
	got := map[string]string{}
	for _, c := range connectivity.Connections(result.After, exact) {
		if governed(c.From) && governed(c.To) {
			got[c.From.String()+" -> "+c.To.String()] = c.Ports.String()
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func governed(p connectivity.Peer) bool {
	return p.Workload == nil || !p.Workload.Variants[0].HostNetwork
}
