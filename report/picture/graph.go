package picture

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/cluster/selector"
	"github.com/podcullis/podcullis/connectivity"
	"github.com/podcullis/podcullis/report"
)

// Heading says what a picture is of. All of it may be empty.
type Heading struct {
	Title string
	// Origin is where the objects come from, Stamp the date or whatever else tells this
	// picture from another, and Version that of the program.
	Origin, Stamp, Version string
}

// Source is what a picture is made of.
type Source struct {
	Heading
	Snapshot    *cluster.Snapshot
	Connections []connectivity.Connection
	// Before are the connections to compare with, when Compared is set.
	Before   []connectivity.Connection
	Compared bool
	// Asked are paths of which somebody wants to know: those that are blocked
	// are drawn too.
	Asked []connectivity.Explanation
	// Findings are listed, and the connections that their details name are marked.
	Findings []report.Finding
	// Notes say what is not among all this.
	Notes []string
	// Lonely tells whether a workload at which no line is drawn is in the picture all the
	// same; nil says yes of each.
	Lonely func(cluster.Ref) bool
}

// Graph is a picture before it is drawn. It is not changed once it is made.
type Graph struct {
	Heading
	// Nodes are the workloads, or namespaces, by name; then what is outside.
	Nodes []Node
	// Edges are sorted by From and To.
	Edges    []Edge
	Findings []report.Finding
	// Compared is set when edges say what changed.
	Compared bool
	// Folded is set when nodes are namespaces, because somebody asked for it or
	// because there was too much to draw.
	Folded bool
	// Notes say what the picture leaves out.
	Notes []string

	// about are for each finding the ends of the edges that it is about.
	about [][][2]int
}

// Node is a workload, a namespace, or addresses outside the cluster.
type Node struct {
	// Ref names a workload; Kind is Namespace for a namespace, and empty for
	// what is outside.
	Ref cluster.Ref
	// Blocks are the addresses of what is outside, sorted.
	Blocks []netip.Prefix
	// Pods is how many there are; 0 when only a template is known.
	Pods int
	// Isolation is that of a workload, by direction; By are the netpols that isolate it.
	Isolated [2]selector.Match
	By       [2][]cluster.Ref
	// Workloads is how many workloads a namespace stands for, and Inside how many
	// connections there are among them.
	Workloads, Inside int
}

// Outside reports whether the node is addresses outside the cluster.
func (n *Node) Outside() bool { return n.Ref.Kind == "" }

// State is what an edge says about a path.
type State uint8

// The states, from what deserves a look first.
const (
	// ByDefault: open, and no rule of any netpol has a say.
	ByDefault State = iota
	// ByNetpol: open, and a rule lets it through.
	ByNetpol
	// Unknown: neither proved open nor proved blocked.
	Unknown
	// Blocked: asked about, and blocked.
	Blocked
)

func (s State) String() string {
	return [...]string{ByDefault: "open by default", ByNetpol: "open by netpol", Unknown: "unknown", Blocked: "blocked"}[s]
}

// Change is what became of an edge, in a picture that compares.
type Change uint8

// The changes.
const (
	Same Change = iota
	Added
	Removed
	// Turned: it was there before, and only its certainty has changed.
	Turned
)

func (c Change) String() string {
	return [...]string{Same: "", Added: "added", Removed: "removed", Turned: "turned"}[c]
}

// Edge is a connection from one node to another, or several of one state.
type Edge struct {
	From, To int // of Graph.Nodes
	State    State
	Change   Change
	// Ports are those that are open, unknown, or asked about and blocked.
	Ports connectivity.PortSet
	// Because is what opens it; nothing when it is blocked or stands for several.
	Because []connectivity.Because
	// Shields are what blocks it, the most telling one first.
	Shields []Shield
	// Violates are the guardrails that object to it, sorted.
	Violates []string
	// Count is how many connections the edge stands for.
	Count int

	severity int // of the worst of what it violates
}

