package connectivity_test

import (
	"testing"

	"k8s.io/apimachinery/pkg/runtime"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/cluster/clustertest"
	"github.com/podcullis/podcullis/connectivity"
)

func TestAnInterruptedQuestionStops(t *testing.T) {
	var objects []runtime.Object
	for _, name := range []string{"a", "b", "c", "d", "e", "f"} {
		objects = append(objects, clustertest.Deployment("shop/"+name, clustertest.Labels("app="+name)))
	}
	s := clustertest.Snapshot(t, objects...)
	all := connectivity.Query{From: connectivity.Everyone(), To: connectivity.Everyone()}
	world := all
	world.To = connectivity.Selection{Block: connectivity.Anywhere()[0]}
	for name, ask := range map[string]func(connectivity.Query, connectivity.Options) int{
		"Open": func(q connectivity.Query, o connectivity.Options) int { return len(connectivity.Open(s, q, o)) },
		"Opened": func(q connectivity.Query, o connectivity.Options) int {
			return len(connectivity.Opened(&cluster.Snapshot{}, s, q, o))
		},
	} {
		for _, q := range []connectivity.Query{all, world} {
			whole := ask(q, connectivity.Options{})
			asked := 0
			ask(q, connectivity.Options{Interrupted: func() bool { asked++; return false }})
			parts, most := 0, asked
			for n := range most {
				asked = 0
				got := ask(q, connectivity.Options{Interrupted: func() bool { asked++; return asked > n }})
				if got > 0 && got < whole {
					parts++
				}
				if asked > n+2*len(objects)+1 { // it may choose to the end, but not compare
					t.Errorf("%s: interrupted at question %d of %d: %d of %d connections after %d questions", name, n+1, most, got, whole, asked)
				}
			}
			if parts < len(objects)-1 {
				t.Errorf("%s: %d times a part of the %d connections, want one for each source but the last", name, parts, whole)
			}
			if got := ask(q, connectivity.Options{Limit: 3}); got <= 3 || got >= whole {
				t.Errorf("%s with a limit of 3: %d of %d connections, want to see that it was passed, and no more", name, got, whole)
			}
		}
	}
}
