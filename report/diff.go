package report

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/podcullis/podcullis/connectivity"
)

// What became of a connection.
const (
	added   = "added"
	changed = "changed"
	removed = "removed"
)

func changeOf(d connectivity.Difference) string {
	switch {
	case d.Added():
		return added
	case d.Removed():
		return removed
	}
	return changed
}

// Differences counts what became of connections.
type Differences struct{ Added, Changed, Removed int }

// Count counts differences, as the table lists them.
func Count(all []connectivity.Difference) Differences {
	var n Differences
	for _, f := range foldDifferences(all) {
		switch changeOf(f.first) {
		case added:
			n.Added++
		case changed:
			n.Changed++
		default:
			n.Removed++
		}
	}
	return n
}

// String is "1 added, 0 changed, 2 removed".
func (n Differences) String() string {
	return fmt.Sprintf("%d added, %d changed, %d removed", n.Added, n.Changed, n.Removed)
}

type jsonDifference struct {
	Change  string      `json:"change"` // added, changed or removed
	From    jsonPeer    `json:"from"`
	To      jsonPeer    `json:"to"`
	Unknown string      `json:"unknown,omitempty"` // neither proved open nor proved blocked
	Turned  string      `json:"turned,omitempty"`  // the path was there before and after: "open -> unknown" or "unknown -> open"
	Before  []jsonPorts `json:"before"`
	After   []jsonPorts `json:"after"`
	Gained  *jsonSome   `json:"gained,omitempty"`
	Lost    *jsonSome   `json:"lost,omitempty"`
	Causes  []jsonCause `json:"causes,omitempty"` // what changed and has a say
}

type jsonCause struct {
	jsonObject

	Fate string `json:"fate"` // new, changed or deleted
}

func causesOf(all []connectivity.Cause) []jsonCause {
	var out []jsonCause
	for _, c := range all {
		out = append(out, jsonCause{jsonObject{c.Object.Kind, c.Object.Namespace, c.Object.Name}, string(c.Fate)})
	}
	return out
}

// jsonSome are ports, and what opens them or opened them before.
type jsonSome struct {
	Ports   []jsonPorts   `json:"ports"`
	Because []jsonBecause `json:"because"`
}

// DiffJSON writes differences as a document of kind Differences.
func DiffJSON(w io.Writer, all []connectivity.Difference) error {
	return writeJSON(w, differencesOf(all))
}

// DiffYAML is DiffJSON in YAML.
func DiffYAML(w io.Writer, all []connectivity.Difference) error {
	return writeYAML(w, differencesOf(all))
}

func differencesOf(all []connectivity.Difference) list[jsonDifference] {
	doc := list[jsonDifference]{APIVersion, "Differences", []jsonDifference{}}
	peers := peersOf(foldDifferences(all), differenceEnds, all)
	for i, d := range all {
		gained, lost := d.Gained(), d.Lost()
		if d.Turned != "" {
			gained, lost = d.After, d.Before
		}
		doc.Items = append(doc.Items, jsonDifference{
			changeOf(d), peers[i][0], peers[i][1], string(d.Unknown), string(d.Turned), portsOf(d.Before), portsOf(d.After),
			some(gained, d.GainedBy), some(lost, d.LostBy), causesOf(d.Causes),
		})
	}
	return doc
}

func some(ports connectivity.PortSet, because []connectivity.Because) *jsonSome {
	if ports.Empty() {
		return nil
	}
	return &jsonSome{portsOf(ports), becauseOf(because)}
}

// row is one line about a difference; one that gained and lost ports has two.
type row struct{ change, from, to, ports, cause, because string }

