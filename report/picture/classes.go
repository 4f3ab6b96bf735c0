package picture

import (
	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/cluster/selector"
)

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

// edgeClass are the classes of the style sheet that an edge has: its state and change
// make the line, its meaning the colour.
func edgeClass(e *Edge) string {
	class := "m-" + meaningClasses[meaningOf(e)] + " " + stateClasses[e.State]
	if e.Change != Same {
		class += " " + e.Change.String()
	}
	return class
}

func marker(e *Edge) string {
	switch {
	case e.State == Blocked && len(e.Violates) > 0:
		return "to-blocked-forbidden"
	case e.State == Blocked:
		return "to-blocked"
	}
	return "to-" + meaningClasses[meaningOf(e)]
}
