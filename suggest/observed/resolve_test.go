package observed_test

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/cluster/clustertest"
	"github.com/podcullis/podcullis/suggest/observed"
)

// A flow to a node is kept for its address, or, where that is not told, is told of.
func TestFindNodes(t *testing.T) {
	known := observed.Known{Snapshot: clustertest.Snapshot(t, clustertest.Namespace("shop"), clustertest.Deployment("shop/web", clustertest.Labels("app=web")))}
	from := observed.End{Namespace: "shop", Pod: "web"}
	found := known.Find([]observed.Flow{
		{From: from, To: observed.End{Host: true, Address: netip.MustParseAddr("192.0.2.4")}, Protocol: cluster.TCP, First: 6443, Last: 6443},
		{From: from, To: observed.End{Host: true}, Protocol: cluster.TCP, First: 6443, Last: 6443},
		{From: observed.End{Address: netip.MustParseAddr("192.0.2.4")}, To: observed.End{Address: netip.MustParseAddr("192.0.2.5")}, Protocol: cluster.TCP, First: 1, Last: 1},
	})
	if len(found.Wanted) != 1 || found.Wanted[0].To.String() != "192.0.2.4/32" || len(found.ToNodes) != 1 || len(found.Beyond) != 1 {
		t.Errorf("%+v", found)
	}
}

func TestFind(t *testing.T) {
	s := clustertest.Snapshot(t, clustertest.Namespace("shop"),
		clustertest.Deployment("shop/web", clustertest.Labels("app=web")),
		clustertest.Deployment("shop/web-api", clustertest.Labels("app=api")),
		clustertest.StatefulSet("shop/db", clustertest.Labels("app=db")),
		clustertest.DaemonSet("shop/agent", clustertest.Labels("app=agent")),
		clustertest.CronJob("shop/report", clustertest.Labels("app=report")),
		clustertest.Deployment("shop/both", clustertest.Labels("app=both")), clustertest.StatefulSet("shop/both", clustertest.Labels("app=both")),
		clustertest.Pod("shop/lonely", clustertest.Labels("app=lonely"), clustertest.IP("10.0.0.7")),
	)
	known := observed.Known{Snapshot: s, Outside: []netip.Prefix{netip.MustParsePrefix("203.0.113.0/24")}, Nodes: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}}
	pod := func(name string) observed.End { return observed.End{Namespace: "shop", Pod: name} }
	address := func(text string) observed.End { return observed.End{Address: netip.MustParseAddr(text)} }
	tests := map[string]struct {
		end  observed.End
		want string
	}{
		"Workload":                 {observed.End{Namespace: "shop", Kind: "Deployment", Name: "web"}, "shop/Deployment/web"},
		"KindInLowerCase":          {observed.End{Namespace: "shop", Kind: "statefulset", Name: "both"}, "shop/StatefulSet/both"},
		"WorkloadByItsName":        {pod("web"), "shop/Deployment/web"},
		"TwoOfTheName":             {pod("both"), "strange: shop/both may be shop/Deployment/both or shop/StatefulSet/both"},
		"PodOfADeployment":         {pod("web-6c9f8d5b7d-x2x4z"), "shop/Deployment/web"},
		"PodsOfADeployment":        {pod("web-6c9f8d5b7d-*"), "shop/Deployment/web"},
		"PodOfALongerName":         {pod("web-api-6c9f8d5b7d-x2x4z"), "shop/Deployment/web-api"},
		"PodOfWhatIsGone":          {pod("web-old-6c9f8d5b7d-x2x4z"), "strange: no workload shop/web-old-6c9f8d5b7d-x2x4z"},
		"PodOfAStatefulSet":        {pod("db-0"), "shop/StatefulSet/db"},
		"PodsOfAStatefulSet":       {pod("db-*"), "shop/StatefulSet/db"},
		"PodOfADaemonSet":          {pod("agent-x2x4z"), "shop/DaemonSet/agent"},
		"PodOfACronJob":            {pod("report-29000000-x2x4z"), "shop/CronJob/report"},
		"JobOfACronJob":            {observed.End{Namespace: "shop", Kind: "Job", Name: "report-29000000"}, "shop/CronJob/report"},
		"BarePod":                  {pod("lonely"), "shop/Pod/lonely"},
		"AddressOfAPod":            {address("10.0.0.7"), "shop/Pod/lonely"},
		"AddressOutside":           {address("198.51.100.1"), "198.51.100.1/32"},
		"AddressInABlock":          {address("203.0.113.77"), "203.0.113.0/24"},
		"ANode":                    {observed.End{Host: true, Address: netip.MustParseAddr("192.0.2.4")}, "192.0.2.0/24"},
		"ANodeThatNobodyKnows":     {observed.End{Host: true, Address: netip.MustParseAddr("10.9.9.9")}, "from a node"},
		"AnotherNamespace":         {observed.End{Namespace: "elsewhere", Pod: "web"}, "strange: no workload elsewhere/web"},
		"WhatOnlyLooksLikeSomePod": {pod("web-*-*"), "strange: no workload shop/web-*-*"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			found := known.Find([]observed.Flow{{From: test.end, To: pod("db"), Protocol: cluster.TCP, First: 5432, Last: 5432}})
			got := fmt.Sprint(found)
			switch {
			case len(found.Wanted) == 1:
				got = found.Wanted[0].From.String()
			case len(found.Strange) == 1:
				got = "strange: " + found.Strange[0].Why
			case len(found.FromNodes) == 1:
				got = "from a node"
			}
			if got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
		})
	}
}
