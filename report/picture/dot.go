package picture

import (
	"bytes"
	"fmt"
	"io"
	"strings"
)

// DOT writes a digraph in Graphviz's language, with a cluster for each namespace.
func DOT(w io.Writer, g *Graph) error {
	var b bytes.Buffer
	for _, line := range g.comments() {
		fmt.Fprintf(&b, "// %s\n", comment(line))
	}
	b.WriteString("digraph podcullis {\n  rankdir=LR; fontname=\"sans-serif\"; node [shape=box, style=rounded, fontname=\"sans-serif\"]; edge [fontname=\"sans-serif\", fontsize=10];\n")
	for _, group := range g.groups() {
		if group.namespace != "" {
			fmt.Fprintf(&b, "  subgraph %s {\n    label=%s;\n", dotQuote("cluster_"+group.namespace), dotQuote(group.namespace))
		}
		for _, i := range group.nodes {
			n := &g.Nodes[i]
			shape := ""
			switch {
			case n.Outside():
				shape = ", shape=ellipse"
			case n.Ref.Kind == "Namespace":
				shape = ", shape=folder"
			}
			fmt.Fprintf(&b, "    n%d [label=%s%s];\n", i+1, dotQuote(n.Title(), n.Subtitle()), shape)
		}
		if group.namespace != "" {
			b.WriteString("  }\n")
		}
	}
	for i := range g.Edges {
		e := &g.Edges[i]
		fmt.Fprintf(&b, "  n%d -> n%d [label=%s, tooltip=%s, color=\"%s\"%s];\n", e.From+1, e.To+1, dotQuote(e.Label()), dotQuote(e.Sentence(g.Nodes)), edgeColour(e), dotLine(e))
	}
	b.WriteString("}\n")
	_, err := w.Write(b.Bytes())
	return err
}

func dotLine(e *Edge) string {
	switch {
	case e.State == Blocked:
		return ", style=dotted, arrowhead=tee"
	case e.State == Unknown || e.Change == Removed:
		return ", style=dashed"
	case len(e.Violates) > 0:
		return ", penwidth=4"
	case e.State == ByDefault:
		return ", penwidth=2.5"
	}
	return ""
}

// dotQuote makes a quoted string of lines. A backslash would begin an escape, and
// an ampersand an entity.
func dotQuote(lines ...string) string {
	var out []string
	for _, l := range lines {
		out = append(out, strings.NewReplacer(`\`, `\\`, `"`, `\"`, "&", "&amp;").Replace(comment(l)))
	}
	return `"` + strings.Join(out, `\n`) + `"`
}
