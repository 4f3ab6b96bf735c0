package picture

import (
	"slices"

	"github.com/podcullis/podcullis/cluster"
)

// ByNamespace is the graph with one node a namespace. Edges of one state between
// two namespaces become one; those within a namespace are counted on its node.
func (g *Graph) ByNamespace() *Graph {
	if g.Folded {
		return g
	}
	out := &Graph{Findings: g.Findings, Compared: g.Compared, Folded: true, Notes: slices.Clone(g.Notes)}
	place := make([]int, len(g.Nodes))
	for i, n := range g.Nodes {
		last := len(out.Nodes) - 1
		switch {
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
	}
	at := map[key]int{}
	for _, e := range g.Edges {
		k := key{place[e.From], place[e.To], e.State, e.Change}
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
	}
	slices.SortStableFunc(out.Edges, compareEdges)
	return out
}

// noted is the graph with one more note.
func (g *Graph) noted(text string) *Graph {
	out := *g
	out.Notes = append(slices.Clone(g.Notes), text)
	return &out
}
