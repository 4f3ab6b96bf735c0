package picture

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
)

// Mermaid's limits: maxEdges and maxTextSize of its configuration. A diagram
// cannot raise them for itself, and GitHub does not.
const (
	mermaidEdges = 500
	mermaidText  = 50_000 // characters
)

// Mermaid writes a flowchart. Where the workloads are more than Mermaid draws,
// their namespaces are drawn, and the first lines say so.
func Mermaid(w io.Writer, g *Graph) error {
	text := mermaid(g)
	if p := g.mattering(); !fits(g, text) && !g.Folded && p != nil {
		g = p
		text = mermaid(g)
	}
	if !fits(g, text) && !g.Folded {
		g = g.ByNamespace().noted(fmt.Sprintf("namespaces, not workloads: Mermaid draws at most %d edges and %d characters", mermaidEdges, mermaidText))
		text = mermaid(g)
	}
	for n := mermaidEdges; !fits(g, text); n /= 2 {
		g = g.strongest(n)
		text = mermaid(g)
	}
	_, err := w.Write(text)
	return err
}

func fits(g *Graph, text []byte) bool {
	return len(g.Edges) <= mermaidEdges && len(text) < mermaidText
}

// strongest keeps the n edges that matter most, those that violate or changed before those
// that stand for most connections, and the nodes at their ends.
func (g *Graph) strongest(n int) *Graph {
	edges := slices.Clone(g.Edges)
	slices.SortStableFunc(edges, func(a, b Edge) int {
		return cmp.Or(cmp.Compare(min(meaningOf(&a), byDefault), min(meaningOf(&b), byDefault)), -cmp.Compare(a.Count, b.Count))
	})
	edges = edges[:min(n, len(edges))]
	out := *g
	out.Nodes, out.Edges = nil, nil
	kept := map[int]int{}
	for i := range g.Nodes {
		if slices.ContainsFunc(edges, func(e Edge) bool { return e.From == i || e.To == i }) {
			kept[i] = len(out.Nodes)
			out.Nodes = append(out.Nodes, g.Nodes[i])
		}
	}
	for _, e := range edges {
		e.From, e.To = kept[e.From], kept[e.To]
		out.Edges = append(out.Edges, e)
	}
	slices.SortStableFunc(out.Edges, compareEdges)
	const what = "only the "
	notes := slices.DeleteFunc(slices.Clone(g.Notes), func(note string) bool { return strings.HasPrefix(note, what) })
	out.Notes = append(notes, fmt.Sprintf("%s%d edges that stand for most connections: there are more than fit", what, len(out.Edges)))
	return &out
}

func mermaid(g *Graph) []byte {
	var b bytes.Buffer
	for _, line := range g.comments() {
		fmt.Fprintf(&b, "%%%% %s\n", comment(line))
	}
	b.WriteString("flowchart LR\n")
	for i, group := range g.groups() {
		if group.namespace != "" {
			fmt.Fprintf(&b, "  subgraph ns%d[%s]\n", i+1, mermaidLabel(group.namespace))
		}
		for _, n := range group.nodes {
			mermaidNode(&b, n, &g.Nodes[n])
		}
		if group.namespace != "" {
			b.WriteString("  end\n")
		}
	}
	for i := range g.Edges {
		e := &g.Edges[i]
		fmt.Fprintf(&b, "  n%d %s|%s| n%d\n", e.From+1, mermaidArrow(e), mermaidLabel(e.Label()), e.To+1)
	}
	mermaidStyles(&b, g)
	return b.Bytes()
}

func mermaidNode(b *bytes.Buffer, i int, n *Node) {
	left, right := "[", "]"
	switch {
	case n.Outside():
		left, right = "([", "])"
	case n.Ref.Kind == "Namespace":
		left, right = "[[", "]]"
	}
	fmt.Fprintf(b, "    n%d%s%s%s\n", i+1, left, mermaidLabel(n.Title(), n.Subtitle()), right)
}

// mermaidArrow: what is open is solid, and thick when nothing but the default
// opens it; dotted is unknown, or with a cross blocked.
func mermaidArrow(e *Edge) string {
	switch {
	case e.State == Blocked:
		return "-.-x"
	case e.State == Unknown || e.Change == Removed:
		return "-.->"
	case e.State == ByDefault:
		return "==>"
	}
	return "-->"
}

// mermaidStyles colours the edges that stand out, and the nodes at both ends of those
// that violate.
func mermaidStyles(b *bytes.Buffer, g *Graph) {
	of := map[meaning][]string{}
	var bad []int
	for i := range g.Edges {
		e := &g.Edges[i]
		m := meaningOf(e)
		of[m] = append(of[m], fmt.Sprint(i))
		if m == forbidden {
			bad = append(bad, e.From, e.To)
		}
	}
	for m := forbidden; m <= blocked; m++ {
		if m == byNetpol || len(of[m]) == 0 {
			continue
		}
		width := ""
		if m == forbidden {
			width = ",stroke-width:4px"
		}
		fmt.Fprintf(b, "  linkStyle %s stroke:%s%s\n", strings.Join(of[m], ","), colours[m], width)
	}
	if len(bad) > 0 {
		slices.Sort(bad)
		var names []string
		for _, n := range slices.Compact(bad) {
			names = append(names, fmt.Sprintf("n%d", n+1))
		}
		fmt.Fprintf(b, "  classDef violation stroke:%s,stroke-width:3px\n  class %s violation\n", colours[forbidden], strings.Join(names, ","))
	}
}

// mermaidLabel quotes lines of text. Inside quotes Mermaid still reads entities,
// HTML, Markdown, formulas and %%{directives}, so whatever could begin one becomes
// an entity.
func mermaidLabel(lines ...string) string {
	var out []string
	for _, l := range lines {
		out = append(out, mermaidEscapes.Replace(comment(l)))
	}
	return `"` + strings.Join(out, "<br/>") + `"`
}

var mermaidEscapes = strings.NewReplacer(
	"#", "#35;", `"`, "#quot;", "&", "#amp;", "<", "#lt;", ">", "#gt;", "`", "#96;",
	";", "#59;", `\`, "#92;", "%", "#37;", "{", "#123;", "}", "#125;", "$", "#36;",
)

// comment is text that stays on its line.
func comment(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == '\u2028' || r == '\u2029' || r == '\u0085' {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, "\uFFFD"))
}
