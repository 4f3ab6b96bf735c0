package regotest_test

import (
	"context"
	"errors"
	"regexp"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/podcullis/podcullis/guardrail/regotest"
)

func TestCases(t *testing.T) {
	named := func(line int, name string, run func(context.Context, func(string, ...any)) ([]regotest.Mismatch, error)) regotest.Case {
		return regotest.Case{File: "g/labels_suite.yaml", Line: line, Package: "labels", Name: name, Run: run}
	}
	skipped := named(1, "skipped", nil)
	skipped.Skip = "not yet"
	o := regotest.Options{Tested: source("test_a if true"), Timeout: 50 * time.Millisecond, Cases: []regotest.Case{
		named(9, "passes", func(context.Context, func(string, ...any)) ([]regotest.Mismatch, error) { return nil, nil }),
		named(5, "fails", func(_ context.Context, say func(string, ...any)) ([]regotest.Mismatch, error) {
			say("was %s", "asked")
			return []regotest.Mismatch{{Line: 7, Text: "verdict: got denied, want allowed"}}, nil
		}),
		named(7, "cannot", func(context.Context, func(string, ...any)) ([]regotest.Mismatch, error) {
			return nil, errors.New("no file")
		}),
		named(8, "never ends", func(ctx context.Context, _ func(string, ...any)) ([]regotest.Mismatch, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}),
		skipped,
	}}
	type ended struct {
		Name       string
		Outcome    regotest.Outcome
		Mismatches []regotest.Mismatch
		Err        string
		Output     string
		Why        string
	}
	tell := func() []ended {
		r, err := regotest.Run(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		var got []ended
		for _, x := range r.Tests {
			e := ended{x.FullName(), x.Outcome, x.Mismatches, "", x.Output, x.Why}
			if x.Err != nil {
				e.Err = x.Err.Error()
			}
			got = append(got, e)
		}
		return got
	}
	want := []ended{
		{Name: "labels.skipped", Outcome: regotest.Skipped, Why: "not yet"},
		{Name: "labels.fails", Outcome: regotest.Failed, Mismatches: []regotest.Mismatch{{Line: 7, Text: "verdict: got denied, want allowed"}}, Output: "was asked\n"},
		{Name: "labels.cannot", Outcome: regotest.Unable, Err: "no file"},
		{Name: "labels.never ends", Outcome: regotest.Unable, Err: "g/labels_suite.yaml:8: did not end within 50ms"},
		{Name: "labels.passes", Outcome: regotest.Passed},
		{Name: "data.guardrails.labels_test.test_a", Outcome: regotest.Passed},
	}
	if diff := cmp.Diff(want, tell()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	o.Run = regexp.MustCompile("^labels.pass")
	if diff := cmp.Diff(want[4:5], tell()); diff != "" {
		t.Errorf("--run (-want +got):\n%s", diff)
	}
}
