package picture

import (
	"fmt"
	"strings"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/cluster/selector"
	"github.com/podcullis/podcullis/connectivity"
	"github.com/podcullis/podcullis/report"
)

// Name is the node's in full: "shop/Deployment/web", "Namespace/shop", or its blocks.
func (n *Node) Name() string {
	switch {
	case n.anywhere():
		return "anywhere outside (0.0.0.0/0, ::/0)"
	case n.Outside():
		return connectivity.AddressesText(n.Blocks)
	}
	return n.Ref.String()
}

// Title is what is written on the node, Subtitle what stands below in small print.
func (n *Node) Title() string {
	switch {
	case n.anywhere():
		return "anywhere"
	case !n.Outside():
		return n.Ref.Name
	}
	// On the node there is room for the first of the blocks; the name has more.
	text := connectivity.AddressesText(n.Blocks)
	if first, others, more := strings.Cut(text, ", "); more {
		text = fmt.Sprintf("%s and %d more", first, 1+strings.Count(others, ", "))
	}
	return text
}

// title is the Title, with the namespace of a workload where that is not said elsewhere.
func (n *Node) title(withNamespace bool) string {
	if withNamespace && n.Ref.Namespace != "" {
		return n.Ref.Namespace + "/" + n.Title()
	}
	return n.Title()
}

// Subtitle is the small print of a node.
func (n *Node) Subtitle() string {
	switch {
	case n.Outside():
		return "outside the cluster"
	case n.Ref.Kind == "Namespace":
		return number(n.Workloads, "workload")
	case n.Pods > 0:
		return fmt.Sprintf("%s, %s", n.Ref.Kind, number(n.Pods, "pod"))
	}
	return n.Ref.Kind
}

// anywhere reports whether the node is every address of both families.
func (n *Node) anywhere() bool {
	all := connectivity.Anywhere()
	return len(n.Blocks) == 2 && n.Blocks[0] == all[0] && n.Blocks[1] == all[1]
}

// isolation says for a person by what a workload is isolated in a direction.
func (n *Node) isolation(d cluster.Direction) string {
	switch n.Isolated[d] {
	case selector.Yes:
		return fmt.Sprintf("%s: isolated by %s", d, strings.Join(names(n.By[d]), ", "))
	case selector.Maybe:
		return fmt.Sprintf("%s: perhaps isolated by %s", d, strings.Join(names(n.By[d]), ", "))
	}
	return fmt.Sprintf("%s: not isolated", d)
}

func names(refs []cluster.Ref) []string {
	var out []string
	for _, r := range refs {
		out = append(out, r.Namespace+"/"+r.Name)
	}
	return out
}

// Label is what is written on the edge: its ports, or what blocks it.
func (e *Edge) Label() string {
	text := shortPorts(e.Ports)
	switch {
	case e.Count > 1 && e.State == Blocked:
		text = fmt.Sprintf("%d paths blocked", e.Count)
	case e.Count > 1:
		text = fmt.Sprintf("%d connections", e.Count)
	case e.State == Blocked:
		text = e.blocked()
	}
	if e.State == Unknown {
		text = "unknown: " + text
	}
	switch e.Change {
	case Added:
		text = "+ " + text
	case Removed:
		text = "− " + text
	case Turned:
		text = "~ " + text
	}
	if len(e.Violates) > 0 {
		text = "! " + text
	}
	return text
}

// blocked names the netpol that protects the destination, or else keeps the source in.
func (e *Edge) blocked() string {
	if len(e.Shields) == 0 {
		return "blocked: no port in common"
	}
	return "blocked by " + e.Shields[0].Netpol.Name
}

// Sentence is the edge in words, for whoever does not see it.
func (e *Edge) Sentence(nodes []Node) string {
	text := fmt.Sprintf("%s to %s, %s: %s", nodes[e.From].Name(), nodes[e.To].Name(), e.Ports, e.State)
	if e.Count > 1 {
		text = fmt.Sprintf("%s to %s, %s: %s", nodes[e.From].Name(), nodes[e.To].Name(), number(e.Count, "connection"), e.State)
	}
	if why := e.why(); why != "" {
		text += " (" + why + ")"
	}
	if e.Change != Same {
		text += ", " + e.became()
	}
	if len(e.Violates) > 0 {
		text += ", violates " + strings.Join(e.Violates, ", ")
	}
	return text
}

