package main

import (
	"context"

	"k8s.io/client-go/kubernetes"

	"github.com/podcullis/podcullis/doctor"
	"github.com/podcullis/podcullis/doctor/reading"
	"github.com/podcullis/podcullis/report"
)

// addNoted adds what podcullis doctor knows of a running cluster: of its network, and of single
// netpols. What it could not see is its own to tell.
func (p *program) addNoted(ctx context.Context, s *sources, in input, r *report.Result) {
	if !s.live() {
		return
	}
	f := doctor.Facts{Live: true, Snapshot: in.snapshot}
	if config, _, err := s.restConfig(); err == nil {
		if client, err := kubernetes.NewForConfig(config); err == nil {
			reading.Network(ctx, client, &f)
		}
	}
	for _, m := range doctor.Remarks(f) {
		n := report.Noted{What: m.What, Ref: m.Object, Text: m.Text}
		if o, ok := in.set.Lookup(m.Object); ok {
			n.Location = place(o)
		}
		r.Noted = append(r.Noted, n)
	}
}
