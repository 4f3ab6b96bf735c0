package suggest

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/bits-and-blooms/bitset"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/connectivity"
)

// atom is the smallest thing that a rule of some netpol lets through: ports of one peer that
// all units of the namespace need together or not at all.
type atom struct {
	direction cluster.Direction
	peer      int
	ports     connectivity.PortSet
}

// rule lets some peers through on some ports.
type rule struct {
	direction cluster.Direction
	peers     []int
	ports     connectivity.PortSet
}

// layout lays the needs of some units of a namespace out into netpols.
type layout struct {
	*suggestion
	namespace string
	units     []*unit
	others    []*unit // of the namespace, all that a netpol can select
	atoms     []atom
	table     *table
	rules     map[string][]rule // by atoms
	selectors map[string]*metav1.LabelSelector
}

// layout drafts the fewest netpols for some units, and among such those with the fewest rules.
func (s *suggestion) layout(ns string, units []*unit, taken map[string]bool) ([]*cluster.Draft, error) {
	l := &layout{suggestion: s, namespace: ns, units: units, rules: map[string][]rule{}, selectors: map[string]*metav1.LabelSelector{}}
	for _, u := range s.units {
		if u.namespace == ns && !u.host { // to select what is on the host's network does nothing
			l.others = append(l.others, u)
		}
	}
	l.cut()
	l.table.fits = func(rows *bitset.BitSet) bool { return l.selector(rows) != nil }
	var best []box
	for i, c := range l.table.covers() {
		if c = l.pruned(c); i == 0 || l.less(c, best) {
			best = c
		}
	}
	var out []*cluster.Draft
	for _, b := range best {
		pods := l.selector(b.rows)
		if pods == nil {
			return nil, fmt.Errorf("namespace %s: no labels select %s alone", ns, l.names(b.rows))
		}
		d, err := l.draft(b, *pods, taken)
		if err != nil {
			return nil, fmt.Errorf("namespace %s: %w", ns, err)
		}
		out = append(out, d)
	}
	slices.SortFunc(out, func(a, b *cluster.Draft) int {
		_, x := a.Name()
		_, y := b.Name()
		return strings.Compare(x, y)
	})
	return out, nil
}

// cut takes what the units need of each peer apart into atoms, and notes who needs which.
func (l *layout) cut() {
	type side struct {
		direction cluster.Direction
		peer      int
	}
	needed := map[side][]connectivity.PortSet{}
	for _, u := range l.units {
		for d := range u.needs {
			for peer, n := range u.needs[d] {
				at := side{cluster.Direction(d), peer}
				needed[at] = append(needed[at], n.ports)
			}
		}
	}
	sides := slices.SortedFunc(maps.Keys(needed), func(a, b side) int {
		return cmp.Or(-cmp.Compare(a.direction, b.direction), l.ends[a.peer].compare(l.ends[b.peer]))
	})
	for _, at := range sides {
		for _, ports := range parted(needed[at]) {
			l.atoms = append(l.atoms, atom{at.direction, at.peer, ports})
		}
	}
	l.table = &table{cols: uint(len(l.atoms))}
	for _, u := range l.units {
		row := bitset.New(l.table.cols)
		for i, a := range l.atoms {
			n := u.needs[a.direction][a.peer]
			row.SetTo(uint(i), n != nil && !n.ports.Intersect(a.ports).Empty())
		}
		l.table.rows = append(l.table.rows, row)
	}
}

// parted are the fewest disjoint sets of which each of some sets is made.
func parted(sets []connectivity.PortSet) []connectivity.PortSet {
	var out []connectivity.PortSet
	for _, s := range sets {
		var next []connectivity.PortSet
		for _, p := range out {
			if both := p.Intersect(s); !both.Empty() {
				next = append(next, both)
			}
			if rest := p.Subtract(s); !rest.Empty() {
				next = append(next, rest)
			}
			s = s.Subtract(p)
		}
		if !s.Empty() {
			next = append(next, s)
		}
		out = next
	}
	slices.SortFunc(out, func(a, b connectivity.PortSet) int { return strings.Compare(a.String(), b.String()) })
	return out
}

