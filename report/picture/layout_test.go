package picture

import (
	"encoding/json"
	"flag"
	"fmt"
	"math"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/connectivity"
)

// layoutCase is a graph and where things of it are drawn. The layout of SVG leads; the
// page has to place the same boxes alike, and test/browser holds it to this.
type layoutCase struct {
	Name  string       `json:"name"`
	Nodes []layoutNode `json:"nodes"`
	Edges []layoutEdge `json:"edges"`
	Want  layoutWant   `json:"want"`
}

type layoutNode struct {
	Group      string  `json:"group"`
	W          float64 `json:"w"`
	TitleWidth float64 `json:"titleWidth"`
}

type layoutEdge struct {
	From       int     `json:"from"`
	To         int     `json:"to"`
	LabelWidth float64 `json:"labelWidth"`
	Shift      float64 `json:"shift"`
}

type layoutWant struct {
	Size  [2]float64     `json:"size"`
	Nodes [][2]float64   `json:"nodes"` // upper left corners
	Paths [][][2]float64 `json:"paths"`
}

func rounded(x float64) float64 { return math.Round(x*100) / 100 }

func at(p point) [2]float64 { return [2]float64{rounded(p.x), rounded(p.y)} }

func layoutOf(name string, g *Graph) layoutCase {
	c := layoutCase{Name: name, Edges: []layoutEdge{}, Want: layoutWant{Paths: [][][2]float64{}}}
	s := arrange(g)
	for i := range g.Nodes {
		n := &g.Nodes[i]
		c.Nodes = append(c.Nodes, layoutNode{n.Ref.Namespace, nodeSize(n).w, textWidth(n.Ref.Namespace, 14)})
		c.Want.Nodes = append(c.Want.Nodes, at(s.nodes[i].point))
	}
	for i := range g.Edges {
		e := &g.Edges[i]
		c.Edges = append(c.Edges, layoutEdge{e.From, e.To, textWidth(shorten(e.Label(), maxLabel), 11), shiftOf(e)})
		var path [][2]float64
		for _, p := range s.paths[i] {
			path = append(path, at(p))
		}
		c.Want.Paths = append(c.Want.Paths, path)
	}
	c.Want.Size = [2]float64{rounded(s.w), rounded(s.h)}
	return c
}

// drawnFrom makes a graph of workloads, so many a namespace and some that are outside, with
// the edges that are given.
func drawnFrom(namespaces, workloads, outside int, edges ...[2]int) *Graph {
	g := &Graph{}
	for n := range namespaces {
		for w := range workloads {
			g.Nodes = append(g.Nodes, Node{Ref: cluster.Ref{Namespace: fmt.Sprintf("team-%d", n), Kind: "Deployment", Name: fmt.Sprintf("app-%d", w)}, Workloads: 1})
		}
	}
	all := connectivity.Anywhere()
	for o := range outside {
		g.Nodes = append(g.Nodes, Node{Blocks: all[o : o+1]})
	}
	for i, e := range edges {
		g.Edges = append(g.Edges, Edge{From: e[0], To: e[1], State: State(i % 4), Ports: connectivity.Ports(connectivity.PortRange{Protocol: cluster.TCP, First: 80, Last: 80}), Count: 1})
	}
	return g
}

func TestLayout(t *testing.T) {
	var crowded [][2]int
	for i := range 12 {
		for j := range 12 {
			if i != j {
				crowded = append(crowded, [2]int{i, j})
			}
		}
	}
	got := []layoutCase{
		layoutOf("one namespace", drawnFrom(1, 4, 0, [2]int{0, 1}, [2]int{1, 2}, [2]int{0, 2})),
		layoutOf("a cycle and two ways", drawnFrom(1, 3, 0, [2]int{0, 1}, [2]int{1, 2}, [2]int{2, 0}, [2]int{1, 0})),
		layoutOf("across namespaces, and from outside", drawnFrom(3, 3, 2, [2]int{0, 3}, [2]int{1, 3}, [2]int{3, 7}, [2]int{8, 0}, [2]int{9, 4}, [2]int{4, 10}, [2]int{2, 1})),
		layoutOf("nobody talks", drawnFrom(2, 3, 1)),
		layoutOf("a crowd", drawnFrom(3, 4, 0, crowded...)),
	}
	const file = "testdata/layout.json"
	if flag.Lookup("update").Value.String() == "true" {
		text, err := json.Marshal(got)
		if err == nil {
			err = os.WriteFile(file, append(text, '\n'), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var want []layoutCase
	if err := json.Unmarshal(text, &want); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", file, diff)
	}
}
