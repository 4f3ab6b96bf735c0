package picture

import (
	"cmp"
	"math"
	"slices"
)

// place gives every item its coordinates.
func (l *layering) place() {
	if l.dense {
		l.wrap()
	}
	x := 0.0
	for _, c := range l.columns {
		width := 0.0
		for _, it := range c {
			width = max(width, l.items[it].w)
		}
		if len(c) == 0 && l.dense {
			continue
		}
		y := 0.0
		for _, it := range c {
			l.items[it].x = x + width/2
			l.items[it].y = y + l.items[it].h/2
			y += l.items[it].h + rowGap
		}
		for _, it := range c {
			l.items[it].y -= y / 2
		}
		x += width + columnGap
		if l.dense {
			x += columnGap
		}
	}
	if l.dense {
		return
	}
	for pass := range 12 {
		for k := range l.columns {
			if pass%2 == 0 {
				l.settle(l.columns[k], pass >= 10)
			} else {
				l.settle(l.columns[len(l.columns)-1-k], pass >= 10)
			}
		}
	}
}

// wrap breaks columns that are much higher than the drawing should be.
func (l *layering) wrap() {
	area := 0.0
	for b, s := range l.boxes {
		if l.ranks[b] >= 0 {
			area += (s.w + 2*columnGap) * (s.h + rowGap)
		}
	}
	limit := math.Sqrt(area)
	var out [][]int
	for _, c := range l.columns {
		height := 0.0
		for _, it := range c {
			height += l.items[it].h + rowGap
		}
		parts := max(int(math.Ceil(height/limit)), 1)
		for p := range parts {
			out = append(out, c[len(c)*p/parts:len(c)*(p+1)/parts])
		}
	}
	l.columns = out
}

// settle moves the items of a column as near to their neighbours as their order
// and sizes allow: least squares, by pooling adjacent violators.
func (l *layering) settle(column []int, both bool) {
	type pool struct{ sum, weight float64 }
	var pools []pool
	var lengths []int
	offset := make([]float64, len(column))
	for i, it := range column {
		if i > 0 {
			a, b := &l.items[column[i-1]], &l.items[it]
			gap := rowGap
			if a.wire || b.wire {
				gap = wireGap
			}
			offset[i] = offset[i-1] + (a.h+b.h)/2 + gap
		}
		want, weight := l.wanted(&l.items[it], both)
		pools = append(pools, pool{(want - offset[i]) * weight, weight})
		lengths = append(lengths, 1)
		for n := len(pools); n > 1 && pools[n-2].sum/pools[n-2].weight > pools[n-1].sum/pools[n-1].weight; n = len(pools) {
			pools[n-2].sum += pools[n-1].sum
			pools[n-2].weight += pools[n-1].weight
			lengths[n-2] += lengths[n-1]
			pools, lengths = pools[:n-1], lengths[:n-1]
		}
	}
	i := 0
	for p, length := range lengths {
		for range length {
			l.items[column[i]].y = pools[p].sum/pools[p].weight + offset[i]
			i++
		}
	}
}

// wanted is the height at which an item would like to be. Wires like to be straight.
func (l *layering) wanted(it *item, both bool) (y, weight float64) {
	for _, around := range [][]int{it.left, it.right} {
		for _, n := range around {
			w := 1.0
			if it.wire && l.items[n].wire {
				w = 4
			}
			y += l.items[n].y * w
			weight += w
		}
	}
	if weight == 0 {
		return it.y, 1
	}
	if !both { // damped, so that the two directions do not chase each other
		return (y/weight + it.y) / 2, weight
	}
	return y / weight, weight
}

// result reads positions off the items, with the upper left corner at 0, 0 and
// what has no arrows in rows below.
func (l *layering) result() *layers {
	out := &layers{boxes: make([]rect, len(l.boxes)), routes: make([][]point, len(l.arrows)), labels: make([]point, len(l.arrows))}
	top := math.Inf(1)
	for _, c := range l.columns {
		for _, it := range c {
			top = min(top, l.items[it].y-l.items[it].h/2)
		}
	}
	for _, c := range l.columns {
		for _, it := range c {
			i := &l.items[it]
			i.y -= top
			out.size.w, out.size.h = max(out.size.w, i.x+i.w/2), max(out.size.h, i.y+i.h/2)
			if it < len(l.boxes) {
				out.boxes[it] = rect{point{i.x - i.w/2, i.y - i.h/2}, i.size}
			}
		}
	}
	l.placeLoose(out)
	l.routes(out)
	return out
}

// placeLoose puts the boxes without arrows below the others, in rows.
func (l *layering) placeLoose(out *layers) {
	if len(l.loose) == 0 {
		return
	}
	area := 0.0
	for _, b := range l.loose {
		area += (l.boxes[b].w + rowGap) * (l.boxes[b].h + rowGap)
	}
	limit := max(out.size.w, math.Sqrt(area*1.7))
	x, y, row := 0.0, out.size.h, 0.0
	if y > 0 {
		y += 2 * rowGap
	}
	for _, b := range l.loose {
		s := l.boxes[b]
		if x > 0 && x+s.w > limit {
			x, y, row = 0, y+row+rowGap, 0
		}
		out.boxes[b] = rect{point{x, y}, s}
		x += s.w + rowGap
		row = max(row, s.h)
		out.size.w, out.size.h = max(out.size.w, x-rowGap), max(out.size.h, y+s.h)
	}
}

// routes leads every arrow from the side of one box to the side of the other.
// Where several meet at one side they keep apart, in the order of where they come from.
func (l *layering) routes(out *layers) {
	type meeting struct{ arrow, next int }
	left, right := make([][]meeting, len(l.boxes)), make([][]meeting, len(l.boxes))
	for i, chain := range l.chains {
		n := len(chain)
		right[chain[0]] = append(right[chain[0]], meeting{i, chain[1]})
		left[chain[n-1]] = append(left[chain[n-1]], meeting{i, chain[n-2]})
		for _, it := range chain[1 : n-1] {
			c := point{l.items[it].x, l.items[it].y}
			if w := l.items[it].w; w > 0 {
				out.labels[i] = c
				out.routes[i] = append(out.routes[i], point{c.x - w/2, c.y}, point{c.x + w/2, c.y})
				continue
			}
			out.routes[i] = append(out.routes[i], c)
		}
	}
	for b, r := range out.boxes {
		for side, list := range [][]meeting{left[b], right[b]} {
			slices.SortStableFunc(list, func(x, y meeting) int { return cmp.Compare(l.items[x.next].y, l.items[y.next].y) })
			for k, m := range list {
				step := min(10, (r.h-12)/float64(len(list)))
				p := point{r.x + float64(side)*r.w, r.y + r.h/2 + step*(float64(k)-float64(len(list)-1)/2)}
				if side == 0 {
					out.routes[m.arrow] = append(out.routes[m.arrow], p)
				} else {
					out.routes[m.arrow] = append([]point{p}, out.routes[m.arrow]...)
				}
			}
		}
	}
	for i := range l.back {
		if l.back[i] {
			slices.Reverse(out.routes[i])
		}
	}
}
