package doctor_test

import (
	"testing"

	"github.com/podcullis/podcullis/doctor"
	"github.com/podcullis/podcullis/test/bench/town"
)

// What the audit looks at in each of its rounds, in a town of 10,000 pods and 1,000 netpols.
func BenchmarkRemarksOfATown(b *testing.B) {
	s, err := (town.Plan{Seed: 1, Pods: 10_000, Namespaces: 100, Netpols: 1_000}).Snapshot()
	if err != nil {
		b.Fatal(err)
	}
	n := 0
	for b.Loop() {
		n = len(doctor.Remarks(doctor.Facts{Snapshot: s}))
	}
	b.ReportMetric(float64(n), "remarks")
}
