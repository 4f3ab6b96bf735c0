package connectivity_test

import (
	"fmt"
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"pgregory.net/rapid"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/cluster/clustertest"
	"github.com/podcullis/podcullis/cluster/selector"
	"github.com/podcullis/podcullis/connectivity"
)

// The laws of semantics.md.

func TestLawAQueryIsAPartOfThePicture(t *testing.T) {
	checks(t, 100, func(t *rapid.T) {
		objects := onlyNamed(t, drawObjects(t))
		q, from, to := drawQuery(t)
		r := newReference(objects, "")
		got := pictureOf(t, connectivity.Open(snapshotOf(t, objects), q, connectivity.Options{}))

		peers := r.byPeer()
		for a, sources := range peers {
			for b, destinations := range peers {
				e := edge{a, b}
				s, d := r.chosen(sources, from), r.chosen(destinations, to)
				want := r.truths(s, d)
				if a == b { // only pairs that the query tells apart
					want = r.truths(without(s, d), d)
					for p, other := range r.truths(without(s, without(s, d)), without(d, s)) {
						want[p] = want[p].or(other)
					}
				}
				for p := range want {
					if len(s) > 0 && len(d) > 0 { // whether it is asked about may not be known
						want[p] = want[p].and(r.namespaceMatches(&from.namespaces, s[0].namespace)).and(r.namespaceMatches(&to.namespaces, d[0].namespace))
					}
					if !q.Ports.Empty() && (answer{open: q.Ports}).level(p) == blocked.level {
						want[p] = blocked
					}
				}
				checkAnswer(t, e, got[e], want)
			}
		}
	})
}

func TestLawAddingARuleNeverClosesAPath(t *testing.T) {
	checks(t, 50, func(t *rapid.T) {
		objects := append(drawObjects(t), drawNetpol(t, "grown"))
		before := objects[len(objects)-1].(*networkingv1.NetworkPolicy)
		after := before.DeepCopy()
		// With its policyTypes spelled out, as the API server stores it: else an
		// egress rule would begin to isolate.
		after.Spec.PolicyTypes = typesOf(before)
		if rapid.Bool().Draw(t, "ingress") {
			after.Spec.Ingress = append(after.Spec.Ingress, networkingv1.NetworkPolicyIngressRule{From: drawPeers(t, "new"), Ports: drawPorts(t, "new")})
		} else {
			after.Spec.Egress = append(after.Spec.Egress, networkingv1.NetworkPolicyEgressRule{To: drawPeers(t, "new"), Ports: drawPorts(t, "new")})
		}
		s := snapshotOf(t, objects)
		next := clustertest.Apply(t, s, clustertest.Update(t, before, after))
		mustCover(t, everything(t, next), everything(t, s), "a rule was added")
	})
}

func TestLawANetpolOpensOnlyForWhomAnotherIsolates(t *testing.T) {
	checks(t, 50, func(t *rapid.T) {
		objects := drawObjects(t)
		s := snapshotOf(t, objects)
		np := drawNetpol(t, "added")
		next := clustertest.Apply(t, s, clustertest.Create(t, np)...)
		// It opens only what it lets through to or from a workload that was isolated already.
		isolated := map[string]bool{}
		for _, i := range connectivity.Isolated(s, connectivity.Everyone()) {
			isolated[i.Workload.String()] = len(i.By[0])+len(i.By[1]) > 0
		}
		for e := range pictureOf(t, openedAll(s, next, connectivity.Options{})) {
			if !isolated[e.from] && !isolated[e.to] {
				t.Fatalf("%s -> %s was opened by a netpol, and neither side was isolated", e.from, e.to)
			}
		}
	})
}

func TestLawNamesAndOrderDoNotMatter(t *testing.T) {
	checks(t, 50, func(t *rapid.T) {
		objects := drawObjects(t)
		want := everything(t, snapshotOf(t, objects))
		renamed := make([]runtime.Object, 0, len(objects))
		for i, o := range objects {
			if np, ok := o.(*networkingv1.NetworkPolicy); ok {
				np = np.DeepCopy()
				np.Name = fmt.Sprintf("z%d-%s", len(objects)-i, np.Name)
				o = np
			}
			renamed = append(renamed, o)
		}
		mustEqual(t, everything(t, snapshotOf(t, rapid.Permutation(renamed).Draw(t, "order"))), want, "netpols were renamed and objects shuffled")
	})
}

func TestLawAddThenDeleteIsTheIdentity(t *testing.T) {
	checks(t, 50, func(t *rapid.T) {
		objects := drawObjects(t)
		s := snapshotOf(t, objects)
		want := everything(t, s)
		added := rapid.OneOf(
			rapid.Custom(func(t *rapid.T) runtime.Object { return drawNetpol(t, "added") }),
			rapid.Custom(func(t *rapid.T) runtime.Object { return drawPod(t, "added") }),
			rapid.Just[runtime.Object](&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "added"}}),
		).Draw(t, "added")
		there := clustertest.Apply(t, s, clustertest.Create(t, added)...)
		back := clustertest.Apply(t, there, clustertest.Delete(t, added)...)
		mustEqual(t, everything(t, back), want, "something was added and deleted")
		mustEqual(t, everything(t, s), want, "the snapshot that others were made from")
		if opened := openedAll(s, back, connectivity.Options{}); len(opened) > 0 {
			t.Fatalf("something was added and deleted, and opened %v", opened)
		}
	})
}

