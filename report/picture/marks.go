package picture

import (
	"net/netip"
	"slices"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/report"
)

// mark notes which edges findings are about: those whose details are a connection. A
// finding about a path of which nothing is open is about what closed it, or blocks it.
func (b *builder) mark(findings []report.Finding) {
	edges := map[[2]int][]int{}
	for i, e := range b.Edges {
		ends := [2]int{e.From, e.To}
		edges[ends] = append(edges[ends], i)
	}
	b.about = make([][][2]int, len(findings))
	for i, f := range findings {
		for _, details := range f.Each() {
			from, okFrom := b.named(details, "from")
			to, okTo := b.named(details, "to")
			if ends := [2]int{from, to}; okFrom && okTo && !slices.Contains(b.about[i], ends) {
				b.about[i] = append(b.about[i], ends)
				b.blame(edges[ends], f)
			}
		}
	}
}

// blame marks those of the edges between two nodes that a finding is about.
func (b *builder) blame(edges []int, f report.Finding) {
	there := func(i int) bool { return b.Edges[i].State != Blocked && b.Edges[i].Change != Removed }
	open := slices.ContainsFunc(edges, there)
	for _, i := range edges {
		if there(i) != open {
			continue
		}
		e := &b.Edges[i]
		e.Violates = append(e.Violates, f.Guardrail)
		slices.Sort(e.Violates)
		e.Violates = slices.Compact(e.Violates)
		e.severity = min(e.severity, severities[f.Severity])
	}
}

// named finds the node of a peer in a finding's details.
func (b *builder) named(details any, which string) (int, bool) {
	d, _ := details.(map[string]any)
	peer, _ := d[which].(map[string]any)
	text := func(key string) string { s, _ := peer[key].(string); return s }
	if i, ok := b.index[cluster.Ref{Namespace: text("namespace"), Kind: text("kind"), Name: text("name")}.String()]; ok {
		return i, true
	}
	block, err := netip.ParsePrefix(text("cidr"))
	if err != nil {
		return 0, false
	}
	for i := range b.Nodes {
		if slices.Contains(b.Nodes[i].Blocks, block) {
			return i, true
		}
	}
	return 0, false
}
