package cluster_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/cluster/clustertest"
	"github.com/podcullis/podcullis/cluster/selector"
)

func TestNetpolDefaults(t *testing.T) {
	tests := map[string]struct {
		reason string
		spec   string
		want   string
	}{
		"PolicyTypesMissing": {
			reason: "Ingress, and not Egress without an egress rule",
			spec:   `{podSelector: {}}`,
			want:   "everything; ingress: nobody",
		},
		"PolicyTypesEmpty": {
			reason: "[] is missing",
			spec:   `{podSelector: {}, policyTypes: []}`,
			want:   "everything; ingress: nobody",
		},
		"EgressEmptyIsNoRule": {
			reason: "egress: [] leaves egress alone",
			spec:   `{podSelector: {}, egress: []}`,
			want:   "everything; ingress: nobody",
		},
		"EgressRuleAddsEgress": {
			reason: "policyTypes default to both",
			spec:   `{podSelector: {}, egress: [{}]}`,
			want:   "everything; egress: anybody on any port; ingress: nobody",
		},
		"EgressOnly": {
			reason: "an ingress section is ignored, and so are its rules",
			spec:   `{podSelector: {}, policyTypes: [Egress], ingress: [{}]}`,
			want:   "everything; egress: nobody",
		},
		"IngressOnly": {
			reason: "and the reverse",
			spec:   `{podSelector: {}, policyTypes: [Ingress], egress: [{}]}`,
			want:   "everything; ingress: nobody",
		},
		"PodSelectorMissing": {
			reason: "the empty selector",
			spec:   `{ingress: null}`,
			want:   "everything; ingress: nobody",
		},
		"FromAndPortsEmpty": {
			reason: "[] is missing, which is everything",
			spec:   `{podSelector: {}, ingress: [{from: [], ports: []}]}`,
			want:   "everything; ingress: anybody on any port",
		},
		"ProtocolMissing": {
			reason: "TCP",
			spec:   `{podSelector: {}, ingress: [{ports: [{port: 80}, {port: http}, {}]}]}`,
			want:   "everything; ingress: anybody on TCP 80-80, TCP http, TCP 1-65535",
		},
		"ProtocolWithoutPort": {
			reason: "all of it",
			spec:   `{podSelector: {}, ingress: [{ports: [{protocol: UDP}, {protocol: SCTP, port: 5, endPort: 9}]}]}`,
			want:   "everything; ingress: anybody on UDP 1-65535, SCTP 5-9",
		},
		"Peers": {
			reason: "a podSelector alone is for the own namespace; a namespaceSelector alone for all pods there",
			spec:   `{podSelector: {matchLabels: {app: db}}, ingress: [{from: [{podSelector: {}}, {namespaceSelector: {}}, {podSelector: {matchLabels: {a: b}}, namespaceSelector: {matchLabels: {c: d}}}]}]}`,
			want:   "app=db; ingress: [own namespace, everything] [everything, everything] [c=d, a=b] on any port",
		},
		"HostBits": {
			reason: "masked (KEP-4858)",
			spec:   `{podSelector: {}, egress: [{to: [{ipBlock: {cidr: 10.0.0.5/8, except: [10.1.2.3/16]}}]}]}`,
			want:   "everything; egress: [10.0.0.0/8 except 10.1.0.0/16] on any port; ingress: nobody",
		},
		"IPv4InIPv6": {
			reason: "it is the IPv4 block",
			spec:   `{podSelector: {}, ingress: [{from: [{ipBlock: {cidr: "::ffff:10.0.0.0/104", except: ["::ffff:10.1.0.0/112"]}}]}]}`,
			want:   "everything; ingress: [10.0.0.0/8 except 10.1.0.0/16] on any port",
		},
		"IPv6": {
			reason: "a family of its own",
			spec:   `{podSelector: {}, ingress: [{from: [{ipBlock: {cidr: "fd00::1/8"}}]}]}`,
			want:   "everything; ingress: [fd00::/8] on any port",
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			n, err := cluster.NewNetpol(clustertest.Netpol("shop/n", tt.spec))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, netpolLine(n)); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tt.reason, diff)
			}
		})
	}
}