func TestLawApplyEqualsBuildingFromScratch(t *testing.T) {
	checks(t, 50, func(t *rapid.T) {
		objects := drawObjects(t)
		s := snapshotOf(t, objects)
		for i := range rapid.IntRange(1, 4).Draw(t, "changes") {
			var changes []cluster.Change
			objects, changes = drawChange(t, objects, fmt.Sprintf("c%d", i))
			s = clustertest.Apply(t, s, changes...)
		}
		mustEqual(t, everything(t, s), everything(t, snapshotOf(t, objects)), "changes one by one and all at once")
	})
}

// everything is the whole picture of a snapshot.
func everything(t *rapid.T, s *cluster.Snapshot) picture {
	return pictureOf(t, connectivity.Connections(s, connectivity.Options{}))
}

func mustEqual(t *rapid.T, got, want picture, when string) {
	t.Helper()
	mustCover(t, got, want, when)
	mustCover(t, want, got, when+" (the other way round)")
}

// mustCover: what the smaller picture has, the larger has at least as surely.
// Blocks of addresses may be cut differently.
func mustCover(t *rapid.T, large, small picture, when string) {
	t.Helper()
	for e, want := range small {
		got := large.at(e)
		if rest := want.open.Subtract(got.open); !rest.Empty() {
			t.Fatalf("%s: %s -> %s was open on %s and is not", when, e.from, e.to, rest)
		}
		if rest := want.unknown.Subtract(got.open.Union(got.unknown)); !rest.Empty() {
			t.Fatalf("%s: %s -> %s was unknown on %s and is blocked", when, e.from, e.to, rest)
		}
	}
}

// openedAll is what a change opens, between workloads and to and from outside.
func openedAll(before, after *cluster.Snapshot, o connectivity.Options) []connectivity.Connection {
	out := connectivity.Opened(before, after, connectivity.Query{From: connectivity.Everyone(), To: connectivity.Everyone()}, o)
	for _, block := range connectivity.Anywhere() {
		outside := connectivity.Selection{Block: block}
		out = append(out, connectivity.Opened(before, after, connectivity.Query{From: connectivity.Everyone(), To: outside}, o)...)
		out = append(out, connectivity.Opened(before, after, connectivity.Query{From: outside, To: connectivity.Everyone()}, o)...)
	}
	return out
}

// refSelection is a selection as the reference reads it.
type refSelection struct{ namespaces, pods metav1.LabelSelector }

func drawQuery(t *rapid.T) (q connectivity.Query, from, to refSelection) {
	draw := func(name string) (connectivity.Selection, refSelection) {
		r := refSelection{drawLabelSelector(t, name+" namespaces"), drawLabelSelector(t, name+" pods")}
		namespaces, err := selector.New(r.namespaces)
		if err != nil {
			t.Fatal(err)
		}
		pods, err := selector.New(r.pods)
		if err != nil {
			t.Fatal(err)
		}
		return connectivity.Selection{Namespaces: namespaces, Pods: pods}, r
	}
	q.From, from = draw("from")
	q.To, to = draw("to")
	if rapid.Bool().Draw(t, "some ports") {
		q.Ports = connectivity.Ports(
			connectivity.PortRange{Protocol: cluster.TCP, First: 80, Last: 90},
			connectivity.PortRange{Protocol: cluster.UDP, First: 53, Last: 53})
	}
	return q, from, to
}

// drawLabelSelector is a selector that parses.
func drawLabelSelector(t *rapid.T, name string) metav1.LabelSelector {
	return rapid.Custom(func(t *rapid.T) metav1.LabelSelector { return drawSelector(t, name) }).
		Filter(func(s metav1.LabelSelector) bool { return selectorMatches(&s, nil).level != 1 }).Draw(t, name)
}

// chosen are the pods that a selection chooses. A pod relabelled away from its
// template is still chosen by that template's labels.
func (r *reference) chosen(pods []*refPod, s refSelection) []*refPod {
	return slices.DeleteFunc(slices.Clone(pods), func(p *refPod) bool {
		here := r.namespaceMatches(&s.namespaces, p.namespace) != blocked
		by := p.selected(&s.pods) != blocked || (p.template != nil && p.made.selected(&s.pods) != blocked)
		return !here || !by
	})
}

func without(pods, others []*refPod) []*refPod {
	return slices.DeleteFunc(slices.Clone(pods), func(p *refPod) bool { return slices.Contains(others, p) })
}
