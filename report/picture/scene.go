package picture

import (
	"slices"
	"unicode/utf8"
)

// scene is where everything of a graph is drawn.
type scene struct {
	size
	frames []frame // of the namespaces
	nodes  []rect  // by node
	paths  [][]point
	labels []point // by edge: the centre
	dense  bool    // too many edges for labels
}

type frame struct {
	rect
	name string
}

const (
	nodeHeight  = 44.0
	labelHeight = 18.0
	framePad    = 18.0
	frameTitle  = 26.0
	// denseEdges is from how many edges on they are drawn without labels.
	denseEdges = 90
	maxName    = 30 // letters on a node; the rest is in its title
	maxLabel   = 44
)

// arrange places namespaces as boxes are placed, and in each its workloads alike.
// An arrow that leaves a namespace does so through a gate in its frame, so that it
// can be led around the workloads on the way there.
func arrange(g *Graph) *scene {
	a := &arrangement{Graph: g, scene: &scene{nodes: make([]rect, len(g.Nodes)), paths: make([][]point, len(g.Edges)), labels: make([]point, len(g.Edges)), dense: len(g.Edges) > denseEdges}}
	a.groups = g.groups()
	a.groupOf = make([]int, len(g.Nodes))
	for i, group := range a.groups {
		for _, n := range group.nodes {
			a.groupOf[n] = i
		}
	}
	a.joinGroups()
	sizes := make([]size, len(a.groups))
	inner := make([]*interior, len(a.groups))
	for i, group := range a.groups {
		if group.namespace == "" {
			sizes[i] = nodeSize(&g.Nodes[group.nodes[0]])
			continue
		}
		inner[i] = a.interior(i)
		sizes[i] = size{max(inner[i].size.w, textWidth(group.namespace, 14)) + 2*framePad, inner[i].size.h + frameTitle + framePad}
	}
	outer := layered(sizes, a.between, nil, a.dense)
	a.compose(outer, inner)
	return a.scene
}

type arrangement struct {
	*Graph
	*scene
	groups  []group
	groupOf []int
	between []arrow // of groups
	edges   []int   // the edge of each of them
	left    []bool  // whether it points to the left
}

// joinGroups finds the edges between groups, and which way they will point.
func (a *arrangement) joinGroups() {
	for i, e := range a.Edges {
		if from, to := a.groupOf[e.From], a.groupOf[e.To]; from != to {
			a.between = append(a.between, arrow{from, to, a.labelSize(i)})
			a.edges = append(a.edges, i)
		}
	}
	at := sequence(len(a.groups), a.between)
	for _, b := range a.between {
		a.left = append(a.left, at[b.from] > at[b.to])
	}
}

func (a *arrangement) labelSize(edge int) size {
	if a.dense {
		return size{}
	}
	return size{textWidth(shorten(a.Edges[edge].Label(), maxLabel), 11) + 8, labelHeight}
}

// interior is a namespace with its gates.
type interior struct {
	*layers
	edges []int           // of the graph, by arrow; those at gates come after
	gates map[gateKey]int // arrow of the gate
	place map[int]int     // of a node among the boxes
}

type gateKey struct {
	node int
	side pin
}

func (a *arrangement) interior(groupIndex int) *interior {
	in := &interior{gates: map[gateKey]int{}, place: map[int]int{}}
	var boxes []size
	var pins []pin
	var arrows []arrow
	for _, n := range a.groups[groupIndex].nodes {
		in.place[n] = len(boxes)
		boxes, pins = append(boxes, nodeSize(&a.Nodes[n])), append(pins, 0)
	}
	for i, e := range a.Edges {
		if a.groupOf[e.From] == groupIndex && a.groupOf[e.To] == groupIndex {
			arrows = append(arrows, arrow{in.place[e.From], in.place[e.To], a.labelSize(i)})
			in.edges = append(in.edges, i)
		}
	}
	gate := func(node int, side pin) {
		key := gateKey{node, side}
		if _, ok := in.gates[key]; ok || a.dense {
			return
		}
		in.gates[key] = len(arrows)
		b := arrow{from: in.place[node], to: len(boxes)}
		if side == pinFirst {
			b.from, b.to = b.to, b.from
		}
		arrows = append(arrows, b)
		boxes, pins = append(boxes, size{0, 4}), append(pins, side)
	}
	for k, i := range a.edges {
		e := &a.Edges[i]
		if a.groupOf[e.From] == groupIndex {
			gate(e.From, exit(a.left[k]))
		}
		if a.groupOf[e.To] == groupIndex {
			gate(e.To, -exit(a.left[k]))
		}
	}
	in.layers = layered(boxes, arrows, pins, a.dense)
	return in
}

