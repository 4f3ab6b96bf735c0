package picture

import (
	"cmp"
	"slices"
)

type (
	size  struct{ w, h float64 }
	point struct{ x, y float64 }
	rect  struct {
		point
		size
	}
)

func (r rect) centre() point { return point{r.x + r.w/2, r.y + r.h/2} }

// arrow joins two boxes. Its label gets a place of its own when it has a size.
type arrow struct {
	from, to int
	label    size
}

// layers is a drawing of boxes in columns, so that most arrows point to the
// right: the method of Sugiyama, Tagawa and Toda (1981), with labels as boxes in
// columns of their own, so that nothing covers anything.
type layers struct {
	boxes  []rect
	routes [][]point // from box to box, ends included
	labels []point   // centres
	size   size
}

const (
	columnGap = 26.0
	rowGap    = 14.0
	wireGap   = 9.0 // beside what only passes through a column
	maxRanks  = 7   // of a dense drawing
)

// pin holds a box in the first or the last column.
type pin int8

const (
	pinFirst pin = -1
	pinLast  pin = 1
)

// layered places boxes. pins may be nil. A dense drawing has no labels and no
// routes: there are too many arrows to lead each around the boxes.
func layered(boxes []size, arrows []arrow, pins []pin, dense bool) *layers {
	l := &layering{boxes: boxes, arrows: arrows, pins: pins, dense: dense}
	l.rank()
	l.fill()
	l.order()
	l.place()
	return l.result()
}

type layering struct {
	boxes  []size
	arrows []arrow
	pins   []pin
	dense  bool

	back    []bool // by arrow: points to the left
	ranks   []int  // by box; -1 for one without arrows
	items   []item
	columns [][]int // of items, from top to bottom
	chains  [][]int // by arrow: the items it passes, from left to right
	loose   []int   // boxes without arrows
}

// item is a box, a label, or a place where an arrow passes.
type item struct {
	size
	x, y        float64 // of the centre
	wire        bool
	left, right []int // neighbours
}

// rank turns arrows that close a cycle and gives each box its column.
func (l *layering) rank() {
	at := sequence(len(l.boxes), l.arrows)
	l.back = make([]bool, len(l.arrows))
	next, previous := make([][]int, len(l.boxes)), make([][]int, len(l.boxes))
	for i, a := range l.arrows {
		from, to := a.from, a.to
		if l.back[i] = at[from] > at[to]; l.back[i] {
			from, to = to, from
		}
		next[from], previous[to] = append(next[from], to), append(previous[to], from)
	}
	order := make([]int, len(l.boxes))
	for box, place := range at {
		order[place] = box
	}
	l.ranks = make([]int, len(l.boxes))
	last := 0
	for _, b := range order {
		for _, p := range previous[b] {
			l.ranks[b] = max(l.ranks[b], l.ranks[p]+1)
		}
		last = max(last, l.ranks[b])
	}
	for _, b := range slices.Backward(order) {
		if len(previous[b]) == 0 && len(next[b]) > 0 {
			near := last
			for _, n := range next[b] {
				near = min(near, l.ranks[n])
			}
			l.ranks[b] = max(near-1, 0)
		}
	}
	if l.dense && last >= maxRanks {
		for b := range l.ranks {
			l.ranks[b] = l.ranks[b] * (maxRanks - 1) / last
		}
		last = maxRanks - 1
	}
	l.pinned(last)
	for b := range l.ranks {
		if len(next[b])+len(previous[b]) == 0 {
			l.ranks[b], l.loose = -1, append(l.loose, b)
		}
	}
}

// pinned moves pinned boxes to columns of their own. Arrows at a pinned box point
// the right way by themselves: nothing leads to a first or from a last one.
func (l *layering) pinned(last int) {
	if l.pins == nil || !slices.Contains(l.pins, pinFirst) {
		for b, p := range l.pins {
			if p == pinLast {
				l.ranks[b] = last + 1
			}
		}
		return
	}
	// Those in the first column begin at rank 0 already; what follows is beyond.
	for b, p := range l.pins {
		switch p {
		case pinFirst:
			l.ranks[b] = 0
		case pinLast:
			l.ranks[b] = last + 2
		default:
			l.ranks[b]++
		}
	}
}

