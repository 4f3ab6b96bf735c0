package picture_test

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/cluster/clustertest"
	"github.com/podcullis/podcullis/connectivity"
	"github.com/podcullis/podcullis/guardrail"
	"github.com/podcullis/podcullis/report"
	"github.com/podcullis/podcullis/report/picture"
)

// embedded is what a page has from files of its own, and their hashes.
var embedded = regexp.MustCompile(`(?s)(<style>).*?(</style>)|(<script>).*?(</script>)|(sha256-).*?=`)

// The shop as everybody sees it first: solid what is open, dotted what was asked
// about and is blocked, with the netpol that protects the database.
func TestShop(t *testing.T) {
	g := picture.New(shop(t))
	for format, draw := range formats {
		t.Run(format, func(t *testing.T) {
			golden(t, "shop."+format, embedded.ReplaceAllString(drawn(t, draw, g), "$1$3$5...$2$4"))
		})
	}
}

func TestStates(t *testing.T) {
	s := clustertest.Snapshot(t,
		clustertest.Namespace("a"),
		clustertest.Deployment("a/free", clustertest.Labels("app=free")),
		clustertest.Deployment("a/bare", clustertest.Labels("app=bare")),
		clustertest.Deployment("a/shut", clustertest.Labels("app=shut")),
		clustertest.Deployment("a/node", clustertest.Labels("app=node"), clustertest.HostNetwork()),
		clustertest.Netpol("a/shut", `{podSelector: {matchLabels: {app: shut}}, policyTypes: [Ingress, Egress], ingress: [{from: [{podSelector: {matchLabels: {app: free}}}], ports: [{port: 80}]}]}`),
	)
	source := of(s)
	source.Asked = []connectivity.Explanation{connectivity.Explain(s, workload(t, s, "a", "bare"), workload(t, s, "a", "shut"), connectivity.AllPorts(), connectivity.Options{})}
	g := picture.New(source)
	want := map[[2]string]picture.State{
		{"bare", "free"}: picture.ByDefault, // no netpol has a say
		{"free", "shut"}: picture.ByNetpol,
		{"node", "shut"}: picture.Unknown, // from its own node it is open
		{"bare", "shut"}: picture.Blocked, // asked about
	}
	got := map[[2]string]picture.State{}
	for _, e := range g.Edges {
		got[[2]string{g.Nodes[e.From].Ref.Name, g.Nodes[e.To].Ref.Name}] = e.State
	}
	for path, state := range want {
		if s, ok := got[path]; !ok || s != state {
			t.Errorf("%v: got %v (there: %v), want %v", path, s, ok, state)
		}
	}
	if _, there := got[[2]string{"shut", "free"}]; there {
		t.Error("shut to free is drawn, though it is blocked and nobody asked")
	}
}

func TestComparison(t *testing.T) {
	with := func(ports string) []connectivity.Connection {
		s := clustertest.Snapshot(t, clustertest.Namespace("a"),
			clustertest.Deployment("a/web", clustertest.Labels("app=web")), clustertest.Deployment("a/db", clustertest.Labels("app=db")),
			clustertest.Netpol("a/db", `{podSelector: {}, policyTypes: [Ingress], ingress: [{from: [{podSelector: {matchLabels: {app: web}}}], ports: [`+ports+`]}]}`))
		return connectivity.Connections(s, connectivity.Options{})
	}
	s := clustertest.Snapshot(t, clustertest.Namespace("a"), clustertest.Deployment("a/web"), clustertest.Deployment("a/db"))
	g := picture.New(picture.Source{Snapshot: s, Before: with("{port: 80}, {port: 81}"), Connections: with("{port: 81}, {port: 82}"), Compared: true})
	want := map[string]string{"": "TCP 81", "added": "TCP 82", "removed": "TCP 80"}
	for _, e := range g.Edges {
		if g.Nodes[e.From].Ref.Name != "web" || g.Nodes[e.To].Ref.Name != "db" {
			continue
		}
		if want[e.Change.String()] != e.Ports.String() {
			t.Errorf("%q: got %s, want %s", e.Change, e.Ports, want[e.Change.String()])
		}
		delete(want, e.Change.String())
	}
	if len(want) > 0 {
		t.Errorf("not drawn: %v", want)
	}
}