// exit is the side by which an edge leaves.
func exit(left bool) pin {
	if left {
		return pinFirst
	}
	return pinLast
}

// compose moves the interiors into their frames and joins the routes.
func (a *arrangement) compose(outer *layers, inner []*interior) {
	a.size = outer.size
	for i, group := range a.groups {
		box := outer.boxes[i]
		if inner[i] == nil {
			a.nodes[group.nodes[0]] = box
			continue
		}
		a.frames = append(a.frames, frame{box, group.namespace})
		shift := point{box.x + framePad, box.y + frameTitle}
		for _, n := range group.nodes {
			r := inner[i].boxes[inner[i].place[n]]
			a.nodes[n] = rect{point{r.x + shift.x, r.y + shift.y}, r.size}
		}
		for k, e := range inner[i].edges {
			a.paths[e] = moved(inner[i].routes[k], shift)
			a.labels[e] = moved(inner[i].labels[k:k+1], shift)[0]
		}
	}
	if a.dense {
		for i, e := range a.Edges {
			a.paths[i] = straight(a.nodes[e.From], a.nodes[e.To], shiftOf(&e))
		}
		return
	}
	for k, i := range a.edges {
		e := &a.Edges[i]
		leave, enter := exit(a.left[k]), -exit(a.left[k])
		path := a.toGate(outer, inner, e.From, leave, leave == pinFirst)
		path = append(path, outer.routes[k]...)
		path = append(path, a.toGate(outer, inner, e.To, enter, enter == pinLast)...)
		a.paths[i], a.labels[i] = path, outer.labels[k]
	}
}

// toGate is the part of a path between a node and the gate of its namespace. It
// was laid out from left to right; backwards turns it.
func (a *arrangement) toGate(outer *layers, inner []*interior, node int, side pin, backwards bool) []point {
	i := a.groupOf[node]
	if inner[i] == nil {
		return nil
	}
	box := outer.boxes[i]
	out := moved(inner[i].routes[inner[i].gates[gateKey{node, side}]], point{box.x + framePad, box.y + frameTitle})
	if backwards {
		slices.Reverse(out)
	}
	return out
}

func moved(list []point, by point) []point {
	out := make([]point, len(list))
	for i, p := range list {
		out[i] = point{p.x + by.x, p.y + by.y}
	}
	return out
}

// shiftOf keeps what is different between the same two boxes apart.
func shiftOf(e *Edge) float64 {
	shift := 4 * (float64(e.State) - 1.5)
	if len(e.Violates) > 0 {
		shift -= 2
	}
	return shift
}

// straight joins two boxes on the sides that face each other. Both ways, and each
// state, keep apart.
func straight(from, to rect, shift float64) []point {
	a, b := from.centre(), to.centre()
	switch {
	case from.x+from.w < to.x:
		return []point{{from.x + from.w, a.y - 6 + shift}, {to.x, b.y - 6 + shift}}
	case to.x+to.w < from.x:
		return []point{{from.x, a.y + 6 + shift}, {to.x + to.w, b.y + 6 + shift}}
	}
	out := max(from.x+from.w, to.x+to.w)
	return []point{{from.x + from.w, a.y + shift}, {out + 24, (a.y + b.y) / 2}, {to.x + to.w, b.y + shift}}
}

func nodeSize(n *Node) size {
	w := max(textWidth(shorten(n.Title(), maxName), 14), textWidth(n.Subtitle(), 11))
	return size{max(w+28, 112), nodeHeight}
}

// textWidth is about how wide a text is, in pixels, in a sans-serif font of a
// size in pixels: there is no font here to measure it with, so it is on the wide side.
func textWidth(text string, fontSize float64) float64 {
	width := 0.0
	for _, r := range text {
		switch {
		case r > 0x2e80: // ideographs, and all that is as wide
			width += 1
		case r == 'i' || r == 'l' || r == 'j' || r == '.' || r == ',' || r == ' ' || r == ':' || r == '\'' || r == 't' || r == 'f' || r == 'r':
			width += 0.38
		case r == 'm' || r == 'w' || r >= 'A' && r <= 'Z':
			width += 0.78
		default:
			width += 0.59
		}
	}
	return width * fontSize
}

// shorten cuts a text to n letters.
func shorten(text string, n int) string {
	if utf8.RuneCountInString(text) <= n {
		return text
	}
	return string([]rune(text)[:n-1]) + "…"
}