func TestNetpolErrors(t *testing.T) {
	tests := map[string]struct {
		reason string
		spec   string
		path   string // that the error names
		want   string
	}{
		"PodSelectorOperator": {
			reason: "it may select anybody, so it still isolates",
			spec:   `{podSelector: {matchExpressions: [{key: app, operator: Like}]}}`,
			path:   "spec.podSelector", want: "MAYBE everything; ingress: nobody",
		},
		"PodSelectorLabel": {
			reason: "a value that no label can have",
			spec:   `{podSelector: {matchLabels: {app: "-"}}}`,
			path:   "spec.podSelector", want: "MAYBE everything; ingress: nobody",
		},
		"PolicyType": {
			reason: "it may isolate for either direction whom it selects",
			spec:   `{podSelector: {matchLabels: {app: db}}, policyTypes: [Ingress, Inbound], ingress: [{}]}`,
			path:   "spec.policyTypes[1]", want: "MAYBE app=db; egress: nobody; ingress: anybody on any port",
		},
		"PeerEmpty": {
			reason: "{} is no peer",
			spec:   `{podSelector: {}, ingress: [{}, {from: [{podSelector: {}}, {}]}]}`,
			path:   "spec.ingress[1].from[1]", want: "everything; ingress: anybody on any port | [own namespace, everything] [MAYBE] on any port",
		},
		"PeerOfBothSorts": {
			reason: "ipBlock stands alone",
			spec:   `{podSelector: {}, egress: [{to: [{podSelector: {}, ipBlock: {cidr: 10.0.0.0/8}}]}]}`,
			path:   "spec.egress[0].to[0]", want: "everything; egress: [MAYBE] on any port; ingress: nobody",
		},
		"PeerPodSelector": {
			reason: "In needs values",
			spec:   `{podSelector: {}, ingress: [{from: [{podSelector: {matchExpressions: [{key: a, operator: In}]}}]}]}`,
			path:   "spec.ingress[0].from[0].podSelector", want: "everything; ingress: [own namespace, MAYBE everything] on any port",
		},
		"PeerNamespaceSelector": {
			reason: "Exists has none",
			spec:   `{podSelector: {}, ingress: [{from: [{namespaceSelector: {matchExpressions: [{key: a, operator: Exists, values: [b]}]}}]}]}`,
			path:   "spec.ingress[0].from[0].namespaceSelector", want: "everything; ingress: [MAYBE everything, everything] on any port",
		},
		"CIDR": {
			reason: "an address is no block",
			spec:   `{podSelector: {}, ingress: [{from: [{ipBlock: {cidr: 10.0.0.1}}]}]}`,
			path:   "spec.ingress[0].from[0].ipBlock.cidr", want: "everything; ingress: [MAYBE] on any port",
		},
		"CIDRWithLeadingZeros": {
			reason: "010 is eight to some and ten to others (KEP-4858)",
			spec:   `{podSelector: {}, ingress: [{from: [{ipBlock: {cidr: 010.0.0.0/8}}]}]}`,
			path:   "spec.ingress[0].from[0].ipBlock.cidr", want: "everything; ingress: [MAYBE] on any port",
		},
		"ExceptDoesNotParse": {
			reason: "any address of the block may be excepted",
			spec:   `{podSelector: {}, ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/8, except: [10.1.0.0/16, x]}}]}]}`,
			path:   "spec.ingress[0].from[0].ipBlock.except[1]", want: "everything; ingress: [MAYBE 10.0.0.0/8 except 10.1.0.0/16] on any port",
		},
		"ExceptOutside": {
			reason: "an exception is a strict part",
			spec:   `{podSelector: {}, ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/8, except: [11.0.0.0/16]}}]}]}`,
			path:   "spec.ingress[0].from[0].ipBlock.except[0]", want: "everything; ingress: [MAYBE 10.0.0.0/8] on any port",
		},
		"ExceptIsAll": {
			reason: "an exception is a strict part",
			spec:   `{podSelector: {}, ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/8, except: [10.0.0.0/8]}}]}]}`,
			path:   "spec.ingress[0].from[0].ipBlock.except[0]", want: "everything; ingress: [MAYBE 10.0.0.0/8] on any port",
		},
		"ExceptOfTheOtherFamily": {
			reason: "families do not mix",
			spec:   `{podSelector: {}, ingress: [{from: [{ipBlock: {cidr: 0.0.0.0/0, except: ["fd00::/8"]}}]}]}`,
			path:   "spec.ingress[0].from[0].ipBlock.except[0]", want: "everything; ingress: [MAYBE 0.0.0.0/0] on any port",
		},
		"Protocol":         {reason: "ICMP is none", spec: `{podSelector: {}, ingress: [{ports: [{protocol: ICMP}]}]}`, path: "spec.ingress[0].ports[0].protocol", want: "everything; ingress: anybody on MAYBE"},
		"PortQuoted":       {reason: "a name needs a letter", spec: `{podSelector: {}, ingress: [{ports: [{port: "80"}]}]}`, path: "spec.ingress[0].ports[0].port", want: "everything; ingress: anybody on MAYBE"},
		"PortName":         {reason: "a name has 15 characters at most", spec: `{podSelector: {}, ingress: [{ports: [{port: abcdefghijklmnop}]}]}`, path: "spec.ingress[0].ports[0].port", want: "everything; ingress: anybody on MAYBE"},
		"PortZero":         {reason: "1 to 65535", spec: `{podSelector: {}, ingress: [{ports: [{port: 0}]}]}`, path: "spec.ingress[0].ports[0].port", want: "everything; ingress: anybody on MAYBE"},
		"PortTooLarge":     {reason: "1 to 65535", spec: `{podSelector: {}, ingress: [{ports: [{port: 65536}]}]}`, path: "spec.ingress[0].ports[0].port", want: "everything; ingress: anybody on MAYBE"},
		"EndPortBelow":     {reason: "endPort >= port", spec: `{podSelector: {}, ingress: [{ports: [{port: 80, endPort: 79}]}]}`, path: "spec.ingress[0].ports[0].endPort", want: "everything; ingress: anybody on MAYBE"},
		"EndPortTooLarge":  {reason: "1 to 65535", spec: `{podSelector: {}, ingress: [{ports: [{port: 80, endPort: 65536}]}]}`, path: "spec.ingress[0].ports[0].endPort", want: "everything; ingress: anybody on MAYBE"},
		"EndPortOfName":    {reason: "a name starts no range", spec: `{podSelector: {}, ingress: [{ports: [{port: http, endPort: 90}]}]}`, path: "spec.ingress[0].ports[0].endPort", want: "everything; ingress: anybody on MAYBE"},
		"EndPortAlone":     {reason: "a range needs a start", spec: `{podSelector: {}, ingress: [{ports: [{endPort: 90}]}]}`, path: "spec.ingress[0].ports[0].port", want: "everything; ingress: anybody on MAYBE"},
		"BesideAGoodPort":  {reason: "the others still count", spec: `{podSelector: {}, ingress: [{ports: [{port: 80}, {port: 0}]}]}`, path: "spec.ingress[0].ports[1].port", want: "everything; ingress: anybody on TCP 80-80, MAYBE"},
		"InIgnoredSection": {reason: "an error all the same", spec: `{podSelector: {}, policyTypes: [Egress], ingress: [{from: [{}]}]}`, path: "spec.ingress[0].from[0]", want: "everything; egress: nobody"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			n, err := cluster.NewNetpol(clustertest.Netpol("shop/n", tt.spec))
			if err == nil || !strings.HasPrefix(err.Error(), tt.path+": ") {
				t.Errorf("%s: want an error about %s, got %v", tt.reason, tt.path, err)
			}
			if diff := cmp.Diff(tt.want, netpolLine(n)); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tt.reason, diff)
			}
		})
	}
	t.Run("EveryOneIsListed", func(t *testing.T) {
		_, err := cluster.NewNetpol(clustertest.Netpol("shop/n", `{podSelector: {matchExpressions: [{key: a, operator: X}]}, ingress: [{from: [{}], ports: [{port: 0}]}]}`))
		for _, path := range []string{"spec.podSelector", "spec.ingress[0].from[0]", "spec.ingress[0].ports[0].port"} {
			if err == nil || !strings.Contains(err.Error(), path) {
				t.Errorf("want an error that names %s, got %v", path, err)
			}
		}
	})
}

