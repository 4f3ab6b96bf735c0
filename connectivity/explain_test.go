package connectivity_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"pgregory.net/rapid"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/cluster/clustertest"
	"github.com/podcullis/podcullis/cluster/selector"
	"github.com/podcullis/podcullis/connectivity"
)

func TestExplain(t *testing.T) {
	web := clustertest.Deployment("shop/web", clustertest.Labels("app=web"))
	db := clustertest.Pod("shop/db", clustertest.Labels("app=db"), clustertest.IP("10.0.0.7"), clustertest.Port("pg", 5432, "TCP"))
	tests := map[string]struct {
		reason  string
		objects []runtime.Object
		from    string
		to      string
		port    uint16
		want    string
	}{
		"NobodyIsIsolated": {
			reason: "without netpols every path is open, and it says so for each side",
			from:   "shop/Deployment/web", to: "shop/Pod/db", port: 5432,
			want: "open TCP 5432; egress: not isolated; ingress: not isolated",
		},
		"ARuleOpensIt": {
			reason:  "the rule that decided it is named, and the one that did not match says why",
			objects: []runtime.Object{clustertest.Netpol("shop/db", `{podSelector: {matchLabels: {app: db}}, ingress: [{from: [{podSelector: {matchLabels: {app: api}}}]}, {from: [{podSelector: {matchLabels: {app: web}}}], ports: [{port: pg}]}]}`)},
			from:    "shop/Deployment/web", to: "shop/Pod/db", port: 5432,
			want: "open TCP 5432; egress: not isolated; ingress: isolated, shop/db rule 0 peer no ports TCP 5432, shop/db rule 1 peer yes ports TCP 5432 THROUGH",
		},
		"ThePortDoesNotMatch": {
			reason:  "the peer matches and the port does not: ingress blocks",
			objects: []runtime.Object{clustertest.Netpol("shop/db", `{podSelector: {}, ingress: [{from: [{podSelector: {}}], ports: [{port: 80}]}]}`)},
			from:    "shop/Deployment/web", to: "shop/Pod/db", port: 5432,
			want: "blocked; egress: not isolated; ingress: isolated BLOCKS, shop/db rule 0 peer yes ports no port",
		},
		"NoRuleAtAll": {
			reason:  "a default-deny is listed though it has no rule",
			objects: []runtime.Object{clustertest.Netpol("shop/deny", `{podSelector: {}, policyTypes: [Egress]}`)},
			from:    "shop/Deployment/web", to: "shop/Pod/db", port: 5432,
			want: "blocked; egress: isolated BLOCKS, shop/deny no rule; ingress: not isolated",
		},
		"TheSidesDisagree": {
			reason: "kubescape#3903: each side lets a port through, but not the same one",
			objects: []runtime.Object{
				clustertest.Netpol("shop/out", `{podSelector: {matchLabels: {app: web}}, policyTypes: [Egress], egress: [{ports: [{port: 443}]}]}`),
				clustertest.Netpol("shop/in", `{podSelector: {matchLabels: {app: db}}, ingress: [{ports: [{port: 5432}]}]}`),
			},
			from: "shop/Deployment/web", to: "shop/Pod/db",
			want: "blocked DISAGREE; egress: isolated, shop/out rule 0 peer yes ports TCP 443 THROUGH; ingress: isolated, shop/in rule 0 peer yes ports TCP 5432 THROUGH",
		},
		"UnknownWithItsReason": {
			reason:  "the Deployment's next pod may get an address in the block",
			objects: []runtime.Object{clustertest.Netpol("shop/db", `{podSelector: {matchLabels: {app: db}}, ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/8}}]}]}`)},
			from:    "shop/Deployment/web", to: "shop/Pod/db", port: 5432,
			want: "unknown ip-not-assigned; egress: not isolated; ingress: isolated, shop/db rule 0 peer maybe ip-not-assigned ports TCP 5432 THROUGH",
		},
		"ABlockInPart": {
			reason:  "10.0.0.0/7 is open for its half only",
			objects: []runtime.Object{clustertest.Netpol("shop/db", `{podSelector: {matchLabels: {app: db}}, policyTypes: [Egress], egress: [{to: [{ipBlock: {cidr: 10.0.0.0/8}}]}]}`)},
			from:    "shop/Pod/db", to: "10.0.0.0/7", port: 443,
			want: "open TCP 443; egress: isolated, shop/db rule 0 peer yes (partly) ports TCP 443 THROUGH; ingress: outside",
		},
		"FromOutside": {
			reason:  "a name resolves on the pod that is reached",
			objects: []runtime.Object{clustertest.Netpol("shop/db", `{podSelector: {matchLabels: {app: db}}, ingress: [{ports: [{port: pg}]}]}`)},
			from:    "1.2.3.4/32", to: "shop/Pod/db", port: 5432,
			want: "open TCP 5432; egress: outside; ingress: isolated, shop/db rule 0 peer yes ports TCP 5432 THROUGH",
		},
		"APodAndItself": {
			reason:  "a pod reaches itself (kubescape#3904)",
			objects: []runtime.Object{clustertest.Netpol("shop/deny", `{podSelector: {}, policyTypes: [Ingress, Egress]}`)},
			from:    "shop/Pod/db", to: "shop/Pod/db", port: 5432,
			want: "open TCP 5432 SELF; egress: isolated BLOCKS, shop/deny no rule; ingress: isolated BLOCKS, shop/deny no rule",
		},
		"ReplicasOfOneWorkload": {
			reason:  "replicas are different pods: a deny holds between them",
			objects: []runtime.Object{clustertest.Netpol("shop/deny", `{podSelector: {}, policyTypes: [Ingress]}`)},
			from:    "shop/Deployment/web", to: "shop/Deployment/web", port: 80,
			want: "blocked; egress: not isolated; ingress: isolated BLOCKS, shop/deny no rule",
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s := clustertest.Snapshot(t, append(tt.objects, web, db)...)
			var ports connectivity.PortSet
			if tt.port != 0 {
				ports = connectivity.Ports(connectivity.PortRange{Protocol: cluster.TCP, First: tt.port, Last: tt.port})
			}
			got := explained(connectivity.Explain(s, peerNamed(t, s, tt.from), peerNamed(t, s, tt.to), ports, connectivity.Options{}))
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tt.reason, diff)
			}
		})
	}
}

