package picture

import "cmp"

// meaning is what a line tells a reader first. Its colour is by this, and by nothing else:
// what violates a guardrail looks like that, whether a change has opened it or not.
type meaning uint8

// The meanings, from what deserves a look first.
const (
	forbidden meaning = iota // a guardrail objects to it
	opened                   // by the change: it was blocked before
	unknown                  // neither proved open nor proved blocked
	closed                   // by the change
	byDefault                // open, and no netpol has a say
	byNetpol                 // open, and a rule lets it through
	blocked
)

var meaningClasses = [...]string{
	forbidden: "forbidden", opened: "opened", unknown: "unknown", closed: "closed",
	byDefault: "default", byNetpol: "netpol", blocked: "blocked",
}

func meaningOf(e *Edge) meaning {
	switch {
	case len(e.Violates) > 0:
		return forbidden
	case e.Change == Removed:
		return closed
	case e.State == Unknown:
		return unknown // also where that is new: nobody has seen it open
	case e.Change == Added:
		return opened
	}
	return [...]meaning{ByDefault: byDefault, ByNetpol: byNetpol, Blocked: blocked}[e.State]
}

// Colours of lines where the reader's scheme is not known, of Okabe and Ito's palette for
// all kinds of colour vision (2008) but for the two greys, which are dark enough on white
// and light enough on black. No colour stands alone: each meaning has a line, an end or a
// sign of its own.
var colours = [...]string{
	forbidden: "#D55E00", // vermillion
	opened:    "#E69F00", // orange
	unknown:   "#CC79A7", // reddish purple
	closed:    "#009E73", // bluish green
	byDefault: "#5B7A9D", // slate
	byNetpol:  "#0072B2", // blue
	blocked:   "#767676", // grey
}

func edgeColour(e *Edge) string { return colours[meaningOf(e)] }

// severities are from the worst on; what has none comes last.
var severities = map[string]int{"critical": -4, "high": -3, "medium": -2, "low": -1}

// compareWeight sorts edges by what a reader has to see first: the worst violation, then
// what the change made of the others, then what is unknown, and what is open with the
// outside of the cluster. What weighs the same is sorted by cause, so that what one edit would mend
// stands together.
func (g *Graph) compareWeight(a, b *Edge) int {
	outside := func(e *Edge) int {
		if g.Nodes[e.From].Outside() || g.Nodes[e.To].Outside() {
			return 0
		}
		return 1
	}
	fine := func(e *Edge) int { return min(1, int(meaningOf(e))) } // 0 where a guardrail objects
	return cmp.Or(
		cmp.Compare(fine(a), fine(b)), cmp.Compare(a.severity, b.severity), cmp.Compare(changed(b), changed(a)), cmp.Compare(meaningOf(a), meaningOf(b)),
		cmp.Compare(outside(a), outside(b)), cmp.Compare(a.why(), b.why()),
		cmp.Compare(a.From, b.From), cmp.Compare(a.To, b.To),
	)
}

func changed(e *Edge) int {
	if e.Change == Same {
		return 0
	}
	return 1
}
