package remedy_test

import (
	"context"
	"testing"

	"pgregory.net/rapid"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/connectivity"
	"github.com/podcullis/podcullis/remedy"
)

// TestLawOfPath holds of any path that is open: the edit shuts it, opens nothing, and
// closes as many others as it says.
func TestLawOfPath(t *testing.T) {
	open, found := 0, 0
	rapid.Check(t, func(r *rapid.T) {
		s := drawCase(r).review.After
		var all []connectivity.Connection
		for _, c := range connectivity.Connections(s, connectivity.Options{}) {
			if c.To.Workload != nil && c.To.Workload.Namespace == "one" {
				all = append(all, c)
			}
		}
		if len(all) == 0 {
			return
		}
		c := all[rapid.IntRange(0, len(all)-1).Draw(r, "path")]
		open++
		got, ok := remedy.OfPath(context.Background(), s, c.From, c.To, c.Ports, connectivity.Options{})
		if !ok {
			return
		}
		found++
		fixed := s
		for _, e := range got.Edits {
			n, err := e.Netpol.Compile()
			if err != nil {
				r.Fatal(err)
			}
			if fixed, err = fixed.Apply(cluster.Change{After: n}); err != nil {
				r.Fatal(err)
			}
		}
		if x := connectivity.Explain(fixed, peerIn(fixed, c.From), peerIn(fixed, c.To), c.Ports, connectivity.Options{}); x.Verdict != connectivity.VerdictBlocked {
			r.Fatalf("%s to %s is still %s after: %s", c.From, c.To, x.Verdict, got.Advice())
		}
		if more := connectivity.Missing(fixed, s, connectivity.Options{}); len(more) > 0 {
			r.Fatalf("opens %v: %s", more, got.Advice())
		}
		others := 0
		for _, l := range connectivity.Missing(s, fixed, connectivity.Options{}) {
			if l.From.String() != c.From.String() || l.To.String() != c.To.String() {
				others++
			}
		}
		if others != len(got.Lost) {
			r.Fatalf("says that it closes %d others (%s), it closes %d", len(got.Lost), got.LostText(), others)
		}
	})
	t.Logf("%d of %d open paths are shut by edits of one netpol", found, open)
}

func peerIn(s *cluster.Snapshot, p connectivity.Peer) connectivity.Peer {
	if p.Workload != nil {
		p.Workload, _ = s.Workload(p.Workload.Ref)
	}
	return p
}
