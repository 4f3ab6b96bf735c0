package connectivity_test

import (
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/runtime"
	"pgregory.net/rapid"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/cluster/clustertest"
	"github.com/podcullis/podcullis/cluster/selector"
	"github.com/podcullis/podcullis/connectivity"
)

// transition is a random change with what the reference knows on both sides.
type transition struct {
	before, after       *cluster.Snapshot
	refBefore, refAfter *reference
	peersBefore, peers  map[string][]*refPod
	podNetwork          string
}

func drawTransition(t *rapid.T) *transition {
	objects := drawObjects(t)
	network := rapid.SampledFrom([]string{"", podNetwork}).Draw(t, "pod network")
	before := drawForeign(t, "foreign before")
	x := &transition{podNetwork: network, before: snapshotOf(t, objects, before...), refBefore: newReference(objects, network)}
	x.refBefore.foreign = before
	x.after = x.before
	for _, name := range []string{"c0", "c1"}[:rapid.IntRange(1, 2).Draw(t, "changes")] {
		var changes []cluster.Change
		objects, changes = drawChange(t, objects, name)
		x.after = clustertest.Apply(t, x.after, changes...)
	}
	x.refAfter = newReference(objects, network)
	x.refAfter.foreign = before
	if rapid.IntRange(0, 9).Draw(t, "foreign comes or goes") == 0 {
		x.refAfter.foreign = x.toggleForeign(t)
	}
	x.peersBefore, x.peers = x.refBefore.byPeer(), x.refAfter.byPeer()
	return x
}

func drawForeign(t *rapid.T, name string) []string {
	return rapid.SampledFrom([][]string{nil, nil, nil, nil, {"a"}, {""}}).Draw(t, name)
}

func (x *transition) toggleForeign(t *rapid.T) []string {
	if slices.Contains(x.refBefore.foreign, "b") {
		return x.refBefore.foreign
	}
	x.after = clustertest.Apply(t, x.after, cluster.Change{After: foreignIn("b")})
	return append(slices.Clone(x.refBefore.foreign), "b")
}

// was are the peers that a peer was before: itself, what its pods counted to,
// and what its template did.
func (x *transition) was(peer string) []string {
	var out []string
	add := func(p string) {
		if _, ok := x.peersBefore[p]; ok && !slices.Contains(out, p) {
			out = append(out, p)
		}
	}
	add(peer)
	for _, now := range x.peers[peer] {
		for _, then := range x.refBefore.pods {
			if now.name != "" && then.name == now.name && then.namespace == now.namespace {
				add(then.peer)
			}
		}
	}
	if namespace, object, _ := strings.Cut(peer, "/"); object != "" {
		if kind, name, _ := strings.Cut(object, "/"); kind == "ReplicaSet" {
			if w, ok := x.before.WorkloadOf(cluster.Ref{Namespace: namespace, Kind: kind, Name: name}); ok {
				add(w.Ref.String())
			}
		}
	}
	return out
}

func (x *transition) podsBefore(peer string) []*refPod {
	var out []*refPod
	for _, p := range x.was(peer) {
		out = append(out, x.peersBefore[p]...)
	}
	return out
}

func (p picture) atOutside(peer, address string, egress bool) answer {
	for e, a := range p {
		inside, outside := e.from, e.to
		if !egress {
			inside, outside = e.to, e.from
		}
		if inside == peer && isCIDR(outside) && prefixHolds(outside, address) {
			return a
		}
	}
	return answer{}
}

func TestLawOpenedAndOpenBeforeCoverOpenAfter(t *testing.T) {
	checks(t, 100, func(t *rapid.T) {
		x := drawTransition(t)
		q, _, _ := drawQuery(t)
		o := options(x.podNetwork)
		before := pictureOf(t, connectivity.Open(x.before, q, o))
		opened := pictureOf(t, connectivity.Opened(x.before, x.after, q, o))
		for e, a := range pictureOf(t, connectivity.Open(x.after, q, o)) {
			covered := opened[e].open.Union(opened[e].unknown)
			self := false
			for _, from := range x.was(e.from) {
				for _, to := range x.was(e.to) {
					self = self || from == to
					was := before[edge{from, to}]
					covered = covered.Union(was.open).Union(was.unknown)
				}
			}
			if rest := a.open.Union(a.unknown).Subtract(covered); !rest.Empty() && !self {
				t.Fatalf("%s -> %s: %s is there after, was not before, and is not listed as opened", e.from, e.to, rest)
			}
		}
	})
}

func TestLawADeltaHoldsEveryWorkloadWhoseConnectionsDiffer(t *testing.T) {
	checks(t, 100, func(t *rapid.T) {
		x := drawTransition(t)
		d := x.after.Since(x.before)
		if d.Everything {
			return
		}
		affected := map[string]bool{}
		for _, n := range d.Namespaces {
			for _, w := range n.Workloads {
				affected[w.String()] = true
			}
			for w := range x.after.Workloads(n.Name) {
				selected := slices.ContainsFunc(n.Netpols, func(n *cluster.Netpol) bool {
					return slices.ContainsFunc(w.Variants, func(v *cluster.Variant) bool { return v.Matches(n.Selector) != selector.No })
				})
				if n.Relabelled || selected {
					affected[w.String()] = true
				}
			}
		}
		before, after := everything(t, x.before), everything(t, x.after)
		for e := range after {
			changed := !alike(after[e], before[e])
			if isCIDR(e.from) || isCIDR(e.to) {
				a, b := after.at(e), before.at(e)
				changed = !alike(a, b)
			}
			if changed && !affected[e.from] && !affected[e.to] {
				t.Fatalf("%s -> %s changed, and the delta holds neither: %v", e.from, e.to, affected)
			}
		}
	})
}

func alike(a, b answer) bool { return a.open.Equal(b.open) && a.unknown.Equal(b.unknown) }

func TestLawNoChangeOpensNothing(t *testing.T) {
	checks(t, 30, func(t *rapid.T) {
		objects := drawObjects(t)
		s := snapshotOf(t, objects)
		var again []runtime.Object
		for _, o := range objects {
			again = append(again, o.DeepCopyObject())
		}
		// The same objects once more, as a watch repeats them.
		next := clustertest.Apply(t, s, clustertest.Create(t, again...)...)
		if opened := openedAll(s, next, connectivity.Options{}); len(opened) > 0 {
			t.Fatalf("nothing changed, and opened %v", opened)
		}
	})
}
