package main

import (
	"io"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/guardrail"
	"github.com/podcullis/podcullis/guardrail/regotest"
)

// Under a lens guardrails say what they say without one, though rules are then evaluated
// without OPA's index and questions that nobody could answer are asked.
func TestLawLensChangesNothing(t *testing.T) {
	p := &program{name: "podcullis", stdout: io.Discard, stderr: io.Discard, quiet: true}
	before := sources{files: []string{"../../examples/shop"}}
	in, err := p.load(t.Context(), &before)
	if err != nil {
		t.Fatal(err)
	}
	sources, err := authored(nil)
	if err != nil {
		t.Fatal(err)
	}
	b, err := newBench(sources, "../../examples/shop-guardrails.yaml")
	if err != nil {
		t.Fatal(err)
	}
	changes, found := 0, 0
	for _, name := range []string{"default-deny", "only-backend-reaches-db"} {
		engine, err := b.single(name, nil, "")
		if err != nil {
			t.Fatal(err)
		}
		for i := range in.set.Objects { // each is deleted once, and then created again
			gone := step{was: &in.set.Objects[i]}
			after, err := in.snapshot.Apply(gone.change())
			if err != nil {
				t.Fatal(err)
			}
			for _, change := range []struct {
				step
				snapshot *cluster.Snapshot
			}{{gone, in.snapshot}, {step{is: gone.was}, after}} {
				plain, err := engine.ask(t.Context(), change.snapshot, change.request(), "2026-11-27T12:00:00Z")
				if err != nil {
					t.Fatal(err)
				}
				seen, err := engine.ask(guardrail.Through(t.Context(), regotest.NewLook().Lens()), change.snapshot, change.request(), "2026-11-27T12:00:00Z")
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(plain, seen, cmp.AllowUnexported(said{}), cmpopts.EquateEmpty()); diff != "" {
					t.Errorf("%s: %s of %s (-plain +under a lens):\n%s", name, change.operation(), change.object().Ref(), diff)
				}
				changes++
				found += len(plain.found)
			}
		}
	}
	if changes < 20 || found == 0 {
		t.Errorf("%d changes and %d violations, want more", changes, found)
	}
}
