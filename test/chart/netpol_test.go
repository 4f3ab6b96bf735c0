package chart

import (
	"net/netip"
	"testing"

	networkingv1 "k8s.io/api/networking/v1"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/cluster/manifest"
	"github.com/podcullis/podcullis/cluster/selector"
	"github.com/podcullis/podcullis/connectivity"
)

// The chart's own NetworkPolicy, judged by what it installs.
func TestOwnNetworkPolicy(t *testing.T) {
	apiServer, somebody := netip.MustParsePrefix("172.16.0.1/32"), netip.MustParsePrefix("203.0.113.7/32")
	tight := "networkPolicy: {apiServerCIDRs: [172.16.0.0/28], apiServerPorts: [6443], metricsFrom: [{podSelector: {}}]}"
	cases := map[string]struct {
		reason, values string
		block          netip.Prefix
		egress         bool
		port           uint16
		udp            bool
		open           bool
	}{
		"APIServerReachesThePodsPort":        {reason: "not the Service's", block: apiServer, port: 9443, open: true},
		"ServicesPortIsNoPortOfThePod":       {reason: "a NetworkPolicy never sees it", block: apiServer, port: 443},
		"NobodyOutsideReachesTheProbes":      {reason: "a pod's own node reaches it in any case", block: somebody, port: 8081},
		"NobodyOutsideReadsTheMetrics":       {reason: "Prometheus is a pod", block: somebody, port: 8080},
		"NodesThatAreNamedReachTheProbes":    {reason: "for a plugin that does not except them", values: "networkPolicy: {probesFrom: [{ipBlock: {cidr: 203.0.113.0/24}}]}", block: somebody, port: 8081, open: true},
		"PrometheusElsewhereReadsTheMetrics": {reason: "somebody said so", values: "networkPolicy: {metricsFrom: [{ipBlock: {cidr: 203.0.113.0/24}}]}", block: somebody, port: 8080, open: true},
		"NothingElseIsOpen":                  {reason: "there is nothing else", block: somebody, port: 22},
		"ReachesTheAPIServer":                {reason: "informers", block: apiServer, egress: true, port: 443, open: true},
		"ReachesTheAPIServerBehindIt":        {reason: "after the Service's address was translated", block: apiServer, egress: true, port: 6443, open: true},
		"ResolvesNames":                      {reason: "an API server with a name", block: somebody, egress: true, port: 53, udp: true, open: true},
		"ReachesNothingElse":                 {reason: "nothing else is needed", block: somebody, egress: true, port: 80},
		"TightAPIServerReaches":              {reason: "it is in the block", values: tight, block: apiServer, port: 9443, open: true},
		"TightNobodyElseReaches":             {reason: "he is not in the block", values: tight, block: somebody, port: 9443},
		"TightMetricsNotFromOutside":         {reason: "pods of the namespace only", values: tight, block: somebody, port: 8080},
		"TightReachesTheAPIServer":           {reason: "it is in the block", values: tight, block: apiServer, egress: true, port: 6443, open: true},
		"TightReachesNobodyElse":             {reason: "he is not in the block", values: tight, block: somebody, egress: true, port: 6443},
		"OtherPortsAreThoseOfThePods":        {reason: "the netpol follows the values", values: "ports: {webhook: 10250}", block: apiServer, port: 10250, open: true},
		"OtherPortsCloseTheUsualOnes":        {reason: "the netpol follows the values", values: "ports: {webhook: 10250}", block: apiServer, port: 9443},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			s := snapshot(t, install(t, tc.values))
			pods := connectivity.Selection{Namespaces: selector.Everything(), Pods: selector.Everything()}
			protocol := cluster.TCP
			if tc.udp {
				protocol = cluster.UDP
			}
			q := connectivity.Query{
				From: connectivity.Selection{Block: tc.block}, To: pods,
				Ports: connectivity.Ports(connectivity.PortRange{Protocol: protocol, First: tc.port, Last: tc.port}),
			}
			if tc.egress {
				q.From, q.To = q.To, q.From
			}
			var open bool
			for _, c := range connectivity.Open(s, q, connectivity.Options{}) {
				for _, peer := range []connectivity.Peer{c.From, c.To} {
					open = open || (peer.Workload != nil && peer.Workload.Kind == "Deployment")
				}
			}
			if open != tc.open {
				t.Errorf("open %v, want %v: %s", open, tc.open, tc.reason)
			}
		})
	}
}

// Nobody has to call the jobs of the release, and they get out as the webhook does.
func TestNobodyReachesTheJobs(t *testing.T) {
	s := snapshot(t, install(t, "networkPolicy: {apiServerCIDRs: [172.16.0.0/28]}"))
	pods := connectivity.Selection{Namespaces: selector.Everything(), Pods: selector.Everything()}
	for _, from := range []connectivity.Selection{pods, {Block: connectivity.Anywhere()[0]}} {
		for _, c := range connectivity.Open(s, connectivity.Query{From: from, To: pods}, connectivity.Options{}) {
			if c.To.Workload.Kind != "Deployment" {
				t.Errorf("%s reaches %s on %s", c.From, c.To, c.Ports)
			}
		}
	}
	out := map[string]bool{}
	for _, c := range connectivity.Open(s, connectivity.Query{From: pods, To: connectivity.Selection{Block: netip.MustParsePrefix("172.16.0.1/32")}}, connectivity.Options{}) {
		out[c.From.Workload.Kind] = true
	}
	if !out["Job"] || !out["Pod"] || !out["Deployment"] {
		t.Errorf("these reach the API server: %v", out)
	}
}

// Whoever installs guardrails follows them.
func everyPodIsIsolated(t *testing.T, r release) {
	if len(r.objects) > 0 && !hasNetpol(r) {
		t.Skip("networkPolicy.enabled is false")
	}
	s := snapshot(t, r)
	for _, c := range connectivity.Open(s, connectivity.Query{From: connectivity.Selection{Block: netip.MustParsePrefix("203.0.113.7/32")}, To: connectivity.Everyone()}, connectivity.Options{}) {
		if c.Ports.All() {
			t.Errorf("%s is not isolated", c.To.Workload.Name)
		}
	}
}

// netpolOf is the netpol of the webhook's pods, which has the name of the Deployment; that
// of the jobs lies beside it.
func netpolOf(t *testing.T, r release, name string) *networkingv1.NetworkPolicy {
	t.Helper()
	for _, n := range all[*networkingv1.NetworkPolicy](r) {
		if n.Name == name {
			return n
		}
	}
	t.Fatalf("no NetworkPolicy %s", name)
	return nil
}

func hasNetpol(r release) bool {
	for _, o := range r.objects {
		if o.kind == "NetworkPolicy" {
			return true
		}
	}
	return false
}

func snapshot(t *testing.T, r release) *cluster.Snapshot {
	t.Helper()
	set, err := manifest.Read(manifest.Input{Texts: r.texts})
	if err != nil {
		t.Fatal(err)
	}
	s, err := set.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	return s
}
