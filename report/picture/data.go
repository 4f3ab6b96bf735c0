package picture

import "strings"

// pageData is the graph for the script of the page. What many edges have in
// common is there once, in Ports and Whys.
type pageData struct {
	Limit int `json:"limit"` // nodes, beyond which namespaces begin closed
	// Over so many nodes or edges the map opens on what matters.
	ManyNodes int        `json:"manyNodes"`
	ManyEdges int        `json:"manyEdges"`
	Nodes     []dataNode `json:"nodes"`
	Edges     []dataEdge `json:"edges"`
	Ports     []string   `json:"ports"`
	Whys      [][][2]any `json:"whys"` // for each: side, reasons
}

type dataNode struct {
	Namespace string    `json:"ns"`
	Title     string    `json:"title"`
	Sub       string    `json:"sub"`
	Name      string    `json:"name"`
	Outside   bool      `json:"outside,omitempty"`
	Anywhere  bool      `json:"anywhere,omitempty"`
	Closed    bool      `json:"namespace,omitempty"` // a namespace, of which no more is known
	Gates     [2]string `json:"gates"`
	Isolation []string  `json:"isolation,omitempty"`
}

type dataEdge struct {
	From     int      `json:"f"`
	To       int      `json:"t"`
	State    State    `json:"s"`
	Change   string   `json:"c,omitempty"`
	Count    int      `json:"n,omitempty"` // when more than 1
	Ports    int      `json:"p"`
	Why      int      `json:"w"`
	Label    string   `json:"l"`
	Violates []string `json:"v,omitempty"`
}

func dataOf(g *Graph) pageData {
	d := pageData{Limit: pageNodes, ManyNodes: manyNodes, ManyEdges: manyEdges, Nodes: []dataNode{}, Edges: []dataEdge{}, Ports: []string{}, Whys: [][][2]any{}}
	for i := range g.Nodes {
		n := &g.Nodes[i]
		x := dataNode{Namespace: n.Ref.Namespace, Title: n.Title(), Sub: n.Subtitle(), Name: n.Name(), Outside: n.Outside(), Anywhere: n.anywhere(), Closed: n.Ref.Kind == "Namespace"}
		if !x.Outside && !x.Closed {
			for side, direction := range gateSides {
				x.Gates[side] = gateClass(n.Isolated[direction])
				x.Isolation = append(x.Isolation, n.isolation(direction))
			}
		}
		d.Nodes = append(d.Nodes, x)
	}
	ports, whys := map[string]int{}, map[string]int{}
	for i := range g.Edges {
		e := &g.Edges[i]
		x := dataEdge{From: e.From, To: e.To, State: e.State, Change: e.Change.String(), Label: e.Label(), Violates: e.Violates}
		if e.Count > 1 {
			x.Count = e.Count
		}
		text := e.Ports.String()
		var ok bool
		if x.Ports, ok = ports[text]; !ok {
			x.Ports, ports[text] = len(d.Ports), len(d.Ports)
			d.Ports = append(d.Ports, text)
		}
		var why [][2]any
		var key strings.Builder
		for _, r := range e.reasons() {
			why = append(why, [2]any{r.Side, r.Reasons})
			key.WriteString(r.Side + "\x00" + strings.Join(r.Reasons, "\x00") + "\x01")
		}
		if x.Why, ok = whys[key.String()]; !ok {
			x.Why, whys[key.String()] = len(d.Whys), len(d.Whys)
			d.Whys = append(d.Whys, why)
		}
		d.Edges = append(d.Edges, x)
	}
	return d
}