// explained is an explanation on one line.
func explained(x connectivity.Explanation) string {
	head := strings.Join(strings.Fields(fmt.Sprint(x.Verdict, " ", x.Unknown)), " ")
	if x.Verdict == connectivity.VerdictOpen {
		head += " " + x.Open.String()
	}
	if x.Self {
		head += " SELF"
	}
	if x.Disagree() {
		head += " DISAGREE"
	}
	return head + "; egress: " + explainedSide(x.Sides[cluster.Egress]) + "; ingress: " + explainedSide(x.Sides[cluster.Ingress])
}

func explainedSide(s connectivity.SideExplanation) string {
	if s.Outside {
		return "outside"
	}
	if s.Isolated == selector.No {
		return "not isolated"
	}
	out := "isolated"
	if s.Blocks() {
		out += " BLOCKS"
	}
	for _, n := range s.Netpols {
		name := n.Netpol.Namespace + "/" + n.Netpol.Name
		if len(n.Rules) == 0 {
			out += ", " + name + " no rule"
		}
		for _, r := range n.Rules {
			out += fmt.Sprintf(", %s rule %d peer %s", name, r.Rule, []string{"no", "maybe", "yes"}[r.Peer])
			if r.Unknown != "" {
				out += " " + string(r.Unknown)
			}
			if r.Partly {
				out += " (partly)"
			}
			out += " ports " + r.Ports.String()
			if !r.Through.Empty() {
				out += " THROUGH"
			}
		}
	}
	return out
}

