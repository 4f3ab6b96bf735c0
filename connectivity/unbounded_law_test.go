package connectivity_test

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/connectivity"
)

// TestLawWhoIsNotIsolatedIsTheNaiveReading: what is open to everybody is compared end by end
// with what it was, as isolation is: so for those whom nothing isolates both say the same.
func TestLawWhoIsNotIsolatedIsTheNaiveReading(t *testing.T) {
	oneSided := func(q question) question {
		q.to = q.from
		return q
	}
	lawOfOneChange(t, "who is not isolated", oneSided, (*readDelta).notIsolated, func(_ *rapid.T, c oneChange) map[string]bool {
		return unboundedIn(c.before, c.after, c.query.From, c.options, connectivity.WithoutIsolation)
	})
}

// TestLawNothingIsUnboundedByNoChange, in no way.
func TestLawNothingIsUnboundedByNoChange(t *testing.T) {
	nobody := func(*readDelta) map[string]bool { return map[string]bool{} }
	lawOfOneChange(t, "no change", func(q question) question { return q }, nobody, func(_ *rapid.T, c oneChange) map[string]bool {
		out := unboundedIn(c.before, c.before, connectivity.Everyone(), c.options, connectivity.Breadths()...)
		for x := range unboundedIn(c.after, c.after, connectivity.Everyone(), c.options, connectivity.Breadths()...) {
			out[x] = true
		}
		return out
	})
}

// notIsolated are the exposures of those who are not on the host's network.
func (d *readDelta) notIsolated() map[string]bool {
	out := map[string]bool{}
	for _, x := range slices.DeleteFunc(slices.Clone(d.after.everyone), d.isCopy) {
		if x.end.hostNetwork || !d.chosen(x, d.question.from) {
			continue
		}
		for direction, policyType := range directionTypes {
			was := open.level
			for _, then := range d.was(x) {
				if d.before.chosen(then, d.question.from) {
					was = min(was, d.before.isolatedLevel(policyType, then))
				}
			}
			if d.after.isolatedLevel(policyType, x) < was {
				out[d.after.peer(x)+" "+direction.String()] = true
			}
		}
	}
	return out
}

func unboundedIn(before, after *cluster.Snapshot, which connectivity.Selection, o connectivity.Options, by ...connectivity.Breadth) map[string]bool {
	out := map[string]bool{}
	q := connectivity.UnboundedQuery{Which: which, Directions: []cluster.Direction{cluster.Egress, cluster.Ingress}, By: by}
	for _, x := range connectivity.BecomeUnbounded(before, after, q, o) {
		out[x.Workload.String()+" "+x.Direction.String()] = true
	}
	return out
}
