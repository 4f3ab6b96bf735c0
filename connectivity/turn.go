package connectivity

import (
	"net/netip"
	"slices"
)

// Turn is what became of a path that was there before and after: only how sure that
// is has changed.
type Turn string

// The turns.
const (
	Doubted Turn = "open -> unknown"
	Proved  Turn = "unknown -> open"
)

// Turned joins the two differences of a path that was open and now is unknown, or the
// other way round, into one with Turned set: nothing was added, and nothing removed.
// The ports of which that is not so stay as they were.
func Turned(all []Difference) []Difference {
	t := turning{open: map[pairKey][]Difference{}}
	for _, d := range all {
		if d.Unknown == "" {
			k := t.key(d)
			t.open[k] = append(t.open[k], d)
		} else {
			t.unknown = append(t.unknown, d)
		}
	}
	for len(t.unknown) > 0 {
		d := t.unknown[0]
		t.unknown = t.unknown[1:]
		t.meet(d)
	}
	for _, list := range t.open {
		t.out = append(t.out, list...)
	}
	t.out = slices.DeleteFunc(t.out, func(d Difference) bool { return d.Turned == "" && d.Before.Equal(d.After) })
	slices.SortStableFunc(t.out, compareDifferences)
	return t.out
}

// turning holds the differences in what is open until those in what is unknown have
// met them.
type turning struct {
	open    map[pairKey][]Difference
	unknown []Difference
	out     []Difference
}

// key is what both differences of a path have in common; of an end outside the
// cluster that it is one.
func (turning) key(d Difference) pairKey {
	k := pairKey{}
	if d.From.Workload != nil {
		k.from = d.From.Workload.Ref
	}
	if d.To.Workload != nil {
		k.to = d.To.Workload.Ref
	}
	return k
}

// meet finds the difference in what is open that is the other half of one in what is
// unknown. Where their blocks of addresses differ, both are cut.
func (t *turning) meet(unknown Difference) {
	k := t.key(unknown)
	for i, open := range t.open[k] {
		doubted, proved := open.Lost().Intersect(unknown.Gained()), unknown.Lost().Intersect(open.Gained())
		block, ok := common(open, unknown)
		if !ok || (doubted.Empty() && proved.Empty()) {
			continue
		}
		t.open[k] = slices.Delete(t.open[k], i, i+1)
		t.open[k] = append(t.open[k], open.beside(block)...)
		t.unknown = append(t.unknown, unknown.beside(block)...)
		open, unknown = open.at(block), unknown.at(block)
		t.turn(open, unknown, Doubted, doubted)
		t.turn(open, unknown, Proved, proved)
		t.open[k] = append(t.open[k], open.but(doubted, proved))
		t.out = append(t.out, unknown.but(proved, doubted))
		return
	}
	t.out = append(t.out, unknown)
}

func (t *turning) turn(open, unknown Difference, how Turn, ports PortSet) {
	if ports.Empty() {
		return
	}
	d := Difference{From: unknown.From, To: unknown.To, Unknown: unknown.Unknown, Turned: how, Before: ports, After: ports}
	was, is := open, unknown
	if how == Proved {
		was, is = unknown, open
	}
	d.LostBy, d.GainedBy = within(was.LostBy, ports), within(is.GainedBy, ports)
	t.out = append(t.out, d)
}

// but is a difference without some ports of before and some of after.
func (d Difference) but(before, after PortSet) Difference {
	d.Before, d.After = d.Before.Subtract(before), d.After.Subtract(after)
	return d.explained()
}

// common is the block of addresses that two differences are both about; the invalid
// one when both are about workloads.
func common(a, b Difference) (netip.Prefix, bool) {
	x, y := a.outside(), b.outside()
	switch {
	case !x.IsValid() && !y.IsValid():
		return netip.Prefix{}, true
	case !x.IsValid() || !y.IsValid() || !x.Overlaps(y):
		return netip.Prefix{}, false
	case x.Bits() > y.Bits():
		return x, true
	}
	return y, true
}

func (d Difference) outside() netip.Prefix {
	if d.From.Workload == nil {
		return d.From.CIDR
	}
	return d.To.CIDR
}

// at is the difference for a block in its own.
func (d Difference) at(block netip.Prefix) Difference {
	switch {
	case !block.IsValid():
	case d.From.Workload == nil:
		d.From.CIDR = block
	default:
		d.To.CIDR = block
	}
	return d
}

// beside are the differences for the rest of its block.
func (d Difference) beside(block netip.Prefix) []Difference {
	if !block.IsValid() || d.outside() == block {
		return nil
	}
	var out []Difference
	if rest := setOf(d.outside(), block); rest != nil {
		for _, b := range rest.Prefixes() {
			out = append(out, d.at(b))
		}
	}
	return out
}
