package main

import (
	"io"
	"time"

	"github.com/podcullis/podcullis/connectivity"
	"github.com/podcullis/podcullis/report"
	"github.com/podcullis/podcullis/report/picture"
)

// findingFormats are the formats of the commands that find something.
func findingFormats() []string {
	var out []string
	for _, f := range report.Formats() {
		out = append(out, f.Name)
	}
	return append(out, "html")
}

// findingWriters write a result in each of findingFormats. The page is made only when it
// is asked for: it needs all connections.
func findingWriters(r *report.Result, at time.Time, page func(io.Writer) error) writers {
	out := writers{"html": func(w io.Writer, _ report.Style) error { return page(w) }}
	for _, f := range report.Formats() {
		out[f.Name] = func(w io.Writer, s report.Style) error {
			return f.Write(r, w, report.Look{Style: s, Version: build().Version, Time: at})
		}
	}
	return out
}

// maxPageNotes bounds the remarks of a page: it is a map, and not a list.
const maxPageNotes = 8

// page writes the map of all connections, with findings and remarks.
func (p *program) page(w io.Writer, in input, config string, r *report.Result) error {
	o := network{config: config}
	options, err := o.options()
	if err != nil {
		return err
	}
	notes := r.Remarks()
	if n := len(notes) - maxPageNotes; n > 0 {
		notes = append(notes[:maxPageNotes:maxPageNotes], "and "+number(n, "other note"))
	}
	return picture.HTML(w, picture.New(picture.Source{
		Snapshot: in.snapshot, Connections: connectivity.Connections(in.snapshot, options), Findings: r.Findings, Notes: notes,
	}))
}
