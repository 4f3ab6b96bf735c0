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
			o := connectivity.Options{Interrupted: func() bool { asked++; return asked > 2 }}
			if got := ask(q, o); got == 0 || got >= whole || asked != 3 {
				t.Errorf("%s: interrupted at the third source: %d of %d connections after %d questions", name, got, whole, asked)
			}
			if got := ask(q, connectivity.Options{Limit: 3}); got <= 3 || got >= whole {
				t.Errorf("%s with a limit of 3: %d of %d connections, want to see that it was passed, and no more", name, got, whole)
			}
		}
	}
}