// Shield is a netpol that isolates one side of a blocked path and has no rule for it.
type Shield struct {
	Direction cluster.Direction
	Netpol    cluster.Ref
}

// New makes the graph of workloads.
func New(s Source) *Graph {
	b := &builder{Graph: &Graph{Heading: s.Heading, Findings: s.Findings, Compared: s.Compared, Notes: slices.Clone(s.Notes)}, index: map[string]int{}, selects: map[Shield]int{}}
	for w := range s.Snapshot.AllWorkloads() {
		b.addWorkload(w, connectivity.IsolationOf(s.Snapshot, w))
	}
	now := b.fold(s.Connections)
	if s.Compared {
		b.compare(b.fold(s.Before), now)
	} else {
		for _, c := range now {
			b.addConnection(c, Same)
		}
	}
	for _, x := range s.Asked {
		b.addBlocked(x)
	}
	b.sort()
	b.mark(s.Findings)
	if s.Lonely != nil {
		return b.without(func(n *Node) bool { return n.Ref.Kind == "" || !s.Lonely(n.Ref) })
	}
	return b.Graph
}

type builder struct {
	*Graph
	index map[string]int
	// selects counts the workloads that a netpol isolates.
	selects map[Shield]int
}

func (b *builder) addWorkload(w *cluster.Workload, i connectivity.Isolation) {
	n := Node{Ref: w.Ref, Isolated: i.Isolated, By: i.By, Workloads: 1}
	for _, v := range w.Variants {
		n.Pods += len(v.Pods)
	}
	for d := range n.By {
		for _, netpol := range n.By[d] {
			b.selects[Shield{cluster.Direction(d), netpol}]++
		}
	}
	b.index[w.Ref.String()] = len(b.Nodes)
	b.Nodes = append(b.Nodes, n)
}

// end is one end of a connection: a workload, or blocks that behave alike.
type end struct {
	workload *cluster.Workload
	blocks   []netip.Prefix
}

func endOf(p connectivity.Peer) end {
	if p.Workload != nil {
		return end{workload: p.Workload}
	}
	return end{blocks: []netip.Prefix{p.CIDR}}
}

func (e end) key() string {
	if e.workload != nil {
		return e.workload.Ref.String()
	}
	return strings.Join(cidrs(e.blocks), " ")
}

func cidrs(blocks []netip.Prefix) []string {
	var out []string
	for _, b := range blocks {
		out = append(out, b.String())
	}
	return out
}

// node finds the node of an end, and makes it where it is new: what is outside,
// or a workload that was there before only.
func (b *builder) node(e end) int {
	i, ok := b.index[e.key()]
	if !ok {
		i = len(b.Nodes)
		n := Node{Blocks: e.blocks}
		if e.workload != nil {
			n = Node{Ref: e.workload.Ref, Workloads: 1}
		}
		b.index[e.key()] = i
		b.Nodes = append(b.Nodes, n)
	}
	return i
}

// connection is a connectivity.Connection whose blocks are folded.
type connection struct {
	connectivity.Connection
	from, to end
}

func (c *connection) key() string { return c.from.key() + " > " + c.to.key() }

// fold brings the blocks together that one workload treats alike, so that "all
// but 10.0.0.0/8" is one node and not a dozen.
func (b *builder) fold(list []connectivity.Connection) []*connection {
	var out []*connection
	alike := map[string]*connection{}
	for _, c := range list {
		f := &connection{c, endOf(c.From), endOf(c.To)}
		if c.From.Workload != nil && c.To.Workload != nil {
			out = append(out, f)
			continue
		}
		inside, blocks := &f.from, &f.to
		if c.From.Workload == nil {
			inside, blocks = blocks, inside
		}
		key := fmt.Sprint(c.From.Workload == nil, inside.key(), c.Ports, c.Unknown, report.BecauseText(c.Because))
		if first, ok := alike[key]; ok {
			if c.From.Workload == nil {
				first.from.blocks = append(first.from.blocks, blocks.blocks...)
			} else {
				first.to.blocks = append(first.to.blocks, blocks.blocks...)
			}
			continue
		}
		alike[key] = f
		out = append(out, f)
	}
	return out
}

