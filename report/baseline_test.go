package report_test

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/podcullis/podcullis/guardrail"
	"github.com/podcullis/podcullis/report"
)

func connection(from string, because, label any) map[string]any {
	return map[string]any{
		"from": map[string]any{"name": from, "labels": map[string]any{"version": label}}, "to": map[string]any{"name": "db"},
		"because": []any{map[string]any{"rule": because}},
	}
}

func printOf(details any) string {
	f := finding(guardrail.Deny, "high", "a", "f", 1)
	f.Details = details
	return (&report.Result{Findings: []report.Finding{f}}).Entries()[0].Fingerprint
}

// A fingerprint is of what is said, and not of why or where.
func TestFingerprintIsOfWhatIsSaid(t *testing.T) {
	if printOf(connection("a", 0, "1")) != printOf(connection("a", 3, "2")) {
		t.Error("another rule or label is another finding")
	}
	if printOf(connection("a", 0, "1")) == printOf(connection("b", 0, "1")) {
		t.Error("another path is the same finding")
	}
	one := map[string]any{"connections": []any{connection("a", 0, "1")}}
	two := map[string]any{"connections": []any{connection("a", 0, "1"), connection("b", 0, "1")}}
	if printOf(one) == printOf(two) {
		t.Error("a path that joins a known finding would be hidden by a baseline")
	}
}

// Whatever the order of the findings: a baseline of them knows all of them, and what is
// added is new.
func TestBaselineKnowsWhatItHolds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var all []report.Finding
		for range rapid.IntRange(0, 12).Draw(t, "findings") {
			f := finding(guardrail.Deny, "high", rapid.SampledFrom([]string{"a", "b"}).Draw(t, "object"), "f", 1)
			f.Details = connection(rapid.SampledFrom([]string{"x", "y"}).Draw(t, "from"), 0, "1")
			all = append(all, f)
		}
		b := (&report.Result{Findings: slices.Clone(all)}).Baseline()
		later := rapid.Permutation(all).Draw(t, "later")
		for i := range later {
			later[i].Location = report.Location{File: "elsewhere", Line: i}
		}
		extra := finding(guardrail.Warn, "low", "a", "f", 1)
		extra.Details = connection("z", 0, "1")
		r := &report.Result{Findings: append(later, extra)}
		r.Since(b)
		if len(r.Findings) != 1 || len(r.Known) != len(all) || len(r.Gone) != 0 {
			t.Errorf("%d new, %d known of %d, %d gone", len(r.Findings), len(r.Known), len(all), len(r.Gone))
		}
		r = &report.Result{}
		r.Since(b)
		if len(r.Gone) != len(all) {
			t.Errorf("%d gone of %d", len(r.Gone), len(all))
		}
	})
}
