package picture

import (
	"slices"

	"github.com/podcullis/podcullis/cluster"
)

// ByNamespace is the graph with one node a namespace. Edges of one state between
// two namespaces become one; those within a namespace are counted on its node. Many
// blocks of addresses outside become one node too.
func (g *Graph) ByNamespace() *Graph {
	if g.Folded {
		return g
	}
	out := &Graph{Heading: g.Heading, Findings: g.Findings, Compared: g.Compared, Folded: true, Notes: slices.Clone(g.Notes)}
	place := make([]int, len(g.Nodes))
	elsewhere, many := -1, g.outside() > maxOutside
	for i, n := range g.Nodes {
		last := len(out.Nodes) - 1
		switch {
		case n.Outside() && many && !n.anywhere():
			if elsewhere < 0 {
				elsewhere = len(out.Nodes)
				out.Nodes = append(out.Nodes, Node{})
			}
			out.Nodes[elsewhere].Blocks = append(out.Nodes[elsewhere].Blocks, n.Blocks...)
			place[i] = elsewhere
			continue
		case n.Outside():
			out.Nodes = append(out.Nodes, n)
		case last >= 0 && out.Nodes[last].Ref.Name == n.Ref.Namespace:
			out.Nodes[last].Workloads++
			out.Nodes[last].Pods += n.Pods
		default:
			out.Nodes = append(out.Nodes, Node{Ref: cluster.Ref{Kind: "Namespace", Name: n.Ref.Namespace}, Pods: n.Pods, Workloads: 1})
		}
		place[i] = len(out.Nodes) - 1
	}
	type key struct {
		from, to int
		state    State
		change   Change
		violates bool
	}
	at := map[key]int{}
	for _, e := range g.Edges {
		k := key{place[e.From], place[e.To], e.State, e.Change, len(e.Violates) > 0}
		if k.from == k.to {
			if e.State != Blocked && e.Change != Removed {
				out.Nodes[k.from].Inside += e.Count
			}
			continue
		}
		e.From, e.To = k.from, k.to
		i, ok := at[k]
		if !ok {
			at[k] = len(out.Edges)
			out.Edges = append(out.Edges, e)
			continue
		}
		sum := &out.Edges[i]
		sum.Count += e.Count
		sum.Ports = sum.Ports.Union(e.Ports)
		sum.Because, sum.Shields = nil, nil
		sum.Violates = append(slices.Clone(sum.Violates), e.Violates...)
		slices.Sort(sum.Violates)
		sum.Violates = slices.Compact(sum.Violates)
		sum.severity = min(sum.severity, e.severity)
	}
	slices.SortStableFunc(out.Edges, compareEdges)
	out.about = placed(g.about, place)
	if elsewhere >= 0 {
		blocks := out.Nodes[elsewhere].Blocks
		slices.SortFunc(blocks, comparePrefixes)
		out.Nodes[elsewhere].Blocks = slices.Compact(blocks)
	}
	return out
}

// maxOutside is how many nodes outside the cluster are drawn by themselves when
// the cluster is drawn by namespace.
const maxOutside = 8

func (g *Graph) outside() int {
	count := 0
	for i := range g.Nodes {
		if g.Nodes[i].Outside() {
			count++
		}
	}
	return count
}

// noted is the graph with one more note.
func (g *Graph) noted(text string) *Graph {
	out := *g
	out.Notes = append(slices.Clone(g.Notes), text)
	return &out
}
