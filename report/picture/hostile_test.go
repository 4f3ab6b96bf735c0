package picture_test

import (
	"net/netip"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/cluster/selector"
	"github.com/podcullis/podcullis/connectivity"
	"github.com/podcullis/podcullis/guardrail"
	"github.com/podcullis/podcullis/report"
	"github.com/podcullis/podcullis/report/picture"
)

// attacks are names that no API server takes, and a file may hold.
var attacks = []string{
	`"><script>alert(1)</script>`,
	`</script><script>alert(1)</script>`,
	`"] --> x["`,
	"%%{init: {'securityLevel': 'loose'}}%%",
	`"; evil [label="`, `\`, `\"`, "a\nend\nb", "`**x**`", "#quot;", "&lt;b&gt;", "$$x$$",
	"]]>", "<!--", "\u2028", "javascript:alert(1)", "${alert(1)}", "{{.}}", "\x00\x1b[31m",
}

// hostile is a graph whose every text is an attack.
func hostile(t testing.TB) *picture.Graph {
	t.Helper()
	return named(attacks)
}

func named(names []string) *picture.Graph {
	g := &picture.Graph{Notes: []string{}}
	for i, name := range names {
		g.Nodes = append(g.Nodes, picture.Node{Ref: cluster.Ref{Namespace: names[0], Kind: "K" + name, Name: name}, Workloads: 1})
		g.Nodes[i].By[0] = []cluster.Ref{{Namespace: name, Name: name}}
		g.Nodes[i].Isolated[0] = selector.Yes
		g.Edges = append(g.Edges, picture.Edge{
			From: i, To: (i + 1) % len(names), State: picture.Blocked, Ports: connectivity.AllPorts(), Count: 1,
			Shields: []picture.Shield{{Direction: cluster.Ingress, Netpol: cluster.Ref{Namespace: name, Name: name}}}, Violates: []string{name},
		})
		g.Findings = append(g.Findings, report.Finding{
			Violation: guardrail.Violation{Guardrail: name, Action: "deny", Severity: name, Message: name + "\n  " + name},
			Object:    cluster.Ref{Kind: name, Namespace: name, Name: name}, Location: report.Location{File: name, Line: 1},
		})
	}
	g.Nodes = append(g.Nodes, picture.Node{Blocks: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}})
	return g
}

// Whatever a name is, it stays where it is written.
func TestNamesStayInTheirPlace(t *testing.T) {
	check := func(t testing.TB, g *picture.Graph) {
		for _, format := range []string{"svg", "html"} {
			if strings.Contains(drawn(t, formats[format], g), "<script>alert") {
				t.Errorf("%s: markup of a name", format)
			}
		}
		if n := strings.Count(drawn(t, picture.HTML, g), "</script>"); n != 2 {
			t.Errorf("html: %d scripts end, want 2", n)
		}
		text := drawn(t, picture.Mermaid, g)
		nodes, edges := 0, 0
		for line := range strings.Lines(text) {
			switch {
			case strings.Contains(line, "|\""):
				edges++
			case strings.HasPrefix(line, "    n"):
				nodes++
			}
			if strings.Count(line, `"`)%2 != 0 || strings.ContainsAny(line, "`$\\{") {
				t.Errorf("mermaid: not escaped: %q", line)
			}
		}
		if nodes != len(g.Nodes) || edges != len(g.Edges) {
			t.Errorf("mermaid: %d nodes and %d edges, want %d and %d:\n%s", nodes, edges, len(g.Nodes), len(g.Edges), text)
		}
	}
	t.Run("Attacks", func(t *testing.T) {
		check(t, hostile(t))
	})
	t.Run("AnyText", func(t *testing.T) {
		rapid.Check(t, func(r *rapid.T) {
			g := named(rapid.SliceOfN(rapid.String(), 2, 6).Draw(r, "names"))
			for format, draw := range formats {
				first, again := drawn(t, draw, g), drawn(t, draw, g)
				if first != again {
					r.Fatalf("%s: drawn twice, two pictures", format)
				}
			}
			wellFormed(t, drawn(t, picture.SVG, g))
			text := drawn(t, picture.Mermaid, g)
			if n := strings.Count(text, "\n    n"); n != len(g.Nodes) {
				r.Fatalf("mermaid: %d nodes, want %d:\n%s", n, len(g.Nodes), text)
			}
		})
	})
}
