package breach

import (
	"time"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/guardrail"
)

// anyOf is the object of a change.
func anyOf(c cluster.Change) cluster.Object {
	if c.After != nil {
		return c.After
	}
	return c.Before
}

// asked reports whether admission judges a change: it is about something that selectors
// see, and not the end of something of which only that end is told. A pod or workload that
// goes opens nothing, and what a namespace leaves behind keeps its labels.
func asked(c cluster.Change) bool {
	if c.Idle() {
		return false
	}
	_, isNetpol := anyOf(c).(*cluster.Netpol)
	_, isForeign := anyOf(c).(*cluster.Foreign)
	return !isForeign && (isNetpol || c.After != nil)
}

// review presents a change as if it were asked for.
func review(c cluster.Change, now time.Time) guardrail.Review {
	return guardrail.Presented(c, guardrail.Admission, now)
}

// endsWithNamespace reports whether a change is part of the end of its namespace, which
// admission lets go on once no pod is left in it.
func endsWithNamespace(c cluster.Change, after *cluster.Snapshot) bool {
	ref := c.Ref()
	if c.After != nil || ref.Namespace == "" {
		return false
	}
	ns, ok := after.Namespace(ref.Namespace)
	return (!ok || ns.Terminating() || ns.Implied) && len(after.PodsLeft(ref.Namespace)) == 0
}
