package report

import (
	"fmt"
	"io"
	"text/tabwriter"
)

// shortFingerprint is as much of one as tells entries apart for people.
const shortFingerprint = 8

// Wide writes a line for each finding and remark, the worst first.
func (r *Result) Wide(w io.Writer) error {
	entries := worstFirst(r.Entries())
	if len(entries) == 0 {
		return nil
	}
	t := tabwriter.NewWriter(w, 0, 0, 3, ' ', 0)
	fmt.Fprintln(t, "ACTION\tSEVERITY\tGUARDRAIL\tOBJECT\tWHERE\tFINGERPRINT\tWHAT")
	for _, e := range entries {
		where := e.Location.String()
		if where == "" {
			where = "-"
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n",
			e.Action, e.Severity, line(e.ID), line(e.Subject), line(where), e.Fingerprint[:shortFingerprint], line(e.Summary))
	}
	return t.Flush()
}
