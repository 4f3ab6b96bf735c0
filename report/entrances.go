package report

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"

	"github.com/podcullis/podcullis/connectivity"
)

// Entrances are the ways from outside the cluster, through Services, Ingresses and routes,
// that are new in one of two versions, and those that are gone.
type Entrances struct{ Opened, Closed []connectivity.Entrance }

// Empty tells whether nothing differs.
func (e Entrances) Empty() bool { return len(e.Opened)+len(e.Closed) == 0 }

// entranceRow is one line: all blocks of addresses about which the same is said.
type entranceRow struct {
	change, from, to, ports, way string
	blocks                       []netip.Prefix
}

// rows are what was opened, then what was closed.
func (e Entrances) rows() []*entranceRow {
	var out []*entranceRow
	add := func(change string, all []connectivity.Entrance) {
		for _, x := range all {
			r := &entranceRow{change: change, to: x.To.String(), ports: portsText(x.Connection), way: wayText(x)}
			i := slices.IndexFunc(out, func(o *entranceRow) bool {
				return o.change == r.change && o.to == r.to && o.ports == r.ports && o.way == r.way
			})
			if i < 0 {
				i = len(out)
				out = append(out, r)
			}
			out[i].blocks = append(out[i].blocks, x.From.CIDR)
		}
	}
	add("opened", e.Opened)
	add("closed", e.Closed)
	for _, r := range out {
		r.from = connectivity.AddressesText(r.blocks)
		if all := connectivity.Anywhere(); slices.Equal(r.blocks, all[:]) {
			r.from = "any address"
		}
	}
	return out
}

// wayText names the objects on the first way: "LoadBalancer Service shop/web port 80".
func wayText(x connectivity.Entrance) string {
	if len(x.Ways) == 0 {
		return string(x.Through)
	}
	var steps []string
	for _, s := range x.Ways[0].Steps {
		name := strings.TrimSpace(s.As + " " + s.Kind + " " + s.Namespace + "/" + s.Name)
		switch {
		case s.Text != "" && s.Kind != "Service":
			name += " (" + s.Text + ")"
		case s.Text != "":
			name += " " + s.Text
		}
		steps = append(steps, name)
		if x.Controller != "" && s.Kind != "Service" {
			steps = append(steps, x.Controller)
		}
	}
	text := strings.Join(steps, " -> ")
	switch n := len(x.Ways) - 1; {
	case n == 1:
		text += " (and another way)"
	case n > 1:
		text += fmt.Sprintf(" (and %d other ways)", n)
	}
	return text
}

// Table writes them as a table below that of connections, nothing when there are none. It
// tells whether anything was cut to fit 120 columns.
func (e Entrances) Table(w io.Writer, wide bool) (cut bool, err error) {
	if e.Empty() {
		return false, nil
	}
	cells := [][]string{{"ENTRANCE", "FROM", "TO", "PORTS", "WAY"}}
	for _, r := range e.rows() {
		cells = append(cells, []string{r.change, r.from, r.to, r.ports, r.way})
	}
	return table(w, cells, wide)
}

// Markdown writes them for a comment on a pull request.
func (e Entrances) Markdown(w io.Writer) error {
	l := List{Title: "Ways in from outside: " + e.Count(), Names: []string{"", "from", "to", "ports", "way"}}
	for _, r := range e.rows() {
		l.Rows = append(l.Rows, []string{r.change, r.from, r.to, r.ports, r.way})
	}
	var b bytes.Buffer
	if err := l.Markdown(&b); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n"+b.String())
	return err
}

// Count is how many there are, in words.
func (e Entrances) Count() string {
	count := map[string]int{}
	for _, r := range e.rows() {
		count[r.change]++
	}
	return fmt.Sprintf("%d opened, %d closed", count["opened"], count["closed"])
}

type jsonEntrance struct {
	Change  string      `json:"change"`
	From    jsonPeer    `json:"from"`
	To      jsonPeer    `json:"to"`
	Ports   []jsonPorts `json:"ports"`
	Unknown string      `json:"unknown,omitempty"`
	Through string      `json:"through"`
	Way     string      `json:"way"`
}

func (e Entrances) json() []jsonEntrance {
	out := []jsonEntrance{}
	for _, part := range []struct {
		change string
		list   []connectivity.Entrance
	}{{"opened", e.Opened}, {"closed", e.Closed}} {
		for _, x := range part.list {
			out = append(out, jsonEntrance{
				part.change, peerOf(x.From), peerOf(x.To), portsOf(x.Ports), string(x.Unknown), string(x.Through), wayText(x),
			})
		}
	}
	return out
}

// jsonDifferences is a document of kind Differences with entrances.
type jsonDifferences struct {
	list[jsonDifference]
	Entrances []jsonEntrance `json:"entrances"`
}

// DiffEntrancesJSON is DiffJSON with the entrances that differ.
func DiffEntrancesJSON(w io.Writer, all []connectivity.Difference, e Entrances) error {
	return writeJSON(w, jsonDifferences{differencesOf(all), e.json()})
}

// DiffEntrancesYAML is that in YAML.
func DiffEntrancesYAML(w io.Writer, all []connectivity.Difference, e Entrances) error {
	return writeYAML(w, jsonDifferences{differencesOf(all), e.json()})
}

// CSV writes a row for each, under those of DiffCSV, with the way as its cause.
func (e Entrances) CSV(w io.Writer) error {
	t := &sheet{Writer: csv.NewWriter(w)}
	for _, r := range e.rows() {
		t.row("entrance "+r.change, r.from, r.to, r.ports, r.way, "")
	}
	return t.end()
}

// Names writes the two ends of each, a line each.
func (e Entrances) Names(w io.Writer) error {
	var b strings.Builder
	for _, r := range e.rows() {
		b.WriteString(r.from + " " + r.to + "\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}
