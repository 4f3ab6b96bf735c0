package connectivity_test

import (
	"bufio"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/cluster/clustertest"
	"github.com/podcullis/podcullis/connectivity"
)

// conformance is upstream's own expectation: the cases of kubernetes/kubernetes
// test/e2e/network/netpol, as data.
var conformance = filepath.Join("testdata", "conformance", "k8s-e2e-netpol-48cases.jsonl.gz")

// conformanceStep is one state of the cluster in a case, and what is blocked in it.
type conformanceStep struct {
	Case, Step int
	Desc       string
	Namespaces []*corev1.Namespace
	Pods       []*corev1.Pod
	Policies   []*networkingv1.NetworkPolicy
	Probes     []struct {
		Port   int
		Proto  corev1.Protocol
		Denied [][2]string
	}
}

func (s *conformanceStep) objects() []runtime.Object {
	var out []runtime.Object
	for _, o := range s.Namespaces {
		out = append(out, o)
	}
	for _, o := range s.Pods {
		out = append(out, o)
	}
	for _, o := range s.Policies {
		out = append(out, o)
	}
	return out
}

func readConformance(t *testing.T) [][]*conformanceStep {
	t.Helper()
	f, err := os.Open(conformance)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	unzipped, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	var cases [][]*conformanceStep
	lines := bufio.NewScanner(unzipped)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		step := &conformanceStep{}
		if err := json.Unmarshal(lines.Bytes(), step); err != nil {
			t.Fatal(err)
		}
		if len(cases) == 0 || cases[len(cases)-1][0].Case != step.Case {
			cases = append(cases, nil)
		}
		cases[len(cases)-1] = append(cases[len(cases)-1], step)
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return cases
}

func TestConformance(t *testing.T) {
	cases := readConformance(t)
	checked := map[string]int{}
	for _, steps := range cases {
		t.Run(fmt.Sprintf("%d %s", steps[0].Case, steps[0].Desc), func(t *testing.T) {
			grown := &cluster.Snapshot{}
			for i, step := range steps {
				objects := step.objects()
				checked["from scratch"] += step.check(t, "from scratch", clustertest.Snapshot(t, objects...))

				var before []runtime.Object
				if i > 0 {
					before = steps[i-1].objects()
				}
				grown = clustertest.Apply(t, grown, difference(t, before, objects)...)
				checked["step by step"] += step.check(t, "step by step", grown)

				order := rand.New(rand.NewPCG(uint64(step.Case), uint64(step.Step)))
				order.Shuffle(len(objects), func(i, j int) { objects[i], objects[j] = objects[j], objects[i] })
				checked["in a random order"] += step.check(t, "in a random order", clustertest.Snapshot(t, objects...))
			}
		})
	}
	for _, way := range []string{"from scratch", "step by step", "in a random order"} {
		if len(cases) != 48 || checked[way] != 4680 {
			t.Errorf("%s: %d cases with %d checks, want 48 with 4680", way, len(cases), checked[way])
		}
	}
}

func (s *conformanceStep) check(t *testing.T, way string, snapshot *cluster.Snapshot) (checks int) {
	t.Helper()
	got := pictureOf(t, connectivity.Connections(snapshot, connectivity.Options{}))
	for _, p := range s.Probes {
		denied := map[[2]string]bool{}
		for _, pair := range p.Denied {
			denied[pair] = true
		}
		for _, from := range s.Pods {
			for _, to := range s.Pods {
				source, destination := from.Namespace+"/"+from.Name, to.Namespace+"/"+to.Name
				if source == destination {
					continue
				}
				checks++
				e := edge{from.Namespace + "/Pod/" + from.Name, to.Namespace + "/Pod/" + to.Name}
				want := open
				if denied[[2]string{source, destination}] {
					want = blocked
				}
				if level := got[e].level(probe{p.Proto, p.Port}); level != want.level {
					t.Errorf("step %d %s: %s -> %s on %s %d: got %s, want %s", s.Step, way, source, destination, p.Proto, p.Port, levelNames[level], levelNames[want.level])
				}
			}
		}
	}
	return checks
}

// difference are the changes that lead from some objects to others.
func difference(t *testing.T, before, after []runtime.Object) []cluster.Change {
	t.Helper()
	stays := map[cluster.Ref]bool{}
	var changes []cluster.Change
	for _, c := range clustertest.Create(t, after...) {
		stays[c.Ref()] = true
		changes = append(changes, c)
	}
	for _, c := range clustertest.Delete(t, before...) {
		if !stays[c.Ref()] {
			changes = append(changes, c)
		}
	}
	return changes
}
