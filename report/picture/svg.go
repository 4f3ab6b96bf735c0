package picture

import (
	"bytes"
	_ "embed" // the style sheet
	"fmt"
	"html"
	"io"
	"slices"
	"strings"
)

// What an SVG shows as a diagram; what is more is drawn by namespace, and then
// as a matrix.
const (
	svgNodes      = 120
	svgEdges      = 400
	svgNamespaces = 40
	svgFolded     = 240 // edges between namespaces
)

//go:embed page/picture.css
var pictureStyle string

// SVG writes a drawing that needs no other program. It follows the reader's
// choice of a light or a dark scheme, and asks for nothing over the network.
func SVG(w io.Writer, g *Graph) error {
	large := func(g *Graph) bool { return !g.Folded && (len(g.Nodes) > svgNodes || len(g.Edges) > svgEdges) }
	if p := g.mattering(); large(g) && p != nil {
		g = p
	}
	if large(g) {
		g = g.ByNamespace().noted(fmt.Sprintf("namespaces, not workloads: with more than %d nodes or %d edges a drawing says little", svgNodes, svgEdges))
	}
	d := &drawing{Graph: g}
	if g.Folded && (len(g.Nodes) > svgNamespaces || len(g.Edges) > svgFolded) {
		d.matrix()
	} else {
		d.diagram()
	}
	return d.write(w)
}

const margin = 24.0

// drawing is an SVG in the making. Coordinates are whole numbers: they are the
// same on every machine.
type drawing struct {
	*Graph
	body bytes.Buffer
	size
}

func (d *drawing) printf(format string, args ...any) { fmt.Fprintf(&d.body, format, args...) }

// diagram draws boxes and arrows, and below them what the lines mean.
func (d *drawing) diagram() {
	s := arrange(d.Graph)
	top := d.header()
	d.printf("<g transform=\"translate(%.0f %.0f)\">\n", margin, top)
	for _, f := range s.frames {
		d.printf("<g class=\"frame\"><rect x=\"%.0f\" y=\"%.0f\" width=\"%.0f\" height=\"%.0f\" rx=\"10\"/><text x=\"%.0f\" y=\"%.0f\">%s</text></g>\n",
			f.x, f.y, f.w, f.h, f.x+framePad, f.y+18, escaped(f.name))
	}
	for i := range d.Edges {
		e := &d.Edges[i]
		d.printf("<g class=\"edge %s\"><title>%s</title><path d=\"%s\" marker-end=\"url(#%s)\"/></g>\n",
			edgeClass(e), escaped(e.Sentence(d.Nodes)), curve(s.paths[i]), marker(e))
	}
	for i := range d.Nodes {
		d.node(&d.Nodes[i], s.nodes[i])
	}
	if !s.dense {
		for i := range d.Edges {
			e := &d.Edges[i]
			text := shorten(e.Label(), maxLabel)
			w := textWidth(text, 11) + 6
			d.printf("<g class=\"label %s\"><rect x=\"%.0f\" y=\"%.0f\" width=\"%.0f\" height=\"16\" rx=\"3\"/><text x=\"%.0f\" y=\"%.0f\">%s</text></g>\n",
				edgeClass(e), s.labels[i].x-w/2, s.labels[i].y-8, w, s.labels[i].x, s.labels[i].y+4, escaped(text))
		}
	}
	d.printf("</g>\n")
	d.size = size{max(d.w, s.w+2*margin), top + s.h + margin}
	d.legend()
}

// header writes what the picture shows, and returns the height it takes.
func (d *drawing) header() float64 {
	y := margin + 14
	d.printf("<text class=\"heading\" x=\"%.0f\" y=\"%.0f\">%s</text>\n", margin, y, escaped(d.title()))
	d.w = max(d.w, textWidth(d.title(), 18)+2*margin)
	for _, line := range d.preface() {
		y += 18
		d.printf("<text class=\"caption\" x=\"%.0f\" y=\"%.0f\">%s</text>\n", margin, y, escaped(line))
		d.w = max(d.w, textWidth(line, 12)+2*margin)
	}
	return y + 20
}

