package picture

import "fmt"

// pageTable is the matrix.
type pageTable struct {
	Notes   []string
	Signs   []pageSign
	Columns []pageHead
	Rows    []pageRow
}

type pageHead struct{ Title, Name string }

type pageRow struct {
	pageHead
	Cells [][]pageSign
}

type pageSign struct{ Class, Sign, Text, Link string }

// signs are a shape for each state, so that no colour is needed.
var signs = [...]string{ByDefault: "■", ByNetpol: "●", Unknown: "◇", Blocked: "✕"}

func signOf(e *Edge) string {
	sign := [...]string{Same: "", Added: "+", Removed: "−", Turned: "~"}[e.Change] + signs[e.State]
	if len(e.Violates) > 0 {
		return "!" + sign
	}
	return sign
}

// tableOf makes the matrix, whose signs lead to what is in a list.
func tableOf(g *Graph, list []int) *pageTable {
	t := &pageTable{}
	listed := map[int]bool{}
	for _, i := range list {
		listed[i] = true
	}
	linked := !g.Folded
	if m := matrixOf(g, len(g.Nodes)); !g.Folded && len(m.nodes) > pageMatrix {
		g, linked = g.ByNamespace(), false
		t.Notes = append(t.Notes, fmt.Sprintf("By namespace, for there are more than %d workloads.", pageMatrix))
	}
	m := matrixOf(g, maxMatrix)
	if m.left > 0 {
		t.Notes = append(t.Notes, fmt.Sprintf("The %d busiest of %d.", len(m.nodes), len(m.nodes)+m.left))
	}
	if len(m.nodes) == 0 {
		return nil
	}
	for _, e := range g.kinds() {
		t.Signs = append(t.Signs, pageSign{Class: edgeClass(&e), Sign: signOf(&e), Text: legendText(&e)})
	}
	for _, to := range m.nodes {
		t.Columns = append(t.Columns, pageHead{shorten(g.Nodes[to].title(m.spread), 20), g.Nodes[to].Name()})
	}
	for _, from := range m.nodes {
		row := pageRow{pageHead: pageHead{shorten(g.Nodes[from].title(m.spread), maxName), g.Nodes[from].Name()}}
		for _, to := range m.nodes {
			var cell []pageSign
			for _, i := range m.edges[[2]int{from, to}] {
				e := &g.Edges[i]
				s := pageSign{Class: edgeClass(e), Sign: signOf(e), Text: e.Sentence(g.Nodes)}
				if linked && listed[i] {
					s.Link = fmt.Sprintf("c%d", i+1)
				}
				cell = append(cell, s)
			}
			row.Cells = append(row.Cells, cell)
		}
		t.Rows = append(t.Rows, row)
	}
	return t
}
