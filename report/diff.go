package report

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

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
			some(gained, d.GainedBy), some(lost, d.LostBy),
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
type row struct{ change, from, to, ports, because string }

// rows are what was added, then changed, then removed.
func rows(all []connectivity.Difference) []row {
	var out []row
	for _, f := range foldDifferences(all) {
		d := f.first
		r := row{change: changeOf(d), from: f.from, to: f.to}
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
	}
	// The names of the changes are in alphabetical order, as it happens.
	slices.SortStableFunc(out, func(a, b row) int { return cmp.Compare(a.change, b.change) })
	return out
}

// DiffText writes differences as a table, nothing when there are none. Because is
// from after the change for what was gained, from before it for what was lost.
func DiffText(w io.Writer, all []connectivity.Difference, s Style) error {
	if len(all) == 0 {
		return nil
	}
	var table bytes.Buffer
	t := tabwriter.NewWriter(&table, 0, 0, 3, ' ', 0)
	fmt.Fprintln(t, "CHANGE\tFROM\tTO\tPORTS\tBECAUSE")
	for _, r := range rows(all) {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\n", r.change, r.from, r.to, r.ports, r.because)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	// Coloured as a whole, because the table counts every character.
	var b strings.Builder
	for line := range strings.Lines(table.String()) {
		change, _, _ := strings.Cut(line, " ")
		if code, ok := map[string]string{added: red, changed: yellow, removed: green}[change]; ok {
			line = s.paint(code, change) + strings.TrimPrefix(line, change)
		}
		b.WriteString(line)
	}
	_, err := io.WriteString(w, b.String())
	return err
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
		fmt.Fprintf(&b, "### Connections: %s\n\n| | from | to | ports | because |\n|---|---|---|---|---|\n", Count(all))
	}
	lines := rows(all)
	for i, r := range lines {
		if i == maxMarkdownRows {
			fmt.Fprintf(&b, "\nand %d more: `podcullis diff` lists them all.\n", len(lines)-i)
			break
		}
		fmt.Fprintf(&b, "| **%s** | `%s` | `%s` | %s | %s |\n", r.change, r.from, r.to, r.ports, r.because)
	}
	_, err := w.Write(b.Bytes())
	return err
}