func (d *drawing) node(n *Node, r rect) {
	class, corner := "node", 6.0
	switch {
	case n.Outside():
		class, corner = "node outside", r.h/2
	case n.Ref.Kind == "Namespace":
		class = "node namespace"
	}
	d.printf("<g class=\"%s\"><title>%s</title>", class, escaped(d.nodeSentence(n)))
	if class == "node namespace" {
		d.printf("<rect x=\"%.0f\" y=\"%.0f\" width=\"%.0f\" height=\"%.0f\" rx=\"%.0f\"/>", r.x+4, r.y-4, r.w, r.h, corner)
	}
	d.printf("<rect x=\"%.0f\" y=\"%.0f\" width=\"%.0f\" height=\"%.0f\" rx=\"%.0f\"/>", r.x, r.y, r.w, r.h, corner)
	if class == "node" {
		d.gates(n, r)
	}
	d.printf("<text class=\"name\" x=\"%.0f\" y=\"%.0f\">%s</text><text class=\"small\" x=\"%.0f\" y=\"%.0f\">%s</text></g>\n",
		r.x+r.w/2, r.y+19, escaped(shorten(n.Title(), maxName)), r.x+r.w/2, r.y+35, escaped(n.Subtitle()))
}

// gates draws a bar on the left where a workload is isolated for ingress, and on
// the right for egress.
func (d *drawing) gates(n *Node, r rect) {
	for side, direction := range gateSides {
		if class := gateClass(n.Isolated[direction]); class != "" {
			x := r.x + 4 + float64(side)*(r.w-8)
			d.printf("<path class=\"gate %s\" d=\"M%.0f %.0fV%.0f\"/>", class, x, r.y+8, r.y+r.h-8)
		}
	}
}

// nodeSentence is the node in words.
func (g *Graph) nodeSentence(n *Node) string {
	switch {
	case n.Outside():
		return n.Name()
	case n.Ref.Kind == "Namespace":
		return fmt.Sprintf("%s: %s, %s among them", n.Name(), number(n.Workloads, "workload"), number(n.Inside, "connection"))
	}
	return fmt.Sprintf("%s\n%s\n%s", n.Name(), n.isolation(gateSides[0]), n.isolation(gateSides[1]))
}

// curve is a smooth line through points, level at each of them.
func curve(points []point) string {
	var b strings.Builder
	for i, p := range points {
		if i == 0 {
			fmt.Fprintf(&b, "M%.0f %.0f", p.x, p.y)
			continue
		}
		q := points[i-1]
		if int(p.y+0.5) == int(q.y+0.5) {
			fmt.Fprintf(&b, "L%.0f %.0f", p.x, p.y)
			continue
		}
		middle := (p.x + q.x) / 2
		fmt.Fprintf(&b, "C%.0f %.0f %.0f %.0f %.0f %.0f", middle, q.y, middle, p.y, p.x, p.y)
	}
	return b.String()
}

// legend explains every kind of line that the picture has.
func (d *drawing) legend() {
	x, y := margin, d.h+4
	d.printf("<g class=\"legend\">\n")
	for _, e := range d.kinds() {
		text := legendText(&e)
		width := 48 + textWidth(text, 12) + 16
		if x > margin && x+width > max(d.w, 640) {
			x, y = margin, y+22
		}
		d.printf("<g class=\"edge %s\"><path d=\"M%.0f %.0fh34\" marker-end=\"url(#%s)\"/></g><text x=\"%.0f\" y=\"%.0f\">%s</text>\n",
			edgeClass(&e), x, y, marker(&e), x+44, y+4, escaped(text))
		x += width
		d.w = max(d.w, x)
	}
	if !d.Folded {
		const text = "a bar on a workload: isolated for ingress (left), for egress (right)"
		if width := 20 + textWidth(text, 12); x > margin && x+width > max(d.w, 640) {
			x, y = margin, y+22
		}
		d.printf("<path class=\"gate closed\" d=\"M%.0f %.0fv16\"/><text x=\"%.0f\" y=\"%.0f\">%s</text>\n", x+4, y-8, x+16, y+4, text)
		d.w = max(d.w, x+20+textWidth(text, 12)+margin)
	}
	d.printf("</g>\n")
	d.h = y + margin
}

