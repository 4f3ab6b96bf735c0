package picture

import (
	"slices"

	"github.com/podcullis/podcullis/report"
)

// Only is the part of a graph that somebody asks for: the edges that changed, or those
// that violate a guardrail, and the nodes at their ends.
func (g *Graph) Only(changed, violations bool) *Graph {
	return g.part(func(e *Edge) bool {
		return (!changed || e.Change != Same) && (!violations || len(e.Violates) > 0)
	})
}

// part is the graph of some of its edges, and of the nodes at their ends.
func (g *Graph) part(keep func(*Edge) bool) *Graph {
	out := *g
	out.Edges = nil
	for i := range g.Edges {
		if keep(&g.Edges[i]) {
			out.Edges = append(out.Edges, g.Edges[i])
		}
	}
	return out.without(func(*Node) bool { return true })
}

// without is the graph without some of the nodes at which there is no edge.
func (g *Graph) without(leave func(*Node) bool) *Graph {
	met := make([]bool, len(g.Nodes))
	for _, e := range g.Edges {
		met[e.From], met[e.To] = true, true
	}
	out := *g
	out.Nodes, out.Edges = nil, slices.Clone(g.Edges)
	place := make([]int, len(g.Nodes))
	for i := range g.Nodes {
		place[i] = len(out.Nodes)
		if !met[i] && leave(&g.Nodes[i]) {
			place[i] = -1
			continue
		}
		out.Nodes = append(out.Nodes, g.Nodes[i])
	}
	for i := range out.Edges {
		e := &out.Edges[i]
		e.From, e.To = place[e.From], place[e.To]
	}
	out.about = placed(g.about, place)
	return &out
}

// placed are the ends of what findings are about, where nodes have moved: -1 is gone.
func placed(paths [][][2]int, place []int) [][][2]int {
	out := make([][][2]int, len(paths))
	for i, list := range paths {
		for _, ends := range list {
			if from, to := place[ends[0]], place[ends[1]]; from >= 0 && to >= 0 && !slices.Contains(out[i], [2]int{from, to}) {
				out[i] = append(out[i], [2]int{from, to})
			}
		}
	}
	return out
}

// mattering is what of a graph that is too large to draw matters most: what the change
// changed, or else what violates a guardrail; nil where there is neither.
func (g *Graph) mattering() *Graph {
	for _, c := range []struct {
		changed, violations bool
		note                string
	}{
		{true, false, "only what changed: there is too much to draw all of it"},
		{false, true, "only what violates a guardrail: there is too much to draw all of it"},
	} {
		if p := g.Only(c.changed, c.violations); len(p.Edges) > 0 && len(p.Edges) < len(g.Edges) {
			return p.noted(c.note)
		}
	}
	return nil
}

// Concerning is the graph with the findings about what is drawn of it, and a note that
// counts the others: those about paths that are not there, or about objects of namespaces
// in which nothing is drawn.
func (g *Graph) Concerning() *Graph {
	drawn := map[string]bool{}
	for i := range g.Nodes {
		drawn[g.Nodes[i].Ref.Namespace] = true
	}
	out := *g
	out.Findings, out.about = nil, nil
	for i, f := range g.Findings {
		var ends [][2]int
		if i < len(g.about) {
			ends = g.about[i]
		}
		if len(ends) > 0 && g.joins(ends) || len(ends) == 0 && !aboutPath(f) && drawn[f.Object.Namespace] {
			out.Findings, out.about = append(out.Findings, f), append(out.about, ends)
		}
	}
	if n := len(g.Findings) - len(out.Findings); n > 0 {
		return out.noted(number(n, "finding") + " about what is not drawn")
	}
	return &out
}

// joins tells whether there is an edge between any of some pairs of nodes.
func (g *Graph) joins(ends [][2]int) bool {
	return slices.ContainsFunc(g.Edges, func(e Edge) bool { return slices.Contains(ends, [2]int{e.From, e.To}) })
}

func aboutPath(f report.Finding) bool {
	return slices.ContainsFunc(f.Each(), func(details any) bool {
		d, _ := details.(map[string]any)
		return d["from"] != nil && d["to"] != nil
	})
}
