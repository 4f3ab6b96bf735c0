package connectivity_test

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/podcullis/podcullis/connectivity"
)

// TestLawClosuresAreTheNaiveReading: what closes is compared end by end, the other way
// round: listed is the pair that gets through less than everything did that the two
// were; what is new is held to have got through.
func TestLawClosuresAreTheNaiveReading(t *testing.T) {
	lawOfOneChange(t, "closed", nil, (*readDelta).closures, engineClosures)
}

func (d *readDelta) closures() map[violation]bool {
	out := map[violation]bool{}
	judged := slices.DeleteFunc(slices.Clone(d.after.everyone), d.isCopy)
	for _, from := range judged {
		for _, to := range judged {
			if !d.answersFor(from, d.question.from) || !d.answersFor(to, d.question.to) || d.onTheSameSides(from, to) {
				continue
			}
			for _, p := range d.question.probes {
				if d.after.level(from, to, p) < d.leastBefore(from, to, p) {
					out[violation{d.after.peer(from), d.after.peer(to), p}] = true
				}
			}
		}
	}
	return out
}

// answersFor: chosen, but a pod that stands alone answers for its own labels only.
func (d *readDelta) answersFor(x *someone, side refSelection) bool {
	maker := d.after.maker(x)
	if x.isPod() && maker != nil && (d.after.ownerOf(x).modelled == nil || !holds(x.labels, maker.labels)) && selectorMatches(&side.pods, x.labels) != open {
		return false
	}
	return d.chosen(x, side)
}

// onTheSameSides: shown as one, and not told apart by the question.
func (d *readDelta) onTheSameSides(from, to *someone) bool {
	if d.after.peer(from) != d.after.peer(to) {
		return false
	}
	for _, side := range []refSelection{d.question.from, d.question.to} {
		if d.chosen(from, side) != d.chosen(to, side) || d.after.chosen(from, side) != d.after.chosen(to, side) {
			return false
		}
	}
	return true
}

// leastBefore is how well the worst pair of what the two were got through.
func (d *readDelta) leastBefore(from, to *someone, p probe) int {
	least := open.level
	for _, f := range d.was(from) {
		for _, g := range d.was(to) {
			if d.before.chosen(f, d.question.from) && d.before.chosen(g, d.question.to) {
				least = min(least, d.before.level(f, g, p))
			}
		}
	}
	return least
}

func engineClosures(t *rapid.T, c oneChange) map[violation]bool {
	out := newListing()
	for _, x := range connectivity.Closed(c.before, c.after, c.query, c.options) {
		out.add(t, x.From, x.To, x.Ports, c.probes)
	}
	return out.found
}