// sequence orders boxes so that few arrows point backwards: the heuristic of
// Eades, Lin and Smyth (1993).
func sequence(n int, arrows []arrow) []int {
	in, out := make([]int, n), make([]int, n)
	touching := make([][]int, n)
	for i, a := range arrows {
		out[a.from]++
		in[a.to]++
		touching[a.from], touching[a.to] = append(touching[a.from], i), append(touching[a.to], i)
	}
	at := make([]int, n)
	gone := make([]bool, n)
	first, last := 0, n-1
	for range n {
		best, atEnd := -1, false
		for b := range n {
			if gone[b] {
				continue
			}
			if in[b] == 0 {
				best, atEnd = b, false
				break
			}
			if out[b] == 0 && !atEnd {
				best, atEnd = b, true
			}
			if best < 0 || !atEnd && out[b]-in[b] > out[best]-in[best] {
				best = b
			}
		}
		gone[best] = true
		if atEnd {
			at[best], last = last, last-1
		} else {
			at[best], first = first, first+1
		}
		for _, i := range touching[best] {
			out[arrows[i].from]--
			in[arrows[i].to]--
		}
	}
	return at
}

// fill puts boxes, labels and wires into columns. Boxes have the even columns,
// labels the odd ones.
func (l *layering) fill() {
	last := 0
	for b, s := range l.boxes {
		l.items = append(l.items, item{size: s})
		last = max(last, 2*l.ranks[b])
	}
	l.columns = make([][]int, last+1)
	for b := range l.boxes {
		if r := l.ranks[b]; r >= 0 {
			l.columns[2*r] = append(l.columns[2*r], b)
		}
	}
	l.chains = make([][]int, len(l.arrows))
	for i, a := range l.arrows {
		from, to := a.from, a.to
		if l.back[i] {
			from, to = to, from
		}
		chain := []int{from}
		first, last := 2*l.ranks[from], 2*l.ranks[to]
		for c := first + 1; c < last && !l.dense; c++ {
			s := item{wire: true}
			if c == (first+last)/4*2+1 && a.label.w > 0 {
				s = item{size: a.label}
			}
			l.columns[c] = append(l.columns[c], len(l.items))
			chain = append(chain, len(l.items))
			l.items = append(l.items, s)
		}
		chain = append(chain, to)
		l.chains[i] = chain
		for k := 1; k < len(chain); k++ {
			a, b := chain[k-1], chain[k]
			l.items[a].right, l.items[b].left = append(l.items[a].right, b), append(l.items[b].left, a)
		}
	}
}

const sweeps = 24

// order sorts each column by where its neighbours are, there and back, and keeps
// the order with the fewest crossings.
func (l *layering) order() {
	best, fewest := l.copyColumns(), l.crossings()
	for sweep := 0; sweep < sweeps && fewest > 0; sweep++ {
		position := make([]float64, len(l.items))
		note := func(column []int) {
			for i, it := range column {
				position[it] = (float64(i) + 0.5) / float64(len(column))
			}
		}
		for _, c := range l.columns {
			note(c)
		}
		for k := range l.columns {
			c, side := l.columns[k], func(it *item) []int { return it.left }
			if sweep%2 == 1 {
				c, side = l.columns[len(l.columns)-1-k], func(it *item) []int { return it.right }
			}
			want := map[int]float64{}
			for _, it := range c {
				want[it] = position[it]
				if around := side(&l.items[it]); len(around) > 0 {
					sum := 0.0
					for _, n := range around {
						sum += position[n]
					}
					want[it] = sum / float64(len(around))
				}
			}
			slices.SortStableFunc(c, func(a, b int) int { return cmp.Compare(want[a], want[b]) })
			note(c)
		}
		if n := l.crossings(); n < fewest || l.dense {
			best, fewest = l.copyColumns(), n
		}
	}
	l.columns = best
}

func (l *layering) copyColumns() [][]int {
	var out [][]int
	for _, c := range l.columns {
		out = append(out, slices.Clone(c))
	}
	return out
}

// crossings counts how often arrows cross between neighbouring columns. A dense
// drawing has arrows across many columns, and takes the last order.
func (l *layering) crossings() int {
	if l.dense {
		return 1
	}
	index := make([]int, len(l.items))
	for _, c := range l.columns {
		for i, it := range c {
			index[it] = i
		}
	}
	count := 0
	for _, c := range l.columns {
		var ends []int
		for _, it := range c {
			targets := make([]int, 0, len(l.items[it].right))
			for _, r := range l.items[it].right {
				targets = append(targets, index[r])
			}
			slices.Sort(targets)
			for _, t := range targets {
				for _, e := range ends {
					if e > t {
						count++
					}
				}
			}
			ends = append(ends, targets...)
		}
	}
	return count
}
