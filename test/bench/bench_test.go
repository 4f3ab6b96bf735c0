package main

import (
	"flag"
	"testing"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/connectivity"
	"github.com/podcullis/podcullis/test/bench/town"
)

var (
	scale    = flag.Float64("scale", 1, "of the town that the benchmarks are about; 1 is 10,000 pods")
	solitary = flag.Bool("solitary", false, "benchmark a town in which no two pods are alike")
)

// setUp is a town in the model.
func setUp(b *testing.B) *workbench {
	b.Helper()
	s := sheet{settings: settings{scale: *scale, seed: 1}}
	p := s.town()
	p.Solitary = *solitary
	base := made(b, p)
	if err := firstQuestion(base); err != nil {
		b.Fatal(err)
	}
	return newWorkbench(p, base)
}

func made(b *testing.B, p town.Plan) *cluster.Snapshot {
	b.Helper()
	base, err := p.Snapshot()
	if err != nil {
		b.Fatal(err)
	}
	return base
}

func BenchmarkBuild(b *testing.B) {
	s := sheet{settings: settings{scale: *scale, seed: 1}}
	p := s.town()
	p.Solitary = *solitary
	objects, err := p.Model()
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		base, err := cluster.New(objects...)
		if err != nil {
			b.Fatal(err)
		}
		if err := firstQuestion(base); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkApply(b *testing.B) {
	w := setUp(b)
	for name, change := range edits(w) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			now := w.base
			for b.Loop() {
				c, err := change(now)
				if err != nil {
					b.Fatal(err)
				}
				if now, err = now.Apply(c); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkOpened is Apply and the question of forbidden-paths, as at admission.
func BenchmarkOpened(b *testing.B) {
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
				connectivity.Opened(w.base, after, forbidden(), connectivity.Options{})
			}
		})
	}
}

func BenchmarkConnections(b *testing.B) {
	w := setUp(b)
	b.ReportAllocs()
	for b.Loop() {
		connectivity.Connections(w.base, connectivity.Options{})
	}
}

// edits are the changes of the tables, by name. Making one is timed with it, but
// for a netpol's it is microseconds.
func edits(w *workbench) map[string]edit {
	return map[string]edit{
		"Netpol":   w.netpolChange,
		"PodKnown": always(w.siblingPod),
		"PodNew":   always(w.strangerPod),
		"Relabel":  always(w.relabelling),
	}
}