// netpolLine prints a netpol: MAYBE marks what cannot be read.
func netpolLine(n *cluster.Netpol) string {
	line := selectorText(n.Selector)
	for _, d := range []cluster.Direction{cluster.Egress, cluster.Ingress} {
		if !n.Isolates[d] {
			if len(n.Rules[d]) > 0 {
				line += "; RULES OF AN IGNORED DIRECTION"
			}
			continue
		}
		var rules []string
		for _, r := range n.Rules[d] {
			rules = append(rules, ruleText(r))
		}
		if len(rules) == 0 {
			rules = []string{"nobody"}
		}
		line += "; " + d.String() + ": " + strings.Join(rules, " | ")
	}
	return line
}

func ruleText(r cluster.NetpolRule) string {
	var peers, ports []string
	for _, p := range r.Peers {
		peers = append(peers, "["+peerText(p)+"]")
	}
	if r.AnyPeer {
		peers = append(peers, "anybody")
	}
	for _, p := range r.Ports {
		switch {
		case p.Broken:
			ports = append(ports, "MAYBE")
		case p.Name != "":
			ports = append(ports, p.Protocol.String()+" "+p.Name)
		default:
			ports = append(ports, fmt.Sprintf("%s %d-%d", p.Protocol, p.First, p.Last))
		}
	}
	if r.AnyPort {
		ports = append(ports, "any port")
	}
	return strings.Join(peers, " ") + " on " + strings.Join(ports, ", ")
}

