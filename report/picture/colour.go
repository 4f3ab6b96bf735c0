package picture

import (
	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/cluster/selector"
)

// The colours of edges, of Okabe and Ito's palette for all kinds of colour
// vision (2008). None stands alone: each state has a line and an end of its own.
const (
	colourNetpol  = "#0072B2" // blue
	colourDefault = "#D55E00" // vermillion
	colourUnknown = "#CC79A7" // reddish purple
	colourBlocked = "#767676" // grey, dark enough on white and light enough on black
	colourAdded   = "#009E73" // bluish green
	colourRemoved = "#E69F00" // orange
)

func edgeColour(e *Edge) string {
	switch e.Change {
	case Added:
		return colourAdded
	case Removed:
		return colourRemoved
	}
	return [...]string{ByDefault: colourDefault, ByNetpol: colourNetpol, Unknown: colourUnknown, Blocked: colourBlocked}[e.State]
}

// group are the nodes of a namespace, or with an empty name those of none.
type group struct {
	namespace string
	nodes     []int
}

// groups are the namespaces of a graph of workloads, in order, then a group for
// every node that is in none.
func (g *Graph) groups() []group {
	var out []group
	for i, n := range g.Nodes {
		last := len(out) - 1
		if n.Ref.Namespace != "" && last >= 0 && out[last].namespace == n.Ref.Namespace {
			out[last].nodes = append(out[last].nodes, i)
			continue
		}
		out = append(out, group{n.Ref.Namespace, []int{i}})
	}
	return out
}

// gateSides are the directions whose isolation is drawn on the left and on the
// right of a workload.
var gateSides = [2]cluster.Direction{cluster.Ingress, cluster.Egress}

func gateClass(m selector.Match) string {
	return map[selector.Match]string{selector.Yes: "closed", selector.Maybe: "perhaps"}[m]
}

var stateClasses = [...]string{ByDefault: "default", ByNetpol: "netpol", Unknown: "unknown", Blocked: "blocked"}

// edgeClass are the classes of the style sheet that an edge has.
func edgeClass(e *Edge) string {
	class := stateClasses[e.State]
	if e.Change != Same {
		class += " " + e.Change.String()
	}
	if len(e.Violates) > 0 {
		class += " violation"
	}
	return class
}

func marker(e *Edge) string {
	switch {
	case e.State == Blocked:
		return "to-blocked"
	case e.Change != Same:
		return "to-" + e.Change.String()
	}
	return "to-" + stateClasses[e.State]
}
