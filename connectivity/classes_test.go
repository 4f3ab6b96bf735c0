package connectivity_test

import (
	"testing"

	"k8s.io/apimachinery/pkg/runtime"

	"github.com/podcullis/podcullis/cluster/clustertest"
	"github.com/podcullis/podcullis/connectivity"
)

// TestOnePodOfManyIsNotOverlooked: pods that are alike are judged once, so each
// story has one pod, the last, that is unlike its siblings in one thing.
func TestOnePodOfManyIsNotOverlooked(t *testing.T) {
	const pg = "shop/Postgres/pg"
	pod := func(name string, options ...clustertest.Option) runtime.Object {
		return clustertest.Pod("shop/"+name, append(options, clustertest.ControlledBy("Postgres/pg"), clustertest.Labels("app=pg", "pod="+name))...)
	}
	addressed := clustertest.IP("10.0.9.1")
	stories := map[string]story{
		"ByALabelThatANetpolAsksFor": {
			reason: "the leader alone is let in",
			add: only(pod("pg-0", addressed), pod("pg-1", addressed), pod("pg-2", addressed), pod("pg-3", addressed, clustertest.Labels("role=leader")),
				netpol("shop/n", `{podSelector: {matchLabels: {app: db}}, ingress: [{from: [{podSelector: {matchLabels: {role: leader}}}]}]}`)),
			asks: []ask{{pg, db, "TCP 80", "open"}, {web, db, "TCP 80", "blocked"}},
		},
		"ByALabelThatIsolates": {
			reason: "all but the last are isolated",
			add: only(pod("pg-0", addressed, clustertest.Labels("shut=yes")), pod("pg-1", addressed, clustertest.Labels("shut=yes")), pod("pg-2", addressed, clustertest.Labels("shut=yes")), pod("pg-3", addressed),
				netpol("shop/n", `{podSelector: {matchExpressions: [{key: shut, operator: Exists}]}, policyTypes: [Ingress, Egress]}`)),
			asks: []ask{{web, pg, "TCP 80", "open"}, {pg, web, "TCP 80", "open"}, {"1.1.1.1", pg, "TCP 80", "open"}},
		},
		"ByAPort": {
			reason: "its http is another number",
			add: only(pod("pg-0", addressed, clustertest.Port("http", 80, "")), pod("pg-1", addressed, clustertest.Port("http", 80, "")), pod("pg-2", addressed, clustertest.Port("http", 80, "")), pod("pg-3", addressed, clustertest.Port("http", 81, "")),
				netpol("shop/n", `{podSelector: {matchLabels: {app: pg}}, ingress: [{ports: [{port: http}]}]}`)),
			asks: []ask{{web, pg, "TCP 80", "open"}, {web, pg, "TCP 81", "open"}, {web, pg, "TCP 82", "blocked"}},
		},
		"ByTheHostNetwork": {
			reason: "nothing isolates it there",
			add: only(pod("pg-0", addressed), pod("pg-1", addressed), pod("pg-2", addressed), pod("pg-3", addressed, clustertest.HostNetwork()),
				netpol("shop/n", `{podSelector: {matchLabels: {app: pg}}}`)),
			asks: []ask{{web, pg, "TCP 80", "open"}},
		},
		"ByItsAddress": {
			reason: "the block holds it alone",
			add: only(pod("pg-0", addressed), pod("pg-1", addressed), pod("pg-2", addressed), pod("pg-3", clustertest.IP("10.0.8.1")),
				netpol("shop/n", `{podSelector: {matchLabels: {app: db}}, ingress: [{from: [{ipBlock: {cidr: 10.0.8.0/24}}]}]}`)),
			asks: []ask{{pg, db, "TCP 80", "open"}},
		},
		"ByHavingNoAddress": {
			reason: "it may get one in the block",
			add: only(pod("pg-0", addressed), pod("pg-1", addressed), pod("pg-2", addressed), pod("pg-3"),
				netpol("shop/n", `{podSelector: {matchLabels: {app: db}}, ingress: [{from: [{ipBlock: {cidr: 10.0.8.0/24}}]}]}`)),
			asks: []ask{{pg, db, "TCP 80", "unknown ip-not-assigned"}},
		},
	}
	for name, tt := range stories {
		t.Run(name, func(t *testing.T) {
			s := clustertest.Snapshot(t, append(storyObjects(), tt.add...)...)
			got := pictureOf(t, connectivity.Connections(s, connectivity.Options{}))
			for _, a := range tt.asks {
				if answer := answerTo(t, got, a); answer != a.want {
					t.Errorf("%s -> %s on %s: got %s, want %s (%s)", a.from, a.to, a.on, answer, a.want, tt.reason)
				}
			}
		})
	}
}
