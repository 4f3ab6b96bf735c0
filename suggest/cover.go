package suggest

import (
	"cmp"
	"slices"

	"github.com/bits-and-blooms/bitset"
)

// box is some rows of a table, and columns that each of them has.
type box struct{ rows, cols *bitset.BitSet }

// table says which row has which column.
type table struct {
	rows []*bitset.BitSet
	cols uint
	// fits tells whether some rows can be in one box; nil if any can.
	fits func(rows *bitset.BitSet) bool
}

// The search for the fewest boxes is bounded by steps, so that the same list gets the same
// netpols on a busy machine.
const (
	maxConcepts = 1000
	maxSteps    = 5_000_000 // looks at a box and a cell
	maxCovers   = 64
	maxFits     = 2000 // questions whether some rows fit
)

// covers are ways to cover all that the table has, and nothing else, by as few boxes as were
// found: the plainest first, in which no two boxes share a row. It is the fewest where the
// search was not given up.
func (t *table) covers() [][]box {
	plain := t.plain()
	if len(plain) == 0 {
		return [][]box{nil}
	}
	out := [][]box{plain, t.widened(plain)}
	if columns := t.byColumns(); len(columns) < len(plain) {
		out = [][]box{columns}
	}
	if lower := t.apart(); len(out[0]) > lower {
		s := &coverSearch{table: t, concepts: append(t.concepts(), plain...), best: len(out[0])}
		s.from(nil, t.cells())
		if s.best < len(out[0]) {
			out = nil
		}
		out = append(out, s.found...)
	}
	return out
}

// plain is a box for each row, and one for rows that have the same columns.
func (t *table) plain() []box {
	var out []box
	for i, r := range t.rows {
		if r.None() {
			continue
		}
		at := slices.IndexFunc(out, func(b box) bool { return b.cols.Equal(r) && t.fit(b.rows.Clone().Set(uint(i))) })
		if at >= 0 {
			out[at].rows.Set(uint(i))
			continue
		}
		out = append(out, box{one(uint(i), uint(len(t.rows))), r.Clone()})
	}
	return out
}

func one(i, n uint) *bitset.BitSet { return bitset.New(n).Set(i) }

func (t *table) fit(rows *bitset.BitSet) bool { return t.fits == nil || t.fits(rows) }

// widened gives each box all rows that have its columns.
func (t *table) widened(boxes []box) []box {
	out := make([]box, 0, len(boxes))
	asked := 0
	for _, b := range boxes {
		wide := box{b.rows.Clone(), b.cols}
		for i, r := range t.rows {
			if !wide.rows.Test(uint(i)) && r.IsSuperSet(b.cols) && asked < maxFits {
				asked++
				if more := wide.rows.Clone().Set(uint(i)); t.fit(more) {
					wide.rows = more
				}
			}
		}
		out = append(out, wide)
	}
	return out
}

// byColumns is a box for each column, and one for columns that are in the same rows.
func (t *table) byColumns() []box {
	var out []box
	for c := range t.cols {
		rows := bitset.New(uint(len(t.rows)))
		for i, r := range t.rows {
			rows.SetTo(uint(i), r.Test(c))
		}
		if rows.None() {
			continue
		}
		if at := slices.IndexFunc(out, func(b box) bool { return b.rows.Equal(rows) }); at >= 0 {
			out[at].cols.Set(c)
			continue
		}
		if !t.fit(rows) {
			return t.plain()
		}
		out = append(out, box{rows, one(c, t.cols)})
	}
	return out
}

// cell is one thing that a row has.
type cell struct{ row, col uint }

func (t *table) cells() []cell {
	var out []cell
	for i, r := range t.rows {
		for c := range r.EachSet() {
			out = append(out, cell{uint(i), c})
		}
	}
	return out
}

// apart counts cells of which no two are in one box: so many boxes it takes.
func (t *table) apart() int {
	frequency := make([]int, t.cols)
	for _, r := range t.rows {
		for c := range r.EachSet() {
			frequency[c]++
		}
	}
	all := t.cells()
	slices.SortStableFunc(all, func(a, b cell) int { return cmp.Compare(frequency[a.col], frequency[b.col]) })
	var out []cell
	for _, x := range all {
		if !slices.ContainsFunc(out, func(y cell) bool { return t.rows[x.row].Test(y.col) && t.rows[y.row].Test(x.col) }) {
			out = append(out, x)
		}
	}
	return len(out)
}

// concepts are the largest boxes: no row and no column can be added to one. Where its rows
// do not fit, it is several.
func (t *table) concepts() []box {
	seen := map[string]bool{}
	var intents []*bitset.BitSet
	add := func(cols *bitset.BitSet) {
		if key := cols.String(); cols.Any() && !seen[key] && len(intents) < maxConcepts {
			seen[key] = true
			intents = append(intents, cols)
		}
	}
	for _, r := range t.rows {
		add(r.Clone())
	}
	for i := 0; i < len(intents); i++ {
		for _, r := range t.rows {
			add(intents[i].Intersection(r))
		}
	}
	var out []box
	asked := 0
	for _, cols := range intents {
		left := bitset.New(uint(len(t.rows)))
		for i, r := range t.rows {
			left.SetTo(uint(i), r.IsSuperSet(cols))
		}
		if asked++; asked > maxFits {
			break
		}
		if t.fit(left) {
			out = append(out, box{left, cols})
			continue
		}
		for left.Any() && asked < maxFits {
			rows := bitset.New(uint(len(t.rows)))
			for i := range left.Clone().EachSet() {
				asked++
				if more := rows.Clone().Set(i); t.fit(more) {
					rows = more
					left.Clear(i)
				}
			}
			if rows.None() { // by itself a row always fits
				break
			}
			out = append(out, box{rows, cols})
		}
	}
	return out
}

// coverSearch branches over the boxes that cover the cell which the fewest cover.
type coverSearch struct {
	*table
	concepts []box
	best     int
	steps    int
	found    [][]box
}

func (s *coverSearch) from(taken []box, left []cell) {
	if s.steps > maxSteps || len(s.found) >= maxCovers {
		return
	}
	if len(left) == 0 {
		if len(taken) < s.best {
			s.best, s.found = len(taken), nil
		}
		s.found = append(s.found, slices.Clone(taken))
		return
	}
	if len(taken) >= s.best {
		return
	}
	choice := s.candidates(left)
	s.steps += len(left) * len(choice)
	covered := make(map[*bitset.BitSet]int, len(choice)) // by columns, which no two have
	for _, b := range choice {
		covered[b.cols] += b.covered(left)
	}
	slices.SortStableFunc(choice, func(a, b box) int { return cmp.Compare(covered[b.cols], covered[a.cols]) })
	for _, b := range choice {
		s.from(append(taken[:len(taken):len(taken)], b), slices.DeleteFunc(slices.Clone(left), b.has))
	}
}

func (s *coverSearch) candidates(left []cell) []box {
	var fewest []box
	for i, c := range left {
		s.steps += len(s.concepts)
		var boxes []box
		for _, b := range s.concepts {
			if b.has(c) {
				boxes = append(boxes, b)
			}
		}
		if i == 0 || len(boxes) < len(fewest) {
			fewest = boxes
		}
		if len(fewest) <= 1 || s.steps > maxSteps {
			break
		}
	}
	return fewest
}

func (b box) has(c cell) bool { return b.rows.Test(c.row) && b.cols.Test(c.col) }

func (b box) covered(left []cell) int {
	n := 0
	for _, c := range left {
		if b.has(c) {
			n++
		}
	}
	return n
}
