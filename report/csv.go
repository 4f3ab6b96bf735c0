package report

import (
	"encoding/csv"
	"io"
	"strconv"
	"strings"

	"github.com/podcullis/podcullis/connectivity"
)

// sheet writes rows of comma-separated values (RFC 4180, with line feeds).
type sheet struct {
	*csv.Writer
	err error
}

func newSheet(w io.Writer, names ...string) *sheet {
	t := &sheet{Writer: csv.NewWriter(w)}
	t.row(names...)
	return t
}

// row writes cells that no spreadsheet takes for a formula. Names come from whoever wrote
// the manifests.
func (t *sheet) row(cells ...string) {
	for i := range cells {
		cells[i] = defused(cells[i])
	}
	if t.err == nil {
		t.err = t.Write(cells)
	}
}

func (t *sheet) end() error {
	t.Flush()
	if t.err != nil {
		return t.err
	}
	return t.Error()
}

// defused puts an apostrophe before what begins like a formula, also behind blanks, and
// takes out what ends a line within a cell.
func defused(cell string) string {
	cell = strings.Join(lines(cell), "\n")
	if rest := strings.TrimLeft(cell, " \n\uFFFD"); rest != "" && strings.ContainsRune("=+-@\uFF1D\uFF0B\uFF0D\uFF20", []rune(rest)[0]) {
		return "'" + cell
	}
	return cell
}

// CSV writes a row for each finding and remark under a row of names.
func (r *Result) CSV(w io.Writer) error {
	t := newSheet(w, "action", "severity", "guardrail", "kind", "namespace", "name", "file", "line", "summary", "message", "owner", "fingerprint")
	for _, e := range r.Entries() {
		at := ""
		if e.Location.Line > 0 {
			at = strconv.Itoa(e.Location.Line)
		}
		t.row(string(e.Action), e.Severity, e.ID, e.Object.Kind, e.Object.Namespace, e.Object.Name,
			e.Location.File, at, e.Summary, e.Message, e.About.Owner, e.Fingerprint)
	}
	return t.end()
}

// ConnectionsCSV writes connections as comma-separated values, one row for each range of
// ports, under a row of names.
func ConnectionsCSV(w io.Writer, connections []connectivity.Connection) error {
	t := newSheet(w, "from", "to", "verdict", "protocol", "port", "endPort", "because")
	for _, c := range connections {
		verdict := connectivity.VerdictOpen
		if c.Unknown != "" {
			verdict = connectivity.VerdictUnknown
		}
		for _, r := range c.Ports.Ranges() {
			t.row(c.From.String(), c.To.String(), verdict.String(),
				r.Protocol.String(), strconv.Itoa(int(r.First)), strconv.Itoa(int(r.Last)), becauseText(c.Because))
		}
	}
	return t.end()
}
