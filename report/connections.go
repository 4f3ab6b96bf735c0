package report

import (
	"bytes"
	"cmp"
	"encoding/csv"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/podcullis/podcullis/connectivity"
)

// Connections is a list of connections for people.
type Connections struct {
	List []connectivity.Connection
	// Violates names the guardrails that object to a connection; nil where nobody asked.
	Violates func(connectivity.Connection) []string
	// ByNamespace brings together what is between two namespaces, or one and the outside.
	ByNamespace bool
}

// ConnectionsText writes connections as a table that fits 120 columns.
func ConnectionsText(w io.Writer, list []connectivity.Connection) error {
	_, err := Connections{List: list}.Text(w, false)
	return err
}

// tableLine is a row of the table, and what it is sorted by.
type tableLine struct {
	from, to, ports, because string
	violates                 []string
	unknown, outside         bool
}

// lines are sorted by what matters: what a guardrail objects to, what is not proved, what
// is with the outside of the cluster, then the rest; each in the order of its ends.
func (c Connections) lines() []tableLine {
	var out []tableLine
	if c.ByNamespace {
		out = c.namespaces()
	} else {
		for _, f := range foldConnections(c.List) {
			l := tableLine{from: f.from, to: f.to, ports: portsText(f.first), because: becauseText(f.first.Because), unknown: f.first.Unknown != "", outside: len(f.blocks) > 0}
			l.violates = c.violates(f.members)
			out = append(out, l)
		}
	}
	slices.SortStableFunc(out, func(a, b tableLine) int { return cmp.Compare(a.rank(), b.rank()) })
	for i := range out {
		if l := &out[i]; len(l.violates) > 0 {
			l.ports = "! " + l.ports
			l.because = "violates " + strings.Join(l.violates, ", ") + "; " + l.because
		}
	}
	return out
}

func (l tableLine) rank() int {
	switch {
	case len(l.violates) > 0:
		return 0
	case l.unknown:
		return 1
	case l.outside:
		return 2
	}
	return 3
}

func (c Connections) violates(members []int) []string {
	if c.Violates == nil {
		return nil
	}
	var out []string
	for _, i := range members {
		out = append(out, c.Violates(c.List[i])...)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// namespaces are the connections by the namespaces of their ends.
func (c Connections) namespaces() []tableLine {
	type group struct {
		tableLine
		ports connectivity.PortSet
		paths []string
	}
	where := func(p connectivity.Peer) string {
		if p.Workload == nil {
			return "outside"
		}
		return p.Workload.Namespace
	}
	known := map[string]*group{}
	var order []*group
	for i, x := range c.List {
		from, to := where(x.From), where(x.To)
		violates := c.violates([]int{i})
		key := fmt.Sprint(from, " ", to, " ", x.Unknown != "", len(violates) > 0)
		g, ok := known[key]
		if !ok {
			g = &group{tableLine: tableLine{from: from, to: to, unknown: x.Unknown != "", outside: x.From.Workload == nil || x.To.Workload == nil}}
			known[key] = g
			order = append(order, g)
		}
		g.ports = g.ports.Union(x.Ports)
		g.violates = append(g.violates, violates...)
		if path := inside(x.From) + " to " + inside(x.To); !slices.Contains(g.paths, path) {
			g.paths = append(g.paths, path)
		}
	}
	var out []tableLine
	for _, g := range order {
		slices.Sort(g.violates)
		g.violates = slices.Compact(g.violates)
		g.tableLine.ports = g.ports.String()
		if g.unknown {
			g.tableLine.ports = "unknown: " + g.tableLine.ports
		}
		g.because = number(len(g.paths), "path") + ", such as " + g.paths[0]
		if len(g.paths) == 1 {
			g.because = g.paths[0]
		}
		out = append(out, g.tableLine)
	}
	return out
}

// inside is a peer by its name within its namespace; what is outside is one.
func inside(p connectivity.Peer) string {
	if p.Workload == nil {
		return "outside"
	}
	return p.Workload.Name
}

// Text writes a table, nothing when there are no connections. What is not proved is marked
// unknown, and with ! what violates a guardrail. One that is not wide fits 120 columns; it
// tells whether anything was cut for that.
func (c Connections) Text(w io.Writer, wide bool) (cut bool, err error) {
	if len(c.List) == 0 {
		return false, nil
	}
	rows := [][]string{{"FROM", "TO", "PORTS", "BECAUSE"}}
	for _, l := range c.lines() {
		rows = append(rows, []string{l.from, l.to, l.ports, l.because})
	}
	return table(w, rows, wide)
}

// Names writes the two ends of each connection, a line each.
func (c Connections) Names(w io.Writer) error {
	var b strings.Builder
	for _, l := range c.lines() {
		b.WriteString(l.from + " " + l.to + "\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// Markdown writes the table for a comment on a pull request.
func (c Connections) Markdown(w io.Writer) error {
	var b bytes.Buffer
	lines := c.lines()
	fmt.Fprintf(&b, "### %s\n", number(len(lines), "connection"))
	if len(lines) > 0 {
		b.WriteString("\n| from | to | ports | because |\n|---|---|---|---|\n")
	}
	for i, l := range lines {
		if i == maxMarkdownRows {
			fmt.Fprintf(&b, "\nand %d more: `podcullis connections` lists them all.\n", len(lines)-i)
			break
		}
		fmt.Fprintf(&b, "| `%s` | `%s` | %s | %s |\n", inCell(l.from), inCell(l.to), inCell(l.ports), inCell(l.because))
	}
	_, err := w.Write(b.Bytes())
	return err
}

// ExplanationMarkdown writes an explanation for a comment on a pull request: the verdict,
// and below it what decided.
func ExplanationMarkdown(w io.Writer, e connectivity.Explanation) error {
	var b bytes.Buffer
	if err := ExplanationText(&b, e, Style{}); err != nil {
		return err
	}
	first, rest, _ := strings.Cut(b.String(), "\n")
	_, err := fmt.Fprintf(w, "### %s\n\n```text\n%s\n```\n", first, strings.Trim(rest, "\n"))
	return err
}

func number(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// inCell is a text that stays in its cell of a Markdown table, and in its code span: names
// come from files that anybody may have written.
func inCell(text string) string {
	return strings.NewReplacer("|", "¦", "`", "'", "\n", " ", "\r", " ", "<", "‹").Replace(text)
}

// DiffNames writes the two ends of each connection that differs, a line each.
func DiffNames(w io.Writer, all []connectivity.Difference) error {
	var b strings.Builder
	for _, f := range foldDifferences(all) {
		b.WriteString(f.from + " " + f.to + "\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// DiffCSV writes differences as comma-separated values, a row for each line of the table.
func DiffCSV(w io.Writer, all []connectivity.Difference) error {
	out := csv.NewWriter(w)
	if err := out.Write([]string{"change", "from", "to", "ports", "cause", "because"}); err != nil {
		return err
	}
	for _, r := range rows(all) {
		if err := out.Write([]string{r.change, r.from, r.to, r.ports, r.cause, r.because}); err != nil {
			return err
		}
	}
	out.Flush()
	return out.Error()
}