// A finding marks the connection that its details name.
func TestFindingMarksItsConnection(t *testing.T) {
	source := shop(t)
	peer := func(name string) map[string]any {
		return map[string]any{"namespace": "shop", "kind": "Deployment", "name": name}
	}
	source.Findings = []report.Finding{
		{Violation: guardrail.Violation{Guardrail: "no-backend", Details: map[string]any{"from": peer("frontend"), "to": peer("backend")}}, Object: cluster.Ref{Kind: "Namespace", Name: "shop"}},
		{Violation: guardrail.Violation{Guardrail: "about-something-else", Details: "text"}},
	}
	marked := 0
	g := picture.New(source)
	for _, e := range g.Edges {
		if len(e.Violates) > 0 {
			marked++
			if got := e.Sentence(g.Nodes); !strings.HasSuffix(got, "violates no-backend") || !strings.HasPrefix(got, "shop/Deployment/frontend to shop/Deployment/backend") {
				t.Error(got)
			}
		}
	}
	if marked != 1 {
		t.Errorf("%d edges are marked, want 1", marked)
	}
}

// What is open or unknown, and what a change made of it: the signs of the label, and the
// colour by what the line means. Nothing that violates a guardrail looks harmless.
func TestMeaning(t *testing.T) {
	for name, c := range map[string]struct {
		edge         picture.Edge
		class, label string
	}{
		"AViolationThatWasAdded":       {picture.Edge{Change: picture.Added, Violates: []string{"g"}}, "m-forbidden default added", "! + all ports"},
		"AViolationThatIsUnknown":      {picture.Edge{State: picture.Unknown, Violates: []string{"g"}}, "m-forbidden unknown", "! unknown: all ports"},
		"ARequiredPathThatWasRemoved":  {picture.Edge{State: picture.ByNetpol, Change: picture.Removed, Violates: []string{"g"}}, "m-forbidden netpol removed", "! − all ports"},
		"Opened":                       {picture.Edge{State: picture.ByNetpol, Change: picture.Added}, "m-opened netpol added", "+ all ports"},
		"Closed":                       {picture.Edge{State: picture.ByNetpol, Change: picture.Removed}, "m-closed netpol removed", "− all ports"},
		"BlockedBeforeAndUnknown":      {picture.Edge{State: picture.Unknown, Change: picture.Added}, "m-unknown unknown added", "+ unknown: all ports"},
		"OpenBeforeAndUnknown":         {picture.Edge{State: picture.Unknown, Change: picture.Turned}, "m-unknown unknown turned", "~ unknown: all ports"},
		"UnknownBeforeAndOpenByNetpol": {picture.Edge{State: picture.ByNetpol, Change: picture.Turned}, "m-netpol netpol turned", "~ all ports"},
	} {
		t.Run(name, func(t *testing.T) {
			c.edge.To, c.edge.Ports, c.edge.Count = 1, connectivity.AllPorts(), 1
			g := &picture.Graph{Compared: true, Edges: []picture.Edge{c.edge}, Nodes: []picture.Node{
				{Ref: cluster.Ref{Namespace: "a", Kind: "Pod", Name: "x"}, Workloads: 1}, {Ref: cluster.Ref{Namespace: "a", Kind: "Pod", Name: "y"}, Workloads: 1},
			}}
			text := drawn(t, picture.SVG, g)
			for _, want := range []string{`<g class="edge ` + c.class + `">`, ">" + c.label + "<"} {
				if !strings.Contains(text, want) {
					t.Errorf("no %q in\n%s", want, text)
				}
			}
			bad := len(c.edge.Violates) > 0
			if bad != strings.Contains(text, "! violates a guardrail") {
				t.Error("the legend is wrong about violations")
			}
			if mermaid := drawn(t, picture.Mermaid, g); bad != strings.Contains(mermaid, "class n1,n2 violation") || bad && strings.Contains(mermaid, "009E73") {
				t.Error(mermaid)
			}
		})
	}
}

// Addresses that one version tells apart and the other does not have not changed.
func TestAddressesThatAreToldApart(t *testing.T) {
	web := clustertest.Deployment("a/web", clustertest.Labels("app=web"))
	before := clustertest.Snapshot(t, clustertest.Namespace("a"), web)
	after := clustertest.Snapshot(t, clustertest.Namespace("a"), web,
		clustertest.Netpol("a/web", `{podSelector: {}, policyTypes: [Ingress], ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/8}}]}]}`))
	source := of(after)
	source.Before, source.Compared = of(before).Connections, true
	got := map[string]string{}
	g := picture.New(source)
	for _, e := range g.Edges {
		if g.Nodes[e.From].Outside() {
			got[g.Nodes[e.From].Name()] = e.Change.String()
		}
	}
	if len(got) != 2 || got["10.0.0.0/8"] != "" {
		t.Errorf("got %v, want 10.0.0.0/8 as it was, and the rest removed", got)
	}
	for name, change := range got {
		if name != "10.0.0.0/8" && change != "removed" {
			t.Errorf("%s: %q", name, change)
		}
	}
}

