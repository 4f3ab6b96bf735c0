package picture_test

import (
	"bytes"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/cluster/clustertest"
	"github.com/podcullis/podcullis/cluster/manifest"
	"github.com/podcullis/podcullis/connectivity"
	"github.com/podcullis/podcullis/report/picture"
)

var update = flag.Bool("update", false, "rewrite the pictures in testdata")

// formats are the ways to draw.
var formats = map[string]func(io.Writer, *picture.Graph) error{
	"mmd": picture.Mermaid, "dot": picture.DOT, "svg": picture.SVG, "html": picture.HTML,
}

func drawn(t testing.TB, draw func(io.Writer, *picture.Graph) error, g *picture.Graph) string {
	t.Helper()
	var b bytes.Buffer
	if err := draw(&b, g); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// shop is the example, with the question whether anybody but the backend
// reaches the database.
func shop(t testing.TB) picture.Source {
	t.Helper()
	set, err := manifest.Load([]string{"../../examples/shop"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	s, err := set.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	source := of(s)
	for _, from := range []string{"analytics", "frontend", "logging"} {
		source.Asked = append(source.Asked, connectivity.Explain(s, workload(t, s, "shop", from), workload(t, s, "shop", "db"), connectivity.AllPorts(), connectivity.Options{}))
	}
	return source
}

func of(s *cluster.Snapshot) picture.Source {
	return picture.Source{Snapshot: s, Connections: connectivity.Connections(s, connectivity.Options{})}
}

func workload(t testing.TB, s *cluster.Snapshot, namespace, name string) connectivity.Peer {
	t.Helper()
	for w := range s.Workloads(namespace) {
		if w.Name == name {
			return connectivity.Peer{Workload: w}
		}
	}
	t.Fatalf("no workload %s/%s", namespace, name)
	return connectivity.Peer{}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", file, diff)
	}
}

// crowd is namespaces with workloads that all reach each other but for those of
// every third namespace.
func crowd(t testing.TB, namespaces, workloads int) *cluster.Snapshot {
	t.Helper()
	var objects []runtime.Object
	r := rand.New(rand.NewPCG(1, 2))
	for n := range namespaces {
		ns := fmt.Sprintf("team-%02d", n)
		objects = append(objects, clustertest.Namespace(ns))
		for w := range workloads {
			objects = append(objects, clustertest.Deployment(fmt.Sprintf("%s/app-%d", ns, w), clustertest.Labels(fmt.Sprintf("app=%d", r.IntN(3)))))
		}
		if n%3 == 0 {
			objects = append(objects, clustertest.Netpol(ns+"/shut", `{podSelector: {}, policyTypes: [Ingress, Egress]}`))
		}
	}
	return clustertest.Snapshot(t, objects...)
}
