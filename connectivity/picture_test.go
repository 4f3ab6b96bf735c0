package connectivity_test

import (
	"net/netip"
	"slices"

	"k8s.io/apimachinery/pkg/runtime"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/cluster/clustertest"
	"github.com/podcullis/podcullis/connectivity"
)

// edge is a pair of peers, as they are printed.
type edge struct{ from, to string }

// answer is what connectivity says about one pair of peers.
type answer struct {
	open, unknown connectivity.PortSet
	// reasons hold why a port is unknown.
	reasons map[connectivity.Uncertainty]connectivity.PortSet
}

func (a answer) level(p probe) int {
	protocol, ok := cluster.ParseProtocol(string(p.protocol))
	switch {
	case !ok:
		panic("no such protocol: " + p.protocol)
	case a.open.Contains(protocol, uint16(p.port)):
		return open.level
	case a.unknown.Contains(protocol, uint16(p.port)):
		return unknown("").level
	}
	return blocked.level
}

// reasonsFor are the reasons for which a port is unknown.
func (a answer) reasonsFor(p probe) []string {
	protocol, _ := cluster.ParseProtocol(string(p.protocol))
	var out []string
	for reason, ports := range a.reasons {
		if ports.Contains(protocol, uint16(p.port)) {
			out = append(out, string(reason))
		}
	}
	slices.Sort(out)
	return out
}

// picture is a list of connections by pair of peers.
type picture map[edge]answer

func pictureOf(t clustertest.TB, connections []connectivity.Connection) picture {
	t.Helper()
	out := picture{}
	for _, c := range connections {
		e := edge{c.From.String(), c.To.String()}
		a := out[e]
		if a.reasons == nil {
			a.reasons = map[connectivity.Uncertainty]connectivity.PortSet{}
		}
		if c.Ports.Empty() || len(c.Because) == 0 {
			t.Fatalf("%s -> %s: a connection needs ports and a reason, got %v because %v", e.from, e.to, c.Ports, c.Because)
		}
		if c.Unknown == "" {
			if !a.open.Empty() {
				t.Fatalf("%s -> %s is listed twice as open", e.from, e.to)
			}
			a.open = c.Ports
		} else {
			if !a.unknown.Empty() {
				t.Fatalf("%s -> %s is listed twice as unknown", e.from, e.to)
			}
			a.unknown = c.Ports
			for _, b := range c.Because {
				if b.Unknown != "" {
					a.reasons[b.Unknown] = a.reasons[b.Unknown].Union(b.Ports)
				}
			}
		}
		if both := a.open.Intersect(a.unknown); !both.Empty() {
			t.Fatalf("%s -> %s: %s are both open and unknown", e.from, e.to, both)
		}
		out[e] = a
	}
	return out
}

// peersOf lists the workloads of a snapshot as they are printed.
func peersOf(s *cluster.Snapshot) []string {
	var out []string
	for w := range s.AllWorkloads() {
		out = append(out, w.Ref.String())
	}
	return out
}

// snapshotOf builds the snapshot of objects, and of foreign policies in namespaces.
func snapshotOf(t clustertest.TB, objects []runtime.Object, foreign ...string) *cluster.Snapshot {
	t.Helper()
	s := clustertest.Snapshot(t, objects...)
	for _, namespace := range foreign {
		s = clustertest.Apply(t, s, cluster.Change{After: foreignIn(namespace)})
	}
	return s
}

func foreignIn(namespace string) *cluster.Foreign {
	kind := "CiliumNetworkPolicy"
	if namespace == "" {
		kind = "CiliumClusterwideNetworkPolicy"
	}
	return &cluster.Foreign{Group: "cilium.io", Kind: kind, Namespace: namespace, Name: "other"}
}

func isCIDR(peer string) bool {
	_, err := netip.ParsePrefix(peer)
	return err == nil
}

func isAddress(peer string) bool {
	_, err := netip.ParseAddr(peer)
	return err == nil
}

// at is the answer for a pair; for a block of addresses that of the smaller
// blocks in it, or of the one around it.
func (p picture) at(e edge) answer {
	if !isCIDR(e.from) && !isCIDR(e.to) {
		return p[e]
	}
	out := answer{open: connectivity.AllPorts(), unknown: connectivity.AllPorts()}
	possible := connectivity.AllPorts()
	for _, address := range samplesOf(e) {
		a := p.atAddress(e, address)
		out.open = out.open.Intersect(a.open)
		possible = possible.Intersect(a.open.Union(a.unknown))
	}
	out.unknown = possible.Subtract(out.open)
	return out
}

func (p picture) atAddress(e edge, address netip.Addr) answer {
	for other, a := range p {
		switch {
		case isCIDR(e.from) && other.to == e.to && isCIDR(other.from) && netip.MustParsePrefix(other.from).Contains(address),
			isCIDR(e.to) && other.from == e.from && isCIDR(other.to) && netip.MustParsePrefix(other.to).Contains(address):
			return a
		}
	}
	return answer{}
}

// samplesOf are the addresses that are probed in the block of a pair.
func samplesOf(e edge) []netip.Addr {
	block := e.from
	if isCIDR(e.to) {
		block = e.to
	}
	prefix := netip.MustParsePrefix(block)
	samples := []netip.Addr{prefix.Addr()}
	for _, o := range outsiders {
		if a := netip.MustParseAddr(o); prefix.Contains(a) {
			samples = append(samples, a)
		}
	}
	return samples
}

func prefixHolds(prefix, address string) bool {
	return netip.MustParsePrefix(prefix).Contains(netip.MustParseAddr(address))
}
