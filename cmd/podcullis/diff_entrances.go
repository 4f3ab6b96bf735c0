package main

import (
	"io"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/connectivity"
	"github.com/podcullis/podcullis/report"
)

// entrances are the ways from outside that differ. What NetworkPolicies alone let in is
// among the connections.
func (f *filter) entrances(was, is *cluster.Snapshot, o connectivity.Options) report.Entrances {
	q := connectivity.EntranceQuery{
		To:      connectivity.Everyone(),
		Through: []connectivity.Through{connectivity.ThroughService, connectivity.ThroughIngress, connectivity.ThroughRoute},
	}
	chosen := func(all []connectivity.Entrance) (out []connectivity.Entrance) {
		for _, x := range all {
			for _, c := range f.connections([]connectivity.Connection{x.Connection}) {
				x.Connection = c
				out = append(out, x)
			}
		}
		return out
	}
	return report.Entrances{
		Opened: chosen(connectivity.OpenedEntrances(was, is, q, o)),
		Closed: chosen(connectivity.OpenedEntrances(is, was, q, o)),
	}
}

// withEntrances writes them behind the connections that differ, in each format.
func (p *program) withEntrances(by writers, list []connectivity.Difference, ways report.Entrances) writers {
	table := func(wide bool) func(io.Writer, report.Style) error {
		connections := by[map[bool]string{false: "text", true: "wide"}[wide]]
		return func(w io.Writer, s report.Style) error {
			if err := connections(w, s); err != nil {
				return err
			}
			if len(list) > 0 && !ways.Empty() {
				if _, err := io.WriteString(w, "\n"); err != nil {
					return err
				}
			}
			return p.fitted(ways.Table(w, wide))
		}
	}
	behind := func(format string, more func(io.Writer) error) func(io.Writer, report.Style) error {
		first := by[format]
		return func(w io.Writer, s report.Style) error {
			if err := first(w, s); err != nil {
				return err
			}
			return more(w)
		}
	}
	return writers{
		"text": table(false), "wide": table(true),
		"csv": behind("csv", ways.CSV), "name": behind("name", ways.Names), "markdown": behind("markdown", ways.Markdown),
		"json": func(w io.Writer, _ report.Style) error { return report.DiffEntrancesJSON(w, list, ways) },
		"yaml": func(w io.Writer, _ report.Style) error { return report.DiffEntrancesYAML(w, list, ways) },
	}
}
