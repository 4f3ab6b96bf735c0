package connectivity_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/cluster/clustertest"
	"github.com/podcullis/podcullis/connectivity"
)

var blockStories = map[string]story{
	"ABlockOverAPodOpens": {
		reason: "upstream's conformance expects that an ipBlock holding a pod's IP opens the path",
		add:    only(netpol("shop/n", `{podSelector: {matchLabels: {app: db}}, ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/24}}]}]}`)),
		asks:   []ask{{web, db, "TCP 80", "open"}, {ops, db, "TCP 80", "blocked"}},
	},
	"ExceptedHereOpenedElsewhere": {
		reason: "what one peer excepts another may open",
		add:    only(netpol("shop/n", `{podSelector: {matchLabels: {app: db}}, ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/8, except: [10.0.0.0/24]}}, {ipBlock: {cidr: 10.0.0.1/32}}]}]}`)),
		asks:   []ask{{web, db, "TCP 80", "open"}, {"10.0.0.9", db, "TCP 80", "blocked"}, {"10.9.0.0", db, "TCP 80", "open"}},
	},
	"HostBitsAreMasked": {
		reason: "10.0.0.5/8 is stored in old objects and means 10.0.0.0/8 (KEP-4858)",
		add:    only(netpol("shop/n", `{podSelector: {matchLabels: {app: db}}, ingress: [{from: [{ipBlock: {cidr: 10.0.0.5/8, except: [10.0.0.7/30]}}]}]}`)),
		asks:   []ask{{"10.255.0.0", db, "TCP 80", "open"}, {"10.0.0.4", db, "TCP 80", "blocked"}, {"10.0.0.8", db, "TCP 80", "open"}},
	},
	"FamiliesDoNotMix": {
		reason: "0.0.0.0/0 is no IPv6 (np-guard#47), and ::/0 no IPv4",
		add: only(netpol("shop/n", `{podSelector: {matchLabels: {app: db}}, ingress: [{from: [{ipBlock: {cidr: 0.0.0.0/0}}]}]}`),
			netpol("shop/w", `{podSelector: {matchLabels: {app: web}}, ingress: [{from: [{ipBlock: {cidr: "::/0"}}]}]}`)),
		asks: []ask{{"1.1.1.1", db, "TCP 80", "open"}, {"2001:db8::1", db, "TCP 80", "blocked"}, {"2001:db8::1", web, "TCP 80", "open"}, {"1.1.1.1", web, "TCP 80", "blocked"}},
	},
	"AnIPv6BlockIsRead": {
		reason: "IPv6 ipBlocks were read as IPv4",
		add:    only(netpol("shop/n", `{podSelector: {matchLabels: {app: db}}, ingress: [{from: [{ipBlock: {cidr: "fd00::/8", except: ["fd00::/127"]}}]}]}`)),
		asks:   []ask{{"fd00::2", db, "TCP 80", "open"}, {"fd00::1", db, "TCP 80", "blocked"}, {web, db, "TCP 80", "blocked"}},
	},
	"IPv4WrittenAsIPv6": {
		reason: "::ffff:10.0.0.0/104 is 10.0.0.0/8",
		add:    only(netpol("shop/n", `{podSelector: {matchLabels: {app: db}}, ingress: [{from: [{ipBlock: {cidr: "::ffff:10.0.0.0/104"}}]}]}`)),
		asks:   []ask{{"10.1.2.3", db, "TCP 80", "open"}, {web, db, "TCP 80", "open"}, {"11.0.0.0", db, "TCP 80", "blocked"}},
	},
	"ExceptionsThatLeaveNothing": {
		reason: "each is a strict part, together they are all: a valid netpol that lets nothing through",
		add:    only(netpol("shop/n", `{podSelector: {matchLabels: {app: db}}, policyTypes: [Ingress, Egress], ingress: [{from: [{ipBlock: {cidr: 0.0.0.0/0, except: [0.0.0.0/1, 128.0.0.0/1]}}]}], egress: [{to: [{ipBlock: {cidr: 10.0.0.0/31, except: [10.0.0.0/32, 10.0.0.1/32]}}]}]}`)),
		asks:   []ask{{"1.1.1.1", db, "TCP 80", "blocked"}, {web, db, "TCP 80", "blocked"}, {db, "10.0.0.1", "TCP 80", "blocked"}, {db, web, "TCP 80", "blocked"}},
	},
	"NoAddressYet": {
		reason: "at CREATE a pod has no address: the block may hold the one it gets",
		add: only(clustertest.Pod("shop/new", clustertest.Labels("app=new")),
			netpol("shop/n", `{podSelector: {matchLabels: {app: db}}, ingress: [{from: [{ipBlock: {cidr: 192.168.0.0/16}}]}]}`)),
		asks: []ask{{"shop/Pod/new", db, "TCP 80", "unknown ip-not-assigned"}, {web, db, "TCP 80", "blocked"}},
	},
	"NoAddressYetAndThePodNetworkElsewhere": {
		reason:  "when it is known where pods get their addresses, the block is certain not to hold them",
		options: connectivity.Options{PodNetwork: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/16")}},
		add: only(clustertest.Pod("shop/new", clustertest.Labels("app=new")),
			netpol("shop/n", `{podSelector: {matchLabels: {app: db}}, ingress: [{from: [{ipBlock: {cidr: 192.168.0.0/16}}]}]}`)),
		asks: []ask{{"shop/Pod/new", db, "TCP 80", "blocked"}},
	},
	"NoAddressYetAndThePodNetworkExcepted": {
		reason:  "the usual egress to everywhere but the cluster is no path to a pod",
		options: connectivity.Options{PodNetwork: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/16")}},
		add: only(clustertest.Pod("shop/new", clustertest.Labels("app=new")),
			netpol("shop/n", `{podSelector: {matchLabels: {app: web}}, policyTypes: [Egress], egress: [{to: [{ipBlock: {cidr: 0.0.0.0/0, except: [10.0.0.0/17, 10.0.128.0/17]}}]}]}`)),
		asks: []ask{{web, "shop/Pod/new", "TCP 80", "blocked"}, {web, "1.1.1.1", "TCP 80", "open"}},
	},
}

var doubtStories = map[string]story{
	"ExceptionsThatLeaveNothingToAPodWithoutAddress": {
		reason:  "whatever address it gets, the block does not hold it",
		options: connectivity.Options{PodNetwork: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/16")}},
		add: only(clustertest.Pod("shop/new", clustertest.Labels("app=new")),
			netpol("shop/n", `{podSelector: {matchLabels: {app: web}}, policyTypes: [Egress], egress: [{to: [{ipBlock: {cidr: 10.0.0.0/8, except: [10.0.0.0/9, 10.128.0.0/9]}}]}]}`)),
		asks: []ask{{web, "shop/Pod/new", "TCP 80", "blocked"}},
	},
	"TheDoubtOfASideThatIsSure": {
		reason:  "egress may be by the block, and is for certain by the selector: only ingress is in doubt",
		foreign: &cluster.Foreign{Group: "cilium.io", Kind: "CiliumNetworkPolicy", Namespace: "ops", Name: "x"},
		add: only(clustertest.Pod("ops/new"), netpol("ops/deny", `{podSelector: {}}`),
			netpol("shop/n", `{podSelector: {matchLabels: {app: web}}, policyTypes: [Egress], egress: [{to: [{ipBlock: {cidr: 10.0.0.0/8}}]}, {to: [{namespaceSelector: {}}]}]}`)),
		asks: []ask{{web, "ops/Pod/new", "TCP 80", "unknown unmodelled-kind"}},
	},
}

var nodeStories = map[string]story{
	"FromTheHostNetwork": {
		reason: "from a pod's own node ingress is always open, and a hostNetwork pod may be on it",
		add: only(clustertest.Pod("ops/agent", clustertest.Labels("app=agent"), clustertest.HostNetwork(), clustertest.IP("172.16.0.1")),
			netpol("shop/deny", `{podSelector: {}}`)),
		asks: []ask{{"ops/Pod/agent", db, "TCP 80", "unknown node-exception"}, {ops, db, "TCP 80", "blocked"}},
	},
	"NothingIsolatesTheHostNetwork": {
		reason: "a hostNetwork pod is the node in practice",
		add: only(clustertest.Pod("shop/agent", clustertest.Labels("app=agent"), clustertest.HostNetwork(), clustertest.IP("172.16.0.1")),
			netpol("shop/deny", `{podSelector: {}, policyTypes: [Ingress, Egress]}`)),
		asks: []ask{{ops, "shop/Pod/agent", "TCP 80", "open"}, {"shop/Pod/agent", ops, "TCP 80", "open"}},
	},
	"SelectorsMayNotSeeTheHostNetwork": {
		reason: "plugins differ in whether a selector matches it",
		add: only(clustertest.Pod("shop/agent", clustertest.Labels("app=agent"), clustertest.HostNetwork(), clustertest.IP("172.16.0.1")),
			netpol("shop/n", `{podSelector: {matchLabels: {app: web}}, policyTypes: [Egress], egress: [{to: [{podSelector: {matchLabels: {app: agent}}}]}]}`)),
		asks: []ask{{web, "shop/Pod/agent", "TCP 80", "unknown host-network"}},
	},
	"ABlockSeesTheHostNetwork": {
		reason: "a node's address is cluster-external, which ipBlock is for",
		add: only(clustertest.Pod("shop/agent", clustertest.HostNetwork(), clustertest.IP("172.16.0.1")),
			netpol("shop/n", `{podSelector: {matchLabels: {app: web}}, policyTypes: [Egress], egress: [{to: [{ipBlock: {cidr: 172.16.0.0/12}}]}]}`)),
		asks: []ask{{web, "shop/Pod/agent", "TCP 80", "open"}},
	},
}

var brokenStories = map[string]story{
	"ASelectorThatDoesNotParse": {
		reason: "it never matches nothing: that would drop isolation",
		add:    only(netpol("shop/n", `{podSelector: {matchExpressions: [{key: app, operator: Like, values: [web]}]}}`)),
		asks:   []ask{{web, db, "TCP 80", "unknown unparsable-selector"}},
	},
	"ABrokenSelectorBesideADeny": {
		reason: "the deny isolates for certain, the broken netpol may let through what its rules say",
		add: only(netpol("shop/deny", `{podSelector: {}}`),
			netpol("shop/n", `{podSelector: {matchExpressions: [{key: app, operator: In}]}, ingress: [{ports: [{port: 80}]}]}`)),
		asks: []ask{{web, db, "TCP 80", "unknown unparsable-selector"}, {web, db, "TCP 81", "blocked"}},
	},
	"AnEmptyPeer": {
		reason: "{} is invalid as a peer, and may mean anybody",
		add:    only(netpol("shop/n", `{podSelector: {matchLabels: {app: db}}, ingress: [{from: [{}]}]}`)),
		asks:   []ask{{web, db, "TCP 80", "unknown unparsable-selector"}, {"1.1.1.1", db, "TCP 80", "unknown unparsable-selector"}},
	},
	"AnExceptionThatDoesNotParse": {
		reason: "any address of the block may be excepted; those outside are none of its business",
		add:    only(netpol("shop/n", `{podSelector: {matchLabels: {app: db}}, ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/24, except: [10.0.0.x]}}]}]}`)),
		asks:   []ask{{web, db, "TCP 80", "unknown unparsable-selector"}, {"10.0.0.77", db, "TCP 80", "unknown unparsable-selector"}, {ops, db, "TCP 80", "blocked"}, {"1.1.1.1", db, "TCP 80", "blocked"}},
	},
	"APolicyTypeThatDoesNotExist": {
		reason: "whether it isolates is not known",
		add:    only(netpol("shop/n", `{podSelector: {matchLabels: {app: db}}, policyTypes: [Inbound]}`)),
		asks:   []ask{{web, db, "TCP 80", "unknown unparsable-selector"}, {db, web, "TCP 80", "unknown unparsable-selector"}, {ops, web, "TCP 80", "open"}},
	},
	"APortThatDoesNotParse": {
		reason: `port: "80" is a name without a letter: it may be any port`,
		add:    only(netpol("shop/n", `{podSelector: {matchLabels: {app: db}}, ingress: [{from: [{podSelector: {matchLabels: {app: web}}}], ports: [{port: "80"}, {port: 443}]}]}`)),
		asks:   []ask{{web, db, "TCP 80", "unknown unparsable-selector"}, {web, db, "TCP 443", "open"}, {ops, db, "TCP 80", "blocked"}},
	},
	"AnotherPolicyAPI": {
		reason:  "what netpols block a CiliumNetworkPolicy may open; elsewhere it changes nothing",
		foreign: &cluster.Foreign{Group: "cilium.io", Kind: "CiliumNetworkPolicy", Namespace: "shop", Name: "x"},
		add:     only(netpol("shop/n", `{podSelector: {matchLabels: {app: db}}}`), netpol("ops/n", `{podSelector: {}}`)),
		asks:    []ask{{web, db, "TCP 80", "unknown unmodelled-kind"}, {web, ops, "TCP 80", "blocked"}, {db, web, "TCP 80", "open"}},
	},
	"AnotherPolicyAPIThatOnlyRestricts": {
		reason:  "an AuthorizationPolicy opens nothing",
		foreign: &cluster.Foreign{Group: "security.istio.io", Kind: "AuthorizationPolicy", Namespace: "shop", Name: "x"},
		add:     only(netpol("shop/n", `{podSelector: {matchLabels: {app: db}}}`)),
		asks:    []ask{{web, db, "TCP 80", "blocked"}},
	},
}

// answerTo reads a picture: a peer is "namespace/Kind/name" or an address.
func answerTo(t *testing.T, p picture, a ask) string {
	t.Helper()
	var on probe
	if _, err := fmt.Sscanf(a.on, "%s %d", &on.protocol, &on.port); err != nil {
		t.Fatal(err)
	}
	got := p[edge{a.from, a.to}]
	switch {
	case isAddress(a.from):
		got = p.atOutside(a.to, a.from, false)
	case isAddress(a.to):
		got = p.atOutside(a.from, a.to, true)
	}
	return strings.TrimSpace(levelNames[got.level(on)] + " " + strings.Join(got.reasonsFor(on), " "))
}

func TestBlocksAreTheFewest(t *testing.T) {
	tests := map[string]struct {
		reason string
		spec   string
		want   string
	}{
		"TwoHalves": {
			reason: "0.0.0.0/1 plus 128.0.0.0/1 is 0.0.0.0/0",
			spec:   `{podSelector: {}, ingress: [{from: [{ipBlock: {cidr: 0.0.0.0/1}}]}, {from: [{ipBlock: {cidr: 128.0.0.0/1}}]}]}`,
			want:   "0.0.0.0/0 all ports",
		},
		"NothingTellsThemApart": {
			reason: "all of both families when there is no netpol on that side",
			spec:   `{podSelector: {}, policyTypes: [Egress]}`,
			want:   "0.0.0.0/0 all ports, ::/0 all ports",
		},
		"AnExceptionOpenedAgain": {
			reason: "the hole is filled by another rule",
			spec:   `{podSelector: {}, ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/8, except: [10.1.0.0/16]}}]}, {from: [{ipBlock: {cidr: 10.1.0.0/16}}]}]}`,
			want:   "10.0.0.0/8 all ports",
		},
		"PortsTellThemApart": {
			reason: "one block for each behaviour",
			spec:   `{podSelector: {}, ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/8}}]}, {from: [{ipBlock: {cidr: 0.0.0.0/0}}], ports: [{port: 443}]}]}`,
			want: "0.0.0.0/5 TCP 443, 8.0.0.0/7 TCP 443, 10.0.0.0/8 all ports, 11.0.0.0/8 TCP 443, 12.0.0.0/6 TCP 443, 16.0.0.0/4 TCP 443, " +
				"32.0.0.0/3 TCP 443, 64.0.0.0/2 TCP 443, 128.0.0.0/1 TCP 443",
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s := clustertest.Snapshot(t, clustertest.Pod("shop/db"), netpol("shop/n", tt.spec))
			var got []string
			for _, c := range connectivity.Connections(s, connectivity.Options{}) {
				if c.To.Workload != nil {
					got = append(got, c.From.String()+" "+c.Ports.String())
				}
			}
			if text := strings.Join(got, ", "); text != tt.want {
				t.Errorf("%s: got %s, want %s", tt.reason, text, tt.want)
			}
		})
	}
	t.Run("OnTheAskedPortsOnly", func(t *testing.T) {
		s := clustertest.Snapshot(t, clustertest.Pod("shop/db"), netpol("shop/n", tests["PortsTellThemApart"].spec))
		q := connectivity.Query{
			From: connectivity.Selection{Block: netip.MustParsePrefix("0.0.0.0/0")}, To: connectivity.Everyone(),
			Ports: connectivity.Ports(connectivity.PortRange{Protocol: cluster.TCP, First: 443, Last: 443}),
		}
		got := connectivity.Open(s, q, connectivity.Options{})
		if len(got) != 1 || got[0].From.String() != "0.0.0.0/0" {
			t.Errorf("on TCP 443 all addresses behave alike: got %v", got)
		}
	})
}

func TestSelfTrafficIsLeftOut(t *testing.T) {
	s := clustertest.Snapshot(t, clustertest.Deployment("shop/web", clustertest.Labels("app=web")), clustertest.Pod("shop/db"))
	for e := range pictureOf(t, connectivity.Connections(s, connectivity.Options{})) {
		if e.from == e.to {
			t.Errorf("%s is listed with itself", e.from)
		}
	}
}