// kinds is one edge of each state and change that the graph has.
func (g *Graph) kinds() []Edge {
	var out []Edge
	if slices.ContainsFunc(g.Edges, func(e Edge) bool { return len(e.Violates) > 0 }) {
		out = append(out, Edge{State: ByNetpol, Violates: []string{""}})
	}
	for change := Same; change <= Turned; change++ {
		for state := ByDefault; state <= Blocked; state++ {
			for i := range g.Edges {
				if e := &g.Edges[i]; e.State == state && e.Change == change && len(e.Violates) == 0 {
					out = append(out, Edge{State: state, Change: change})
					break
				}
			}
		}
	}
	return out
}

func legendText(e *Edge) string {
	text := e.State.String()
	switch {
	case len(e.Violates) > 0:
		return "! violates a guardrail"
	case e.State == Blocked:
		text = "asked about, and blocked"
	}
	switch e.Change {
	case Added:
		return "+ added, " + text
	case Removed:
		return "− removed, was " + text
	case Turned:
		return "~ " + text + ", " + e.became()
	}
	return text
}

// write writes the document: the markers of the arrows, the style, then the body.
func (d *drawing) write(w io.Writer) error {
	var b bytes.Buffer
	fmt.Fprintf(&b, "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %.0f %.0f\" width=\"%.0f\" height=\"%.0f\" role=\"img\" aria-labelledby=\"title desc\">\n", d.w, d.h, d.w, d.h)
	fmt.Fprintf(&b, "<title id=\"title\">%s</title>\n<desc id=\"desc\">%s</desc>\n", escaped(d.title()), escaped(d.caption()))
	fmt.Fprintf(&b, "<style>\n%s</style>\n<defs>\n%s</defs>\n", pictureStyle, markers())
	fmt.Fprintf(&b, "<rect class=\"paper\" width=\"%.0f\" height=\"%.0f\"/>\n", d.w, d.h)
	b.Write(d.body.Bytes())
	b.WriteString("</svg>\n")
	_, err := w.Write(b.Bytes())
	return err
}

// markers are the ends of lines: an arrow, or for what is blocked a bar.
func markers() string {
	var b strings.Builder
	for _, class := range meaningClasses[:blocked] {
		fmt.Fprintf(&b, "<marker id=\"to-%s\" class=\"m-%s\" viewBox=\"0 0 10 10\" refX=\"9\" refY=\"5\" markerWidth=\"8\" markerHeight=\"8\" markerUnits=\"userSpaceOnUse\" orient=\"auto\"><path d=\"M0 0L10 5L0 10Z\"/></marker>\n", class, class)
	}
	for _, m := range [][2]string{{"to-blocked", "blocked"}, {"to-blocked-forbidden", "forbidden"}} {
		fmt.Fprintf(&b, "<marker id=\"%s\" class=\"m-%s\" viewBox=\"0 0 6 14\" refX=\"5\" refY=\"7\" markerWidth=\"6\" markerHeight=\"14\" markerUnits=\"userSpaceOnUse\" orient=\"auto\"><path d=\"M2 0H5V14H2Z\"/></marker>\n", m[0], m[1])
	}
	return b.String()
}

// escaped is text for an XML document, which has no control characters but line ends.
func escaped(text string) string {
	return html.EscapeString(strings.Map(func(r rune) rune {
		if r < ' ' && r != '\n' || r >= 0x7f && r < 0xa0 || r == 0xfffe || r == 0xffff {
			return '\uFFFD'
		}
		return r
	}, strings.ToValidUTF8(text, "\uFFFD")))
}
