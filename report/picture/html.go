package picture

import (
	"cmp"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"io"
	"slices"
	"strings"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/report"
)

// What a page holds. A page with more connections is of namespaces.
const (
	pageNodes   = 300 // of which the map of everything begins with closed namespaces
	manyNodes   = 60  // over so many nodes, or lines, the map opens on what matters
	manyEdges   = 400
	pageEdges   = 20_000 // in the page at all
	pageList    = 2_000  // in the list of connections
	printedList = 120    // on paper; page.css leaves out the rest
	pageMatrix  = 60     // rows of the matrix; with more nodes it is by namespace
)

//go:embed page
var pageFiles embed.FS

// HTML writes one page that holds everything and asks for nothing: its content
// security policy allows no request, and of scripts and styles its own alone.
// Without JavaScript it is a matrix, the connections with their reasons, and the
// findings; with it there is a map.
func HTML(w io.Writer, g *Graph) error {
	if p := g.mattering(); !g.Folded && len(g.Edges) > pageEdges && p != nil {
		g = p
	}
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
	style, err := embeddedText("page/picture.css", "page/page.css")
	if err != nil {
		return err
	}
	script, err := embeddedText("page/layout.js", "page/fold.js", "page/map.js")
	if err != nil {
		return err
	}
	p := pageOf(g)
	p.Style, p.Script = template.CSS(style), template.JS(script)
	p.Markers = template.HTML(markers())
	p.Policy = fmt.Sprintf("default-src 'none'; style-src '%s'; script-src '%s'; base-uri 'none'; form-action 'none'", hash(style), hash(script))
	return t.Execute(w, p)
}

func embeddedText(files ...string) (string, error) {
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
	Policy      string
	Title       string
	Origin      string
	Style       template.CSS
	Script      template.JS
	Markers     template.HTML
	Caption     string
	Notes       []string
	Filters     []pageFilter
	Kinds       []pageKind // of lines that are no state
	Matrix      *pageTable
	List        []pageConnection
	Left        string
	News        bool // some of the list changed, or violates
	PrintedLess string
	Findings    []pageFinding
	Data        pageData
}

type pageFilter struct {
	Name, Class, Text string
	On, Line          bool
}

type pageKind struct{ Class, Text string }

type pageConnection struct {
	Plain                                       bool // neither changed nor a violation
	Number                                      int
	ID, From, To, Ports, Class, State, Violates string
	Because                                     []pageReasons
}

type pageReasons struct {
	Side    string
	Reasons []string
}

type pageFinding struct {
	Action, Guardrail, Severity, Object, Place, Message string
	Edges                                               string // that it is about
}

func pageOf(g *Graph) *page {
	p := &page{Title: g.title(), Origin: g.origin(), Caption: g.caption(), Notes: g.Notes, Data: dataOf(g)}
	seen := map[State]bool{}
	var means [len(meaningClasses)]bool
	for i := range g.Edges {
		seen[g.Edges[i].State] = true
		means[meaningOf(&g.Edges[i])] = true
	}
	for m, text := range map[meaning]string{forbidden: "! violates a guardrail", opened: "+ added", closed: "− removed"} {
		if means[m] {
			p.Kinds = append(p.Kinds, pageKind{meaningClasses[m], text})
		}
	}
	slices.SortFunc(p.Kinds, func(a, b pageKind) int { return cmp.Compare(a.Text, b.Text) })
	for state := ByDefault; state <= Blocked; state++ {
		if seen[state] {
			p.Filters = append(p.Filters, pageFilter{stateClasses[state], stateClasses[state], state.String(), true, true})
		}
	}
	if g.Compared {
		p.Filters = append(p.Filters, pageFilter{Name: "changed", Text: "only what changed"})
	}
	if means[forbidden] {
		p.Filters = append(p.Filters, pageFilter{Name: "violations", Text: "only violations (!)"})
	}
	list := make([]int, len(g.Edges))
	for i := range list {
		list[i] = i
	}
	slices.SortFunc(list, func(a, b int) int { return g.compareWeight(&g.Edges[a], &g.Edges[b]) })
	if len(list) > pageList {
		p.Left = fmt.Sprintf("The first %d of %d by what matters; the command podcullis connections lists all.", pageList, len(list))
		list = list[:pageList]
	}
	for _, i := range list {
		p.List = append(p.List, connectionOf(g, i))
	}
	news := slices.IndexFunc(p.List, func(c pageConnection) bool { return c.Plain })
	switch {
	case news > 0:
		p.News = true
		p.PrintedLess = fmt.Sprintf("Printed are %d that changed or violate a guardrail, of %d.", min(news, printedList), len(g.Edges))
	case len(list) > printedList:
		p.PrintedLess = fmt.Sprintf("Printed are the %d that matter most, of %d.", printedList, len(g.Edges))
	}
	p.Matrix = tableOf(g, list)
	p.Findings = findingsOf(g)
	return p
}

func connectionOf(g *Graph, i int) pageConnection {
	e := &g.Edges[i]
	ports := e.Ports.String()
	if e.Count > 1 {
		ports = number(e.Count, "connection") + ": " + ports
	}
	return pageConnection{
		Plain: e.Change == Same && len(e.Violates) == 0, Number: i + 1, ID: fmt.Sprintf("c%d", i+1), From: g.Nodes[e.From].Name(), To: g.Nodes[e.To].Name(), Ports: ports,
		Class: edgeClass(e), State: stateText(e), Violates: strings.Join(e.Violates, ", "), Because: e.reasons(),
	}
}

// stateText names what the edge violates, and says what it is.
func stateText(e *Edge) string {
	plain := *e
	plain.Violates = nil
	if len(e.Violates) == 0 {
		return legendText(&plain)
	}
	return "! " + strings.Join(e.Violates, ", ") + ": " + legendText(&plain)
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
