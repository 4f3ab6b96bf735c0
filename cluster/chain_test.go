package cluster

import (
	"fmt"
	"runtime"
	"testing"
	"weak"
)

// TestNoSnapshotKeepsThoseBefore: of a namespace whose pods come and go while nobody asks
// for their netpols, no more than the last two states are kept.
func TestNoSnapshotKeepsThoseBefore(t *testing.T) {
	for name, asks := range map[string]bool{"NobodyAsks": false, "EachIsAsked": true} {
		t.Run(name, func(t *testing.T) {
			s, err := New()
			if err != nil {
				t.Fatal(err)
			}
			var seen []weak.Pointer[shard]
			for i := range 50 {
				p := &Pod{Namespace: "shop", Name: fmt.Sprint("web-", i)}
				if s, err = s.Apply(Change{After: p}); err != nil {
					t.Fatal(err)
				}
				// A review asks about a change that is never made.
				asked, err := s.Apply(Change{Before: p})
				if err != nil {
					t.Fatal(err)
				}
				if asks {
					s.shard("shop").guard()
					if sh := asked.shard("shop"); sh != nil {
						sh.guard()
					}
				}
				seen = append(seen, weak.Make(s.shard("shop")))
			}
			runtime.GC()
			kept := 0
			for _, p := range seen {
				if p.Value() != nil {
					kept++
				}
			}
			if kept > 2 {
				t.Errorf("%d of %d states of the namespace are kept, want at most 2", kept, len(seen))
			}
			runtime.KeepAlive(s)
		})
	}
}
