package connectivity_test

import (
	"testing"

	networkingv1 "k8s.io/api/networking/v1"
	"pgregory.net/rapid"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/connectivity"
)

// barriers counts the sides that block, for the pods that come closest.
func (r *reference) barriers(from, to []*refPod, p probe) int {
	fewest := 2
	for _, s := range from {
		for _, d := range to {
			n := 0
			for _, side := range []truth{
				r.side(networkingv1.PolicyTypeEgress, refEnd{pod: s}, refEnd{pod: d}, refEnd{pod: d}, p.protocol, p.port),
				r.side(networkingv1.PolicyTypeIngress, refEnd{pod: d}, refEnd{pod: s}, refEnd{pod: d}, p.protocol, p.port),
			} {
				if side == blocked {
					n++
				}
			}
			fewest = min(fewest, n)
		}
	}
	return fewest
}

func TestLawBarriersAreTheSidesThatBlock(t *testing.T) {
	checks(t, 50, func(t *rapid.T) {
		x := drawTransition(t)
		o := options(x.podNetwork)
		for a := range x.after.AllWorkloads() {
			for b := range x.after.AllWorkloads() {
				verdict := connectivity.Explain(x.after, connectivity.Peer{Workload: a}, connectivity.Peer{Workload: b}, connectivity.AllPorts(), o)
				for _, p := range probes {
					protocol, _ := cluster.ParseProtocol(string(p.protocol))
					got := connectivity.Barriers(x.after, a, b, connectivity.PortRange{Protocol: protocol, First: uint16(p.port), Last: uint16(p.port)}, o)
					if want := x.refAfter.barriers(x.peers[a.String()], x.peers[b.String()], p); got != want {
						t.Fatalf("%s -> %s on %s %d: %d barriers, want %d", a, b, p.protocol, p.port, got, want)
					}
					passes := connectivity.PortSet{}
					for _, c := range verdict.Connections {
						passes = passes.Union(c.Ports)
					}
					if passes.Contains(protocol, uint16(p.port)) != (got == 0) {
						t.Fatalf("%s -> %s on %s %d: %d barriers, and it passes %s", a, b, p.protocol, p.port, got, passes)
					}
				}
			}
		}
	})
}

func TestLawWeakenedIsFromTwoBarriersToOne(t *testing.T) {
	checks(t, 100, func(t *rapid.T) {
		x := drawTransition(t)
		got := map[edge]connectivity.PortSet{}
		for _, w := range connectivity.Weakened(x.before, x.after, connectivity.Query{From: connectivity.Everyone(), To: connectivity.Everyone()}, options(x.podNetwork)) {
			e := edge{w.From.String(), w.To.String()}
			if !got[e].Intersect(w.Ports).Empty() {
				t.Fatalf("%s -> %s: %s is listed twice", e.from, e.to, w.Ports)
			}
			if len(w.GoneBy) == 0 || len(w.LeftBy) == 0 {
				t.Fatalf("%s -> %s: a barrier without a netpol: gone %v, left %v", e.from, e.to, w.GoneBy, w.LeftBy)
			}
			got[e] = got[e].Union(w.Ports)
		}
		for from, sources := range x.peers {
			for to, destinations := range x.peers {
				fromWas, toWas := x.podsBefore(from), x.podsBefore(to)
				if from == to || len(fromWas) == 0 || len(toWas) == 0 {
					continue
				}
				for _, p := range probes {
					protocol, _ := cluster.ParseProtocol(string(p.protocol))
					is := got[edge{from, to}].Contains(protocol, uint16(p.port))
					before, after := x.refBefore.barriers(fromWas, toWas, p), x.refAfter.barriers(sources, destinations, p)
					if is != (before == 2 && after == 1) {
						t.Fatalf("%s -> %s on %s %d: from %d barriers to %d, listed %v", from, to, p.protocol, p.port, before, after, is)
					}
				}
			}
		}
	})
}