// became says what a change made of the edge.
func (e *Edge) became() string {
	switch {
	case e.Change == Turned && e.State == Unknown:
		return "was open"
	case e.Change == Turned:
		return "was unknown"
	}
	return e.Change.String()
}

// why is the reasons of the edge in one line.
func (e *Edge) why() string {
	if e.State != Blocked {
		return report.BecauseText(e.Because)
	}
	var sides []string
	for _, d := range []cluster.Direction{cluster.Egress, cluster.Ingress} {
		var list []string
		for _, s := range e.Shields {
			if s.Direction == d {
				list = append(list, s.Netpol.Namespace+"/"+s.Netpol.Name)
			}
		}
		if len(list) > 0 {
			sides = append(sides, d.String()+": isolated by "+strings.Join(list, ", "))
		}
	}
	if len(sides) == 0 && e.Count == 1 {
		return "both sides let something through, but they agree on no port"
	}
	return strings.Join(sides, "; ")
}

// maxPortsShown bounds the ranges on a label; the page and the titles have all.
const maxPortsShown = 3

func shortPorts(s connectivity.PortSet) string {
	ranges := s.Ranges()
	if s.All() || len(ranges) <= maxPortsShown {
		return s.String()
	}
	return fmt.Sprintf("%s and %d more", connectivity.Ports(ranges[:maxPortsShown]...), len(ranges)-maxPortsShown)
}

func number(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// title is the heading.
func (g *Graph) title() string {
	if g.Title != "" {
		return g.Title
	}
	return "Who can talk to whom"
}

// origin says in a line where the picture comes from; empty when nobody has said.
func (g *Graph) origin() string {
	var parts []string
	for _, p := range [][2]string{{"of ", g.Origin}, {"", g.Stamp}, {"by podcullis ", g.Version}} {
		if p[1] != "" {
			parts = append(parts, p[0]+p[1])
		}
	}
	return strings.Join(parts, " · ")
}

// preface is what stands above a picture: what it shows, of what, and what it leaves out.
func (g *Graph) preface() []string {
	lines := []string{g.caption()}
	if text := g.origin(); text != "" {
		lines = append(lines, text)
	}
	return append(lines, g.Notes...)
}

// comments are the preface of a text: where it comes from only when somebody named it.
func (g *Graph) comments() []string {
	if g.Title == "" && g.Stamp == "" {
		return append([]string{g.caption()}, g.Notes...)
	}
	return append([]string{g.title()}, g.preface()...)
}

// caption says what the picture shows.
func (g *Graph) caption() string {
	var nodes, count [4]int
	for i := range g.Nodes {
		switch n := &g.Nodes[i]; {
		case n.Outside():
			nodes[2]++
		case n.Ref.Kind == "Namespace":
			nodes[1]++
			nodes[0] += n.Workloads
			count[ByNetpol] += n.Inside // within a namespace, of whatever state
		default:
			nodes[0]++
		}
	}
	changed := 0
	for _, e := range g.Edges {
		if e.Change != Removed {
			count[e.State] += e.Count
		}
		if e.Change != Same {
			changed += e.Count
		}
	}
	parts := []string{number(nodes[0], "workload")}
	if nodes[1] > 0 {
		parts = append(parts, number(nodes[1], "namespace"))
	}
	parts = append(parts, number(count[ByDefault]+count[ByNetpol]+count[Unknown], "connection"))
	if count[Blocked] > 0 {
		parts = append(parts, fmt.Sprintf("%d asked about and blocked", count[Blocked]))
	}
	if g.Compared {
		parts = append(parts, fmt.Sprintf("%d changed", changed))
	}
	if len(g.Findings) > 0 {
		parts = append(parts, number(len(g.Findings), "finding"))
	}
	return strings.Join(parts, ", ")
}
