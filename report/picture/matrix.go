package picture

import (
	"cmp"
	"fmt"
	"slices"
)

// maxMatrix bounds the rows of a matrix; of more nodes the busiest are shown.
const maxMatrix = 120

// matrix is a graph as a table: from each node, to each node, what there is. A
// node is in it when an edge is at it.
type matrix struct {
	nodes []int // of the graph, in its order
	edges map[[2]int][]int
	left  int // how many nodes were too many
	// spread is set when the workloads are of several namespaces, and have to name them.
	spread bool
}

// matrixOf makes the table of the nodes that have an edge, at most limit.
func matrixOf(g *Graph, limit int) *matrix {
	degree := make([]int, len(g.Nodes)) // a violation outweighs the rest
	m := &matrix{edges: map[[2]int][]int{}}
	for i, e := range g.Edges {
		weight := 1
		if len(e.Violates) > 0 {
			weight = len(g.Edges)
		}
		degree[e.From] += weight
		degree[e.To] += weight
		m.edges[[2]int{e.From, e.To}] = append(m.edges[[2]int{e.From, e.To}], i)
	}
	for i := range g.Nodes {
		if degree[i] > 0 {
			m.nodes = append(m.nodes, i)
		}
	}
	m.spread = slices.ContainsFunc(m.nodes, func(i int) bool {
		return g.Nodes[i].Ref.Namespace != "" && g.Nodes[i].Ref.Namespace != g.Nodes[m.nodes[0]].Ref.Namespace
	})
	if len(m.nodes) > limit {
		m.left = len(m.nodes) - limit
		slices.SortStableFunc(m.nodes, func(a, b int) int { return cmp.Compare(degree[b], degree[a]) })
		m.nodes = m.nodes[:limit]
		slices.Sort(m.nodes)
	}
	return m
}

const cell = 18.0

// matrix draws the graph as a table: what a dense graph is best read as.
func (d *drawing) matrix() {
	m := matrixOf(d.Graph, maxMatrix)
	if m.left > 0 {
		d.Graph = d.noted(fmt.Sprintf("the %d busiest of %d nodes", len(m.nodes), len(m.nodes)+m.left))
	}
	d.Graph = d.noted("from the row, to the column")
	top := d.header()
	wide := 0.0
	for _, n := range m.nodes {
		wide = max(wide, textWidth(shorten(d.Nodes[n].title(m.spread), maxName), 12))
	}
	x0, y0 := margin+wide+10, top+wide*0.87+10
	side := cell * float64(len(m.nodes))
	d.printf("<g class=\"grid\">")
	for i := range len(m.nodes) + 1 {
		at := cell * float64(i)
		d.printf("<path d=\"M%.0f %.0fh%.0fM%.0f %.0fv%.0f\"/>", x0, y0+at, side, x0+at, y0, side)
	}
	d.printf("</g>\n")
	for i, n := range m.nodes {
		name := escaped(shorten(d.Nodes[n].title(m.spread), maxName))
		at := cell*float64(i) + cell/2
		d.printf("<text x=\"%.0f\" y=\"%.0f\" text-anchor=\"end\">%s</text>", x0-6, y0+at+4, name)
		d.printf("<text transform=\"translate(%.0f %.0f) rotate(-60)\">%s</text>\n", x0+at+2, y0-6, name)
	}
	for i, from := range m.nodes {
		for j, to := range m.nodes {
			for _, e := range m.edges[[2]int{from, to}] {
				d.mark(&d.Edges[e], x0+cell*float64(j)+cell/2, y0+cell*float64(i)+cell/2)
			}
		}
	}
	d.size = size{max(d.w, x0+side+wide*0.5+margin), y0 + side + margin}
	d.matrixLegend()
}

// mark draws the sign of an edge: a shape of its own for each state.
func (d *drawing) mark(e *Edge, x, y float64) {
	d.printf("<g class=\"cell %s\"><title>%s</title>%s</g>\n", edgeClass(e), escaped(e.Sentence(d.Nodes)), warned(e, x, y))
}

// warned is the sign of an edge, with an exclamation mark where a guardrail objects.
func warned(e *Edge, x, y float64) string {
	if len(e.Violates) == 0 {
		return sign(e.State, x, y)
	}
	return sign(e.State, x-3, y) + fmt.Sprintf("<text x=\"%.0f\" y=\"%.0f\">!</text>", x+4, y+5)
}

func sign(s State, x, y float64) string {
	switch s {
	case ByDefault:
		return fmt.Sprintf("<rect x=\"%.0f\" y=\"%.0f\" width=\"11\" height=\"11\"/>", x-5.5, y-5.5)
	case Unknown:
		return fmt.Sprintf("<path d=\"M%.0f %.0fl6 6l-6 6l-6 -6Z\"/>", x, y-6)
	case Blocked:
		return fmt.Sprintf("<path d=\"M%.0f %.0fl8 8m0 -8l-8 8\"/>", x-4, y-4)
	}
	return fmt.Sprintf("<circle cx=\"%.0f\" cy=\"%.0f\" r=\"4\"/>", x, y)
}

func (d *drawing) matrixLegend() {
	x, y := margin, d.h+4
	for _, e := range d.kinds() {
		text := legendText(&e)
		d.printf("<g class=\"legend\"><g class=\"cell %s\">%s</g><text x=\"%.0f\" y=\"%.0f\">%s</text></g>\n", edgeClass(&e), warned(&e, x+8, y), x+20, y+4, text)
		x += 44 + textWidth(text, 12)
		d.w = max(d.w, x)
	}
	d.h = y + margin
}