func peerText(p cluster.NetpolPeer) string {
	if p.Block != nil {
		text := p.Block.Prefix.String()
		if p.Broken {
			text = "MAYBE " + text
		}
		for _, e := range p.Block.Except {
			text += " except " + e.String()
		}
		return text
	}
	if p.Broken {
		return "MAYBE"
	}
	namespaces := "own namespace"
	if !p.OwnNamespace {
		namespaces = selectorText(p.Namespaces)
	}
	return namespaces + ", " + selectorText(p.Pods)
}

func selectorText(s selector.Selector) string {
	switch {
	case s.Matches(labels.Set{"any": "thing"}) == selector.Maybe:
		return "MAYBE everything"
	case s.Matches(labels.Set{"app": "db"}) == selector.Maybe:
		return "MAYBE " + s.String()
	}
	return s.String()
}

func TestIPBlockContains(t *testing.T) {
	block := func(cidr string, except ...string) *cluster.IPBlock {
		b := &cluster.IPBlock{Prefix: netip.MustParsePrefix(cidr)}
		for _, e := range except {
			b.Except = append(b.Except, netip.MustParsePrefix(e))
		}
		return b
	}
	tests := map[string]struct {
		block   *cluster.IPBlock
		address string
		want    bool
	}{
		"Inside":          {block("10.0.0.0/8"), "10.255.255.255", true},
		"Outside":         {block("10.0.0.0/8"), "11.0.0.0", false},
		"Excepted":        {block("10.0.0.0/8", "10.1.0.0/16"), "10.1.2.3", false},
		"BesideException": {block("10.0.0.0/8", "10.1.0.0/16"), "10.2.0.0", true},
		"SecondException": {block("10.0.0.0/8", "10.1.0.0/16", "10.2.0.0/16"), "10.2.0.0", false},
		"AllIPv4NoIPv6":   {block("0.0.0.0/0"), "::1", false},
		"AllIPv6NoIPv4":   {block("::/0"), "1.1.1.1", false},
		"IPv6":            {block("fd00::/8", "fd00::/16"), "fd01::1", true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got := tt.block.Contains(netip.MustParseAddr(tt.address)); got != tt.want {
				t.Errorf("%s: got %v, want %v", tt.address, got, tt.want)
			}
		})
	}
}