// Where there is too much to draw, what changed is drawn, or what violates.
func TestWhatMattersIsDrawnFirst(t *testing.T) {
	for name, c := range map[string]struct {
		edit func(*picture.Edge)
		want string
	}{
		"TheChange":     {func(e *picture.Edge) { e.Change = picture.Added }, "only what changed"},
		"TheViolations": {func(e *picture.Edge) { e.Violates = []string{"g"} }, "only what violates a guardrail"},
	} {
		t.Run(name, func(t *testing.T) {
			g := picture.New(of(crowd(t, 8, 16)))
			c.edit(&g.Edges[5])
			for _, format := range []string{"svg", "mmd"} {
				text := drawn(t, formats[format], g)
				if !strings.Contains(text, c.want) || strings.Contains(text, "namespaces, not workloads") || strings.Count(text, "app-") > 8 {
					t.Errorf("%s: %.1500s", format, text)
				}
			}
		})
	}
}

func TestMermaidStaysWithinItsLimits(t *testing.T) {
	for name, c := range map[string]struct {
		namespaces, workloads int
		want                  string
	}{
		"ManyWorkloadsBecomeNamespaces":    {6, 10, "%% namespaces, not workloads"},
		"ManyNamespacesKeepTheirStrongest": {40, 2, "%% only the 500 edges"},
	} {
		t.Run(name, func(t *testing.T) {
			text := drawn(t, picture.Mermaid, picture.New(of(crowd(t, c.namespaces, c.workloads))))
			if !strings.Contains(text, c.want) {
				t.Errorf("does not say %q:\n%.300s", c.want, text)
			}
			edges := 0
			for line := range strings.Lines(text) {
				if strings.Contains(line, "|\"") {
					edges++
				}
			}
			if len(text) >= 50_000 || edges > 500 || edges == 0 {
				t.Errorf("%d characters, %d edges", len(text), edges)
			}
		})
	}
}

func TestSVGFallsBack(t *testing.T) {
	for name, c := range map[string]struct {
		namespaces, workloads int
		want, not             string
	}{
		"FewAreWorkloads":       {2, 3, ">app-1<", "namespaces, not workloads"},
		"ManyAreNamespaces":     {8, 16, "namespaces, not workloads", ">app-1<"},
		"VeryManyBecomeAMatrix": {45, 3, "from the row, to the column", ">app-1<"},
		"MoreAreTheBusiestRows": {190, 1, "the 120 busiest of", ">app-1<"},
	} {
		t.Run(name, func(t *testing.T) {
			text := drawn(t, picture.SVG, picture.New(of(crowd(t, c.namespaces, c.workloads))))
			if !strings.Contains(text, c.want) || strings.Contains(text, c.not) {
				t.Errorf("want %q and not %q in\n%.2000s", c.want, c.not, text)
			}
			wellFormed(t, text)
		})
	}
}

func wellFormed(t *testing.T, text string) {
	t.Helper()
	d := xml.NewDecoder(strings.NewReader(text))
	for {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			t.Fatalf("%v\n%.2000s", err, text)
		}
	}
}

// Graphviz itself reads what DOT writes, hostile names and all.
func TestGraphvizReadsDOT(t *testing.T) {
	program, err := exec.LookPath("dot")
	if err != nil {
		t.Skip("Graphviz is not installed")
	}
	for name, g := range map[string]*picture.Graph{"shop": picture.New(shop(t)), "hostile": hostile(t)} {
		t.Run(name, func(t *testing.T) {
			c := exec.CommandContext(t.Context(), program, "-Tsvg")
			c.Stdin = strings.NewReader(drawn(t, picture.DOT, g))
			var stderr bytes.Buffer
			c.Stderr = &stderr
			out, err := c.Output()
			if err != nil || strings.Contains(stderr.String(), "rror") {
				t.Fatalf("%v\n%s", err, &stderr)
			}
			if !strings.Contains(string(out), "</svg>") {
				t.Error("drew nothing")
			}
		})
	}
}
