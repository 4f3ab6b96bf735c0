package connectivity_test

import (
	"slices"
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

// TestLawWeakeningsAreTheNaiveReading: barriers are counted end by end as paths are
// compared. Listed is the pair that one side blocks now, and that both sides blocked in
// everything that the two were; what is new had no barriers.
func TestLawWeakeningsAreTheNaiveReading(t *testing.T) {
	lawOfOneChange(t, "weakened", nil, (*readDelta).weakenings, engineWeakenings)
}

func (d *readDelta) weakenings() map[violation]bool {
	out := map[violation]bool{}
	judged := slices.DeleteFunc(slices.Clone(d.after.everyone), d.isCopy)
	for _, from := range judged {
		for _, to := range judged {
			if d.after.peer(from) == d.after.peer(to) || !d.chosen(from, d.question.from) || !d.chosen(to, d.question.to) {
				continue
			}
			for _, p := range d.question.probes {
				if d.after.barriers([]*refPod{from.end}, []*refPod{to.end}, p) == 1 && d.hadTwoBarriers(from, to, p) {
					out[violation{d.after.peer(from), d.after.peer(to), p}] = true
				}
			}
		}
	}
	return out
}

// hadTwoBarriers: both sides blocked the port between all that the two were.
func (d *readDelta) hadTwoBarriers(from, to *someone, p probe) bool {
	there := false
	for _, f := range d.was(from) {
		for _, g := range d.was(to) {
			if !d.before.chosen(f, d.question.from) || !d.before.chosen(g, d.question.to) {
				continue
			}
			if there = true; d.before.barriers([]*refPod{f.end}, []*refPod{g.end}, p) != 2 {
				return false
			}
		}
	}
	return there
}

func engineWeakenings(t *rapid.T, c oneChange) map[violation]bool {
	out := newListing()
	for _, w := range connectivity.Weakened(c.before, c.after, c.query, c.options) {
		if len(w.GoneBy) == 0 || len(w.LeftBy) == 0 {
			t.Fatalf("%s -> %s: a barrier without a netpol: gone %v, left %v", w.From, w.To, w.GoneBy, w.LeftBy)
		}
		out.add(t, w.From, w.To, w.Ports, c.probes)
	}
	return out.found
}
