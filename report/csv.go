package report

import (
	"encoding/csv"
	"io"
	"strconv"

	"github.com/podcullis/podcullis/connectivity"
)

// ConnectionsCSV writes connections as comma-separated values (RFC 4180, with
// line feeds), one row for each range of ports, under a row of names.
func ConnectionsCSV(w io.Writer, connections []connectivity.Connection) error {
	rows := csv.NewWriter(w)
	if err := rows.Write([]string{"from", "to", "verdict", "protocol", "port", "endPort", "because"}); err != nil {
		return err
	}
	for _, c := range connections {
		verdict := connectivity.VerdictOpen
		if c.Unknown != "" {
			verdict = connectivity.VerdictUnknown
		}
		for _, r := range c.Ports.Ranges() {
			if err := rows.Write([]string{
				c.From.String(), c.To.String(), verdict.String(),
				r.Protocol.String(), strconv.Itoa(int(r.First)), strconv.Itoa(int(r.Last)), becauseText(c.Because),
			}); err != nil {
				return err
			}
		}
	}
	rows.Flush()
	return rows.Error()
}
