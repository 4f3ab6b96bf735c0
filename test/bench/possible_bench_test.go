package main

import (
	"testing"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/connectivity"
)

// possible is the question of forbidden-paths with scope possible.
func possible() connectivity.Query {
	q := forbidden()
	q.Scope = connectivity.Possible
	return q
}

// BenchmarkPossiblyOpened is Apply and the question, as at admission.
func BenchmarkPossiblyOpened(b *testing.B) {
	w := setUp(b)
	for name, change := range edits(w) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				c, err := change(w.base)
				if err != nil {
					b.Fatal(err)
				}
				after, err := w.base.Apply(c)
				if err != nil {
					b.Fatal(err)
				}
				connectivity.Opened(w.base, after, possible(), connectivity.Options{})
			}
		})
	}
}

// BenchmarkPossiblyOpen is the question about a whole cluster, as in an audit.
func BenchmarkPossiblyOpen(b *testing.B) {
	w := setUp(b)
	b.ReportAllocs()
	found := 0
	for b.Loop() {
		found = len(connectivity.Opened(&cluster.Snapshot{}, w.base, possible(), connectivity.Options{}))
	}
	b.ReportMetric(float64(found), "found")
}