func (b *builder) addConnection(c *connection, change Change) {
	b.Edges = append(b.Edges, Edge{
		From: b.node(c.from), To: b.node(c.to), State: stateOf(&c.Connection), Change: change,
		Ports: c.Ports, Because: c.Because, Count: 1,
	})
}

func stateOf(c *connectivity.Connection) State {
	switch {
	case c.Unknown != "":
		return Unknown
	case slices.ContainsFunc(c.Because, func(b connectivity.Because) bool { return !b.NotIsolated }):
		return ByNetpol
	}
	return ByDefault
}

// addBlocked adds a path that was asked about, if it is blocked.
func (b *builder) addBlocked(x connectivity.Explanation) {
	if x.Verdict != connectivity.VerdictBlocked {
		return
	}
	e := Edge{From: b.asked(endOf(x.From)), To: b.asked(endOf(x.To)), State: Blocked, Ports: x.Asked, Count: 1}
	if slices.ContainsFunc(b.Edges, func(o Edge) bool { return o.From == e.From && o.To == e.To && o.State == Blocked }) {
		return // two guardrails ask about it
	}
	for _, side := range x.Sides {
		if side.Outside || !side.Blocks() {
			continue
		}
		for _, n := range side.Netpols {
			e.Shields = append(e.Shields, Shield{side.Direction, n.Netpol.Ref()})
		}
	}
	// Ingress says what protects the destination, and the netpol that is about
	// the fewest workloads was written for it.
	slices.SortStableFunc(e.Shields, func(x, y Shield) int {
		return cmp.Or(-cmp.Compare(side(x), side(y)), cmp.Compare(b.selects[x], b.selects[y]), x.Netpol.Compare(y.Netpol))
	})
	b.Edges = append(b.Edges, e)
}

// asked is the node of an end that somebody asks about: of a block the one that is there
// and has it, so that 0.0.0.0/0 is not drawn beside anywhere.
func (b *builder) asked(e end) int {
	for i := range b.Nodes {
		if e.workload == nil && !slices.ContainsFunc(e.blocks, func(p netip.Prefix) bool { return !slices.Contains(b.Nodes[i].Blocks, p) }) {
			return i
		}
	}
	return b.node(e)
}

func side(s Shield) int {
	if s.Direction == cluster.Ingress {
		return 1
	}
	return 0
}

// sort orders nodes and edges: those of the cluster by name, then what is outside.
func (b *builder) sort() {
	order := make([]int, len(b.Nodes))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(x, y int) int { return compareNodes(&b.Nodes[x], &b.Nodes[y]) })
	place := make([]int, len(order))
	nodes := make([]Node, len(order))
	for i, old := range order {
		place[old], nodes[i] = i, b.Nodes[old]
	}
	b.Nodes = nodes
	for i := range b.Edges {
		b.Edges[i].From, b.Edges[i].To = place[b.Edges[i].From], place[b.Edges[i].To]
	}
	for key, i := range b.index {
		b.index[key] = place[i]
	}
	slices.SortStableFunc(b.Edges, compareEdges)
}

func compareNodes(a, b *Node) int {
	if a.Outside() != b.Outside() {
		if b.Outside() {
			return -1
		}
		return 1
	}
	return cmp.Or(a.Ref.Compare(b.Ref), slices.CompareFunc(a.Blocks, b.Blocks, comparePrefixes))
}

func comparePrefixes(a, b netip.Prefix) int {
	return cmp.Or(a.Addr().Compare(b.Addr()), cmp.Compare(a.Bits(), b.Bits()))
}

func compareEdges(a, b Edge) int {
	return cmp.Or(cmp.Compare(a.From, b.From), cmp.Compare(a.To, b.To), cmp.Compare(a.State, b.State), cmp.Compare(a.Change, b.Change))
}