// peerNamed finds "namespace/Kind/name", or reads a CIDR.
func peerNamed(t clustertest.TB, s *cluster.Snapshot, name string) connectivity.Peer {
	t.Helper()
	if block, err := netip.ParsePrefix(name); err == nil {
		return connectivity.Peer{CIDR: block}
	}
	parts := strings.Split(name, "/")
	w, ok := s.Workload(cluster.Ref{Namespace: parts[0], Kind: parts[1], Name: parts[2]})
	if !ok {
		t.Fatalf("no workload %s", name)
	}
	return connectivity.Peer{Workload: w}
}

func TestLawExplainAgreesWithThePicture(t *testing.T) {
	checks(t, 30, func(t *rapid.T) {
		objects := drawObjects(t)
		r := newReference(objects, "")
		s := snapshotOf(t, objects)
		want := everything(t, s)
		peers := r.byPeer()
		ends := append(peersOf(s), "0.0.0.0/0")
		for _, from := range ends {
			for _, to := range ends {
				if from == to {
					continue
				}
				x := connectivity.Explain(s, peerNamed(t, s, from), peerNamed(t, s, to), connectivity.PortSet{}, connectivity.Options{})
				if isCIDR(from) || isCIDR(to) {
					checkExplainedOutside(t, x, want, edge{from, to})
					continue
				}
				if a := want[edge{from, to}]; !x.Open.Equal(a.open) || !x.Unsure.Equal(a.unknown) {
					t.Fatalf("%s -> %s: explained as open %s and unknown %s, listed as %s and %s", from, to, x.Open, x.Unsure, a.open, a.unknown)
				}
				checkSides(t, r, x, peers[from], peers[to])
			}
		}
	})
}

func checkExplainedOutside(t *rapid.T, x connectivity.Explanation, want picture, e edge) {
	var possible connectivity.PortSet
	for other, a := range want {
		v4 := func(s string) bool { return isCIDR(s) && !strings.Contains(s, ":") }
		if (v4(other.from) && v4(e.from) && other.to == e.to) || (v4(other.to) && v4(e.to) && other.from == e.from) {
			possible = possible.Union(a.open).Union(a.unknown)
		}
	}
	if got := x.Open.Union(x.Unsure); !got.Equal(possible) {
		t.Fatalf("%s -> %s: explained as %s, listed as %s", e.from, e.to, got, possible)
	}
}

// checkSides: what a side lets through is what the reference says, and comes of
// its rules.
func checkSides(t *rapid.T, r *reference, x connectivity.Explanation, from, to []*refPod) {
	for _, p := range probes {
		var egress, ingress truth
		for _, s := range from {
			for _, d := range to {
				source, destination := refEnd{pod: s}, refEnd{pod: d}
				egress = egress.or(r.side(networkingv1.PolicyTypeEgress, source, destination, destination, p.protocol, p.port))
				ingress = ingress.or(r.side(networkingv1.PolicyTypeIngress, destination, source, destination, p.protocol, p.port))
			}
		}
		for d, want := range [...]truth{cluster.Egress: egress, cluster.Ingress: ingress} {
			side := x.Sides[d]
			got := answer{open: side.Open, unknown: side.Unsure}
			if got.level(p) != want.level {
				t.Fatalf("%s of %s -> %s on %s %d: got %s, want %s", side.Direction, x.From, x.To, p.protocol, p.port, levelNames[got.level(p)], levelNames[want.level])
			}
		}
	}
	for _, side := range x.Sides {
		var through connectivity.PortSet
		for _, n := range side.Netpols {
			for _, rule := range n.Rules {
				through = through.Union(rule.Through)
			}
		}
		possible := side.Open.Union(side.Unsure)
		if extra := through.Subtract(possible); !extra.Empty() {
			t.Fatalf("%s of %s -> %s: a rule lets %s through, the side does not", side.Direction, x.From, x.To, extra)
		}
		byRule := true
		for _, b := range side.Because {
			byRule = byRule && !b.NotIsolated && b.Netpol != (cluster.Ref{})
		}
		if byRule && !through.Equal(possible) {
			t.Fatalf("%s of %s -> %s: the side lets %s through, its rules %s", side.Direction, x.From, x.To, possible, through)
		}
	}
}