// selector selects some units and nobody else; nil where there is none.
func (l *layout) selector(rows *bitset.BitSet) *metav1.LabelSelector {
	key := rows.String()
	if s, ok := l.selectors[key]; ok {
		return s
	}
	chosen := map[*unit]bool{}
	var in []labels.Set
	for i := range rows.EachSet() {
		chosen[l.units[i]] = true
		in = append(in, l.units[i].labels...)
	}
	var out *metav1.LabelSelector
	if s, ok := tell(in, labelsBut(l.others, chosen)); ok {
		out = &s
	}
	l.selectors[key] = out
	return out
}

// labelsBut are the labels of the units that are not chosen.
func labelsBut(units []*unit, chosen map[*unit]bool) []labels.Set {
	var out []labels.Set
	for _, u := range units {
		if !chosen[u] {
			out = append(out, u.labels...)
		}
	}
	return out
}

// less orders covers: by netpols, then by rules.
func (l *layout) less(a, b []box) bool {
	return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(l.count(a), l.count(b))) < 0
}

func (l *layout) count(boxes []box) int {
	n := 0
	for _, b := range boxes {
		n += len(l.rulesOf(b.cols))
	}
	return n
}

// pruned leaves out what other boxes let through as well, where that saves rules.
func (l *layout) pruned(boxes []box) []box {
	out := slices.Clone(boxes)
	for i := 0; i < len(out); i++ {
		needed := l.neededOf(out, i)
		if needed.None() {
			out = slices.Delete(out, i, i+1)
			i--
			continue
		}
		for _, cols := range []*bitset.BitSet{l.wholeRules(out[i].cols, needed), needed} {
			if len(l.rulesOf(cols)) < len(l.rulesOf(out[i].cols)) {
				out[i] = box{out[i].rows, cols}
			}
		}
	}
	return out
}

// neededOf are the columns of one box that no others give to all of its rows.
func (l *layout) neededOf(boxes []box, i int) *bitset.BitSet {
	out := bitset.New(l.table.cols)
	for row := range boxes[i].rows.EachSet() {
		missing := boxes[i].cols.Clone()
		for j, b := range boxes {
			if j != i && b.rows.Test(row) {
				missing.InPlaceDifference(b.cols)
			}
		}
		out.InPlaceUnion(missing)
	}
	return out
}

// wholeRules are the columns of those rules in which something is needed.
func (l *layout) wholeRules(cols, needed *bitset.BitSet) *bitset.BitSet {
	out := bitset.New(l.table.cols)
	for _, r := range l.rulesOf(cols) {
		in := bitset.New(l.table.cols)
		for c := range cols.EachSet() {
			a := l.atoms[c]
			in.SetTo(c, a.direction == r.direction && slices.Contains(r.peers, a.peer) && !a.ports.Intersect(r.ports).Empty())
		}
		if in.IntersectionCardinality(needed) > 0 {
			out.InPlaceUnion(in)
		}
	}
	return out
}

// rulesOf are the fewest rules for some atoms.
func (l *layout) rulesOf(cols *bitset.BitSet) []rule {
	key := cols.String()
	if out, ok := l.rules[key]; ok {
		return out
	}
	var out []rule
	for _, d := range bothWays {
		ports := map[int]connectivity.PortSet{}
		for c := range cols.EachSet() {
			if a := l.atoms[c]; a.direction == d {
				ports[a.peer] = ports[a.peer].Union(a.ports)
			}
		}
		out = append(out, l.rulesFor(d, ports)...)
	}
	l.rules[key] = out
	return out
}

func (l *layout) rulesFor(d cluster.Direction, ports map[int]connectivity.PortSet) []rule {
	peers := slices.SortedFunc(maps.Keys(ports), func(a, b int) int { return l.ends[a].compare(l.ends[b]) })
	var sets []connectivity.PortSet
	for _, p := range peers {
		sets = append(sets, ports[p])
	}
	parts := parted(sets)
	t := &table{cols: uint(len(parts))}
	for _, s := range sets {
		row := bitset.New(t.cols)
		for i, p := range parts {
			row.SetTo(uint(i), !s.Intersect(p).Empty())
		}
		t.rows = append(t.rows, row)
	}
	var out []rule
	for _, b := range t.covers()[0] {
		r := rule{direction: d}
		for i := range b.rows.EachSet() {
			r.peers = append(r.peers, peers[i])
		}
		for c := range b.cols.EachSet() {
			r.ports = r.ports.Union(parts[c])
		}
		out = append(out, r)
	}
	return out
}
