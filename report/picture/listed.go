package picture

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/podcullis/podcullis/report"
)

// findingsOf lists the findings from the worst on, and those of one cause together.
func findingsOf(g *Graph) []pageFinding {
	edges := map[[2]int][]int{}
	for i, e := range g.Edges {
		edges[[2]int{e.From, e.To}] = append(edges[[2]int{e.From, e.To}], i)
	}
	order := make([]int, len(g.Findings))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(x, y int) int {
		a, b := &g.Findings[x], &g.Findings[y]
		return cmp.Or(cmp.Compare(severities[a.Severity], severities[b.Severity]), cmp.Compare(actionRank(a), actionRank(b)),
			cmp.Compare(report.Title(a.Object), report.Title(b.Object)), cmp.Compare(a.Guardrail, b.Guardrail), cmp.Compare(a.Message, b.Message))
	})
	var out []pageFinding
	for _, i := range order {
		f := &g.Findings[i]
		x := pageFinding{Action: string(f.Action), Guardrail: f.Guardrail, Severity: f.Severity, Object: report.Title(f.Object), Message: f.Message}
		if f.Location.File != "" {
			x.Place = f.Location.String()
		}
		if i < len(g.about) {
			x.Edges = edgesOf(g, f.Guardrail, g.about[i], edges)
		}
		out = append(out, x)
	}
	return out
}

// actionRank is what refuses before what warns before what is only noted.
func actionRank(f *report.Finding) int {
	return -slices.Index([]string{"audit", "warn", "deny"}, string(f.Action))
}

// maxFindingEdges bounds how many edges one finding leads to.
const maxFindingEdges = 200

// edgesOf are the numbers of the edges that a finding is about, for the map.
func edgesOf(g *Graph, guardrail string, ends [][2]int, at map[[2]int][]int) string {
	var out []string
	for _, pair := range ends {
		for _, i := range at[pair] {
			if slices.Contains(g.Edges[i].Violates, guardrail) && len(out) < maxFindingEdges {
				out = append(out, fmt.Sprint(i+1))
			}
		}
	}
	return strings.Join(out, ".")
}
