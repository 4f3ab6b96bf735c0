package picture

import (
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"io"
	"strings"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/report"
)

// What a page holds. A page with more connections is of namespaces.
const (
	pageNodes  = 300    // the map opens with closed namespaces beyond
	pageEdges  = 20_000 // in the page at all
	pageList   = 2_000  // in the list of connections
	pageMatrix = 60     // rows of the matrix; with more nodes it is by namespace
)

//go:embed page
var pageFiles embed.FS

// HTML writes one page that holds everything and asks for nothing: its content
// security policy allows no request, and of scripts and styles its own alone.
// Without JavaScript it is a matrix, the connections with their reasons, and the
// findings; with it there is a map.
func HTML(w io.Writer, g *Graph) error {
	if !g.Folded && len(g.Edges) > pageEdges {
		g = g.ByNamespace().noted(fmt.Sprintf("namespaces, not workloads: there are more than %d connections", pageEdges))
	}
	text, err := pageFiles.ReadFile("page/page.html")
	if err != nil {
		return err
	}
	t, err := template.New("page").Parse(string(text))
	if err != nil {
		return err
	}
	style, err := joined("page/picture.css", "page/page.css")
	if err != nil {
		return err
	}
	script, err := joined("page/layout.js", "page/map.js")
	if err != nil {
		return err
	}
	p := pageOf(g)
	p.Style, p.Script = template.CSS(style), template.JS(script)
	p.Markers = template.HTML(markers())
	p.Policy = fmt.Sprintf("default-src 'none'; style-src '%s'; script-src '%s'; base-uri 'none'; form-action 'none'", hash(style), hash(script))
	return t.Execute(w, p)
}

func joined(files ...string) (string, error) {
	var b strings.Builder
	for _, f := range files {
		text, err := pageFiles.ReadFile(f)
		if err != nil {
			return "", err
		}
		b.Write(text)
	}
	return b.String(), nil
}

// hash is a text's source expression in a content security policy (CSP Level 3).
func hash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "sha256-" + base64.StdEncoding.EncodeToString(sum[:])
}

// page is what the template shows.
type page struct {
	Policy   string
	Style    template.CSS
	Script   template.JS
	Markers  template.HTML
	Caption  string
	Notes    []string
	Filters  []pageFilter
	Changes  []Change // that the map shows
	Matrix   *pageTable
	List     []pageConnection
	Left     string
	Findings []pageFinding
	Data     pageData
}

type pageFilter struct {
	Name, Class, Text string
	On, Line          bool
}

type pageConnection struct {
	ID, From, To, Ports, Class, State, Violates string
	Because                                     []pageReasons
}

type pageReasons struct {
	Side    string
	Reasons []string
}

type pageFinding struct {
	Action, Guardrail, Severity, Object, Place, Message string
}

func pageOf(g *Graph) *page {
	p := &page{Caption: g.caption(), Notes: g.Notes, Data: dataOf(g), Matrix: tableOf(g)}
	seen := map[State]bool{}
	violations := false
	for i := range g.Edges {
		seen[g.Edges[i].State] = true
		violations = violations || len(g.Edges[i].Violates) > 0
	}
	for state := ByDefault; state <= Blocked; state++ {
		if seen[state] {
			p.Filters = append(p.Filters, pageFilter{stateClasses[state], stateClasses[state], state.String(), true, true})
		}
	}
	if g.Compared {
		p.Changes = []Change{Added, Removed}
		p.Filters = append(p.Filters, pageFilter{Name: "changed", Text: "only what changed"})
	}
	if violations {
		p.Filters = append(p.Filters, pageFilter{Name: "violations", Text: "only violations (!)"})
	}
	for i := range g.Edges {
		if i == pageList {
			p.Left = fmt.Sprintf("The first %d of %d; the command podcullis connections lists all.", pageList, len(g.Edges))
			break
		}
		p.List = append(p.List, connectionOf(g, i))
	}
	for _, f := range g.Findings {
		x := pageFinding{Action: string(f.Action), Guardrail: f.Guardrail, Severity: f.Severity, Object: report.Title(f.Object), Message: f.Message}
		if f.Location.File != "" {
			x.Place = f.Location.String()
		}
		p.Findings = append(p.Findings, x)
	}
	return p
}

func connectionOf(g *Graph, i int) pageConnection {
	e := &g.Edges[i]
	ports := e.Ports.String()
	if e.Count > 1 {
		ports = number(e.Count, "connection") + ": " + ports
	}
	return pageConnection{
		ID: fmt.Sprintf("c%d", i+1), From: g.Nodes[e.From].Name(), To: g.Nodes[e.To].Name(), Ports: ports,
		Class: edgeClass(e), State: legendText(e), Violates: strings.Join(e.Violates, ", "), Because: e.reasons(),
	}
}

// reasons are what opens or blocks the edge, side by side.
func (e *Edge) reasons() []pageReasons {
	var out []pageReasons
	for _, d := range []cluster.Direction{cluster.Egress, cluster.Ingress} {
		r := pageReasons{Side: d.String()}
		for _, b := range e.Because {
			if b.Direction == d {
				r.Reasons = append(r.Reasons, report.ReasonText(b.Reason))
			}
		}
		for _, s := range e.Shields {
			if s.Direction == d {
				r.Reasons = append(r.Reasons, "isolated by "+s.Netpol.Namespace+"/"+s.Netpol.Name+", which has no rule for it")
			}
		}
		if len(r.Reasons) > 0 {
			out = append(out, r)
		}
	}
	if len(out) == 0 && e.State == Blocked && e.Count == 1 {
		out = append(out, pageReasons{"both sides", []string{"each lets something through, but they agree on no port"}})
	}
	return out
}

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
	return map[Change]string{Same: "", Added: "+", Removed: "−"}[e.Change] + signs[e.State]
}

func tableOf(g *Graph) *pageTable {
	t := &pageTable{}
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
		t.Columns = append(t.Columns, pageHead{shorten(g.Nodes[to].Title(), 20), g.Nodes[to].Name()})
	}
	for _, from := range m.nodes {
		row := pageRow{pageHead: pageHead{shorten(g.Nodes[from].Title(), maxName), g.Nodes[from].Name()}}
		for _, to := range m.nodes {
			var cell []pageSign
			for _, i := range m.edges[[2]int{from, to}] {
				e := &g.Edges[i]
				s := pageSign{Class: edgeClass(e), Sign: signOf(e), Text: e.Sentence(g.Nodes)}
				if linked && i < pageList {
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