// rows are what was added, then changed, then removed.
func rows(all []connectivity.Difference) []row {
	var out []row
	for _, f := range foldDifferences(all) {
		d := f.first
		r := row{change: changeOf(d), from: f.from, to: f.to, cause: causeText(d.Causes)}
		add := func(verb string, ports connectivity.PortSet, because []connectivity.Because) {
			if ports.Empty() {
				return
			}
			r.ports, r.because = ports.String(), becauseText(because)
			if d.Unknown != "" {
				r.ports = "unknown: " + r.ports
			}
			if r.change == changed {
				r.ports = verb + " " + r.ports
			}
			out = append(out, r)
		}
		if d.Turned != "" {
			r.ports, r.because = string(d.Turned)+": "+d.After.String(), becauseText(d.GainedBy)
			out = append(out, r)
			continue
		}
		add("gains", d.Gained(), d.GainedBy)
		add("loses", d.Lost(), d.LostBy)
		if r.change == changed && !d.Lost().Empty() {
			out[len(out)-1].ports += ", now only " + d.After.String()
		}
	}
	// The names of the changes are in alphabetical order, as it happens.
	slices.SortStableFunc(out, func(a, b row) int { return cmp.Compare(a.change, b.change) })
	return out
}

// causeText names what changed, netpols by their names alone: "shop/db (changed)".
func causeText(all []connectivity.Cause) string {
	var parts []string
	for _, c := range all {
		name := title(c.Object)
		if c.Object.Kind == "NetworkPolicy" {
			name = netpolName(c.Object)
		}
		parts = append(parts, fmt.Sprintf("%s (%s)", name, c.Fate))
	}
	return strings.Join(parts, ", ")
}

// DiffText writes differences as a table that fits 120 columns, nothing when there are
// none: what became of a connection, and the netpol, or whatever else, that did it.
func DiffText(w io.Writer, all []connectivity.Difference, s Style) error {
	_, err := DiffTable(w, all, false, s)
	return err
}

// DiffTable is DiffText, and a wide one beside that which rules open a connection: from
// after the change for what was gained, from before it for what was lost. It tells whether
// anything was cut to fit.
func DiffTable(w io.Writer, all []connectivity.Difference, wide bool, s Style) (cut bool, err error) {
	if len(all) == 0 {
		return false, nil
	}
	cells := [][]string{{"CHANGE", "FROM", "TO", "PORTS", "CAUSE"}}
	if wide {
		cells[0] = append(cells[0], "BECAUSE")
	}
	for _, r := range rows(all) {
		line := []string{r.change, r.from, r.to, r.ports, r.cause}
		if wide {
			line = append(line, r.because)
		} else if r.cause == "" {
			line[4] = r.because
		}
		cells = append(cells, line)
	}
	var text bytes.Buffer
	if cut, err = table(&text, cells, wide); err != nil {
		return cut, err
	}
	// Coloured as a whole, because the table counts every character.
	var b strings.Builder
	for line := range strings.Lines(text.String()) {
		change, _, _ := strings.Cut(line, " ")
		if code, ok := map[string]string{added: red, changed: yellow, removed: green}[change]; ok {
			line = s.paint(code, change) + strings.TrimPrefix(line, change)
		}
		b.WriteString(line)
	}
	_, err = io.WriteString(w, b.String())
	return cut, err
}

// maxMarkdownRows keeps a comment on a pull request under the 65,536 characters
// that GitHub takes.
const maxMarkdownRows = 250

// DiffMarkdown writes differences for a comment on a pull request.
func DiffMarkdown(w io.Writer, all []connectivity.Difference) error {
	var b bytes.Buffer
	if len(all) == 0 {
		b.WriteString("### Connections: no difference\n")
	} else {
		fmt.Fprintf(&b, "### Connections: %s\n\n| | from | to | ports | cause | because |\n|---|---|---|---|---|---|\n", Count(all))
	}
	lines := rows(all)
	for i, r := range lines {
		if i == maxMarkdownRows {
			fmt.Fprintf(&b, "\nand %d more: `podcullis diff` lists them all.\n", len(lines)-i)
			break
		}
		fmt.Fprintf(&b, "| **%s** | `%s` | `%s` | %s | %s | %s |\n", r.change, inCell(r.from), inCell(r.to), inCell(r.ports), inCell(r.cause), inCell(r.because))
	}
	_, err := w.Write(b.Bytes())
	return err
}
