package connectivity_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/cluster/clustertest"
	"github.com/podcullis/podcullis/connectivity"
)

func TestSelects(t *testing.T) {
	s := clustertest.Snapshot(t,
		clustertest.Namespace("shop", "env=prod"),
		clustertest.Namespace("ops", "env=ops"),
		clustertest.Deployment("shop/web", clustertest.Labels("app=web"), clustertest.Port("http", 8080, "")),
		clustertest.Pod("shop/db", clustertest.Labels("app=db"), clustertest.IP("10.0.0.7"), clustertest.Port("pg", 5432, ""), clustertest.Port("http", 80, "")),
		clustertest.Pod("ops/probe", clustertest.Labels("app=probe"), clustertest.IP("10.0.0.8"), clustertest.HostNetwork()),
	)
	tests := map[string]struct {
		reason string
		netpol string
		want   []string
	}{
		"EmptyMeansEverybody": {
			reason: "an empty rule is for all peers and ports; the selector for all pods of the namespace only",
			netpol: `{podSelector: {}, ingress: [{}]}`,
			want: []string{
				"selects shop/Deployment/web, shop/Pod/db",
				"ingress 0: any peer: ops/Pod/probe, shop/Deployment/web, shop/Pod/db; any port",
			},
		},
		"NothingAtAll": {
			reason: "a deny selects and lets nobody through",
			netpol: `{podSelector: {matchLabels: {app: db}}, policyTypes: [Ingress, Egress]}`,
			want:   []string{"selects shop/Pod/db"},
		},
		"IgnoredSection": {
			reason: "an ingress section without Ingress in policyTypes is nothing",
			netpol: `{podSelector: {}, policyTypes: [Egress], ingress: [{}], egress: [{ports: [{port: 53, protocol: UDP}]}]}`,
			want: []string{
				"selects shop/Deployment/web, shop/Pod/db",
				"egress 0: any peer: ops/Pod/probe, shop/Deployment/web, shop/Pod/db; UDP 53",
			},
		},
		"NamesResolveOnTheDestination": {
			reason: "for ingress among the selected, for egress among the peers",
			netpol: `{podSelector: {matchLabels: {app: db}}, ingress: [{from: [{podSelector: {matchLabels: {app: web}}}], ports: [{port: http}]}], egress: [{to: [{podSelector: {matchLabels: {app: web}}}], ports: [{port: http}, {port: none}]}]}`,
			want: []string{
				"selects shop/Pod/db",
				"egress 0: shop/Deployment/web; TCP http = shop/Deployment/web TCP 8080; TCP none =",
				"ingress 0: shop/Deployment/web; TCP http = shop/Pod/db TCP 80",
			},
		},
		"BlocksAndWhatIsNotCertain": {
			reason: "a block names its exceptions, a known address opens, an unknown one may",
			netpol: `{podSelector: {matchLabels: {app: web}}, ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/8, except: [10.9.0.0/16]}}, {namespaceSelector: {matchLabels: {env: ops}}}], ports: [{port: 1, endPort: 10}]}]}`,
			want: []string{
				"selects shop/Deployment/web",
				"ingress 0: ops/Pod/probe, shop/Deployment/web (ip-not-assigned), shop/Pod/db (over pods); block 10.0.0.0/8 except [10.9.0.0/16]; TCP 1-10",
			},
		},
		"HostNetworkPeer": {
			reason: "selectors may or may not see it there",
			netpol: `{podSelector: {matchLabels: {app: web}}, ingress: [{from: [{namespaceSelector: {matchLabels: {env: ops}}}]}]}`,
			want: []string{
				"selects shop/Deployment/web",
				"ingress 0: ops/Pod/probe (host-network); any port",
			},
		},
		"WhatCannotBeRead": {
			reason: "a selector that does not parse may match anybody",
			netpol: `{podSelector: {matchExpressions: [{key: app, operator: Like}]}, ingress: [{from: [{}], ports: [{port: 70000}]}]}`,
			want: []string{
				"selects shop/Deployment/web (unparsable-selector), shop/Pod/db (unparsable-selector)",
				"ingress 0: ops/Pod/probe (unparsable-selector), shop/Deployment/web (unparsable-selector), shop/Pod/db (unparsable-selector); 1 broken peers; no port; 1 broken ports",
			},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			n, ok := clustertest.Stored(t, clustertest.Netpol("shop/it", tt.netpol)).(*cluster.Netpol)
			if !ok {
				t.Fatal("not a netpol")
			}
			if diff := cmp.Diff(tt.want, selectionLines(connectivity.Selects(s, n))); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tt.reason, diff)
			}
		})
	}
}

func selectionLines(s connectivity.NetpolSelection) []string {
	out := []string{"selects " + matchedNames(s.Workloads)}
	for d, rules := range s.Rules {
		for i, r := range rules {
			parts := []string{matchedNames(r.Workloads)}
			if r.AnyPeer {
				parts[0] = "any peer: " + parts[0]
			}
			for _, b := range r.Blocks {
				parts = append(parts, fmt.Sprintf("block %s except %v", b.Prefix, b.Except))
			}
			if r.BrokenPeers > 0 {
				parts = append(parts, fmt.Sprintf("%d broken peers", r.BrokenPeers))
			}
			switch {
			case r.AnyPort:
				parts = append(parts, "any port")
			case !r.Ports.Empty() || len(r.Named) == 0:
				parts = append(parts, r.Ports.String())
			}
			for _, n := range r.Named {
				text := n.Protocol.String() + " " + n.Name + " ="
				for _, res := range n.Resolved {
					text += " " + res.Workload.String() + " " + res.Ports.String()
				}
				parts = append(parts, text)
			}
			if r.BrokenPorts > 0 {
				parts = append(parts, fmt.Sprintf("%d broken ports", r.BrokenPorts))
			}
			out = append(out, fmt.Sprintf("%s %d: %s", cluster.Direction(d), i, strings.Join(parts, "; ")))
		}
	}
	return out
}

func matchedNames(list []connectivity.Matched) string {
	var names []string
	for _, m := range list {
		name := m.Workload.String()
		if m.Unknown != "" {
			name += " (" + string(m.Unknown) + ")"
		}
		if m.OverPods {
			name += " (over pods)"
		}
		names = append(names, name)
	}
	return strings.Join(names, ", ")
}

func TestLawWhatANetpolSelectsIsIsolatedByIt(t *testing.T) {
	checks(t, 30, func(t *rapid.T) {
		s := snapshotOf(t, drawObjects(t))
		isolated := map[string]bool{}
		for _, i := range connectivity.Isolated(s, connectivity.Everyone()) {
			for _, by := range i.By {
				for _, n := range by {
					isolated[n.String()+" "+i.Workload.String()] = true
				}
			}
		}
		for ns := range s.Namespaces() {
			for _, n := range s.Netpols(ns.Name) {
				for _, m := range connectivity.Selects(s, n).Workloads {
					if name := n.Ref().String() + " " + m.Workload.String(); !isolated[name] && m.Unknown != connectivity.HostNetwork {
						t.Fatalf("%s is selected and not isolated", name)
					}
				}
			}
		}
	})
}
