package connectivity_test

import (
	"fmt"
	"maps"
	"net/netip"
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

// The laws of Scope Possible: what it says is what the reference finds by trying
// every label set, and its witnesses get through when they are really created.

// narrow rewrites the pod selectors of netpols to two keys and two values, so that
// every label set can be tried.
func narrow(objects []runtime.Object) []runtime.Object {
	out := make([]runtime.Object, 0, len(objects))
	for _, o := range objects {
		np, ok := o.(*networkingv1.NetworkPolicy)
		if !ok {
			out = append(out, o)
			continue
		}
		np = np.DeepCopy()
		narrowSelector(&np.Spec.PodSelector)
		for i := range np.Spec.Ingress {
			for j := range np.Spec.Ingress[i].From {
				narrowSelector(np.Spec.Ingress[i].From[j].PodSelector)
			}
		}
		for i := range np.Spec.Egress {
			for j := range np.Spec.Egress[i].To {
				narrowSelector(np.Spec.Egress[i].To[j].PodSelector)
			}
		}
		out = append(out, np)
	}
	return out
}

func narrowSelector(s *metav1.LabelSelector) {
	if s == nil {
		return
	}
	for i := range s.MatchExpressions {
		e := &s.MatchExpressions[i]
		if e.Key != "app" {
			e.Key = "tier"
		}
		for j, v := range e.Values {
			if v != "1" {
				e.Values[j] = "2"
			}
		}
	}
}

// everyLabelSet are all label sets over two keys: lacking it, the two values that
// selectors mention, and one that none does.
func everyLabelSet() []map[string]string {
	var out []map[string]string
	for _, app := range []string{"", "1", "2", "other"} {
		for _, tier := range []string{"", "1", "2", "other"} {
			l := map[string]string{}
			if app != "" {
				l["app"] = app
			}
			if tier != "" {
				l["tier"] = tier
			}
			out = append(out, l)
		}
	}
	return out
}

// possibleProbes are fewer, because every one is tried for every pair of pods.
var possibleProbes = []probe{{"TCP", 1}, {"TCP", 80}, {"TCP", 85}, {"TCP", 8080}, {"UDP", 53}, {"SCTP", 443}}

// podsOf are the pods that could be created in a namespace, as far as they matter
// for one port: which of the three names that rules mention it has.
func podsOf(namespace string, selector *metav1.LabelSelector, p *probe) []*refPod {
	names := [][]string{{}}
	if p != nil {
		names = [][]string{{}, {"web"}, {"dns"}, {"none"}, {"web", "dns"}, {"web", "none"}, {"dns", "none"}, {"web", "dns", "none"}}
	}
	var out []*refPod
	for _, l := range everyLabelSet() {
		if selectorMatches(selector, l) != open {
			continue
		}
		for _, set := range names {
			pod := &refPod{namespace: namespace, labels: l}
			for _, name := range set {
				pod.ports = append(pod.ports, corev1.ContainerPort{Name: name, ContainerPort: int32(p.port), Protocol: p.protocol})
			}
			out = append(out, pod)
		}
	}
	return out
}

// possibleChange is a random change, and a query about what it makes possible.
type possibleChange struct {
	objects       [2][]runtime.Object
	before, after *cluster.Snapshot
	was, now      *reference
	query         connectivity.Query
	from, to      refSelection
	options       connectivity.Options
}

func drawPossibleChange(t *rapid.T) *possibleChange {
	objects := narrow(drawObjects(t))
	network := rapid.SampledFrom([]string{"", podNetwork}).Draw(t, "pod network")
	foreign := drawForeign(t, "foreign")
	x := &possibleChange{options: options(network)}
	x.query, x.from, x.to = drawQuery(t)
	x.query.Scope = connectivity.Possible
	narrowSelector(&x.from.pods)
	narrowSelector(&x.to.pods)
	x.query.From.Pods, x.query.To.Pods = mustSelect(t, x.from.pods), mustSelect(t, x.to.pods)
	after := slices.Clone(objects)
	for _, name := range []string{"c0", "c1"}[:rapid.IntRange(1, 2).Draw(t, "changes")] {
		after, _ = drawChange(t, after, name)
	}
	after = narrow(after)
	x.objects = [2][]runtime.Object{objects, after}
	x.before, x.after = snapshotOf(t, objects, foreign...), snapshotOf(t, after, foreign...)
	x.was, x.now = newReference(objects, network).forget(x.before), newReference(after, network).forget(x.after)
	x.was.foreign, x.now.foreign = foreign, foreign
	return x
}

func mustSelect(t *rapid.T, s metav1.LabelSelector) selector.Selector {
	out, err := selector.New(s)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func (r *reference) chooses(s refSelection, namespace string) bool {
	l, ok := r.namespaces[namespace]
	return ok && selectorMatches(&s.namespaces, l) == open
}

// forget leaves out the namespaces that only a finished pod names: they are not
// in the model.
func (r *reference) forget(s *cluster.Snapshot) *reference {
	for name := range r.namespaces {
		if _, ok := s.Namespace(name); !ok {
			delete(r.namespaces, name)
		}
	}
	return r
}

// newly is what a change makes of one pair of ends: open, unknown or neither.
func newly(now, then truth) int {
	if now.level > then.level && (now == open || then == blocked) {
		return now.level
	}
	return blocked.level
}

func TestLawPossibleAgreesWithTryingEveryLabelSet(t *testing.T) { checks(t, 50, possibleAgrees) }

func FuzzPossible(f *testing.F) { f.Fuzz(rapid.MakeFuzz(possibleAgrees)) }

func possibleAgrees(t *rapid.T) {
	x := drawPossibleChange(t)
	got := witnessed(connectivity.Opened(x.before, x.after, x.query, x.options))
	for _, a := range []string{"a", "b", "c"} {
		b := rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "to namespace")
		fromWas, toWas := x.was.chooses(x.from, a), x.was.chooses(x.to, b)
		chosen := x.now.namespaces[a] != nil && x.now.namespaces[b] != nil &&
			(fromWas || x.now.chooses(x.from, a)) && (toWas || x.now.chooses(x.to, b))
		for _, p := range possibleProbes {
			want := blocked.level
			if chosen && (x.query.Ports.Empty() || (answer{open: x.query.Ports}).level(p) == open.level) {
				for _, s := range podsOf(a, &x.from.pods, nil) {
					for _, d := range podsOf(b, &x.to.pods, &p) {
						now, then := x.now.connection(refEnd{pod: s}, refEnd{pod: d}, p.protocol, p.port), blocked
						if now != blocked && fromWas && toWas {
							then = x.was.connection(refEnd{pod: s}, refEnd{pod: d}, p.protocol, p.port)
						}
						want = max(want, newly(now, then))
					}
				}
			}
			if level := got[edge{a, b}].level(p); level != want {
				t.Fatalf("%s -> %s on %s %d: got %s, trying everything says %s", a, b, p.protocol, p.port, levelNames[level], levelNames[want])
			}
		}
	}
}

func TestLawPossibleAgreesWithTryingEveryLabelSetOutside(t *testing.T) {
	checks(t, 50, func(t *rapid.T) {
		x := drawPossibleChange(t)
		egress := rapid.Bool().Draw(t, "egress")
		anywhere := connectivity.Anywhere()
		q, block := x.query, rapid.SampledFrom(anywhere[:]).Draw(t, "block")
		selection, r := &q.To, x.from
		if !egress {
			selection, r = &q.From, x.to
		}
		*selection = connectivity.Selection{Block: block}
		got := map[string]map[netip.Prefix]answer{}
		for _, c := range connectivity.Opened(x.before, x.after, q, x.options) {
			inside, outside := c.From, c.To
			if !egress {
				inside, outside = c.To, c.From
			}
			if inside.Witness == nil {
				continue
			}
			if got[inside.Witness.Namespace] == nil {
				got[inside.Witness.Namespace] = map[netip.Prefix]answer{}
			}
			got[inside.Witness.Namespace][outside.CIDR] = joined(got[inside.Witness.Namespace][outside.CIDR], c)
		}
		for _, namespace := range []string{"a", "b", "c"} {
			was := x.was.chooses(r, namespace)
			chosen := x.now.namespaces[namespace] != nil && (was || x.now.chooses(r, namespace))
			for _, address := range outsiders {
				if !block.Contains(netip.MustParseAddr(address)) {
					continue
				}
				for _, p := range possibleProbes {
					want := blocked.level
					named := &p
					if egress {
						named = nil
					}
					if chosen && (q.Ports.Empty() || (answer{open: q.Ports}).level(p) == open.level) {
						for _, pod := range podsOf(namespace, &r.pods, named) {
							s, d := refEnd{pod: pod}, refEnd{address: address}
							if !egress {
								s, d = d, s
							}
							now, then := x.now.connection(s, d, p.protocol, p.port), blocked
							if was {
								then = x.was.connection(s, d, p.protocol, p.port)
							}
							want = max(want, newly(now, then))
						}
					}
					level := blocked.level
					for b, a := range got[namespace] {
						if b.Contains(netip.MustParseAddr(address)) {
							level = max(level, a.level(p))
						}
					}
					if level != want {
						t.Fatalf("%s and %s on %s %d: got %s, trying everything says %s", namespace, address, p.protocol, p.port, levelNames[level], levelNames[want])
					}
				}
			}
		}
	})
}

// witnessed joins the answers about pods that could be created, by namespaces.
func witnessed(list []connectivity.Connection) picture {
	out := picture{}
	for _, c := range list {
		if c.From.Witness != nil && c.To.Witness != nil {
			e := edge{c.From.Witness.Namespace, c.To.Witness.Namespace}
			out[e] = joined(out[e], c)
		}
	}
	return out
}

func joined(a answer, c connectivity.Connection) answer {
	if c.Unknown == "" {
		a.open = a.open.Union(c.Ports)
	} else {
		a.unknown = a.unknown.Union(c.Ports)
	}
	return a
}

// Every witness, created as it says, gets through, and did not before.
func TestLawAWitnessGetsThrough(t *testing.T) {
	checks(t, 100, func(t *rapid.T) {
		x := drawPossibleChange(t)
		for _, c := range connectivity.Opened(x.before, x.after, x.query, x.options) {
			if c.From.Witness == nil || c.To.Witness == nil {
				continue
			}
			if c.Unknown == connectivity.NotDecided {
				t.Fatalf("%s -> %s was not decided", c.From, c.To)
			}
			r := rapid.SampledFrom(c.Ports.Ranges()).Draw(t, "range")
			port := rapid.SampledFrom([]uint16{r.First, r.Last}).Draw(t, "port")
			created := []runtime.Object{podLike("s", c.From.Witness, port), podLike("d", c.To.Witness, port)}
			at := func(objects []runtime.Object) int {
				s := snapshotOf(t, append(slices.Clone(objects), created...), x.now.foreign...)
				picture := pictureOf(t, connectivity.Connections(s, x.options))
				e := edge{c.From.Witness.Namespace + "/Pod/s", c.To.Witness.Namespace + "/Pod/d"}
				return picture[e].level(probe{corev1.Protocol(r.Protocol.String()), int(port)})
			}
			want := open.level
			if c.Unknown != "" {
				want = unknown("").level
			}
			if got := at(x.objects[1]); got != want {
				t.Fatalf("%s -> %s on %s %d: said to be %s, and created it is %s", c.From, c.To, r.Protocol, port, levelNames[want], levelNames[got])
			}
			if x.was.chooses(x.from, c.From.Witness.Namespace) && x.was.chooses(x.to, c.To.Witness.Namespace) {
				if got := at(x.objects[0]); got >= want {
					t.Fatalf("%s -> %s on %s %d: said to be new, and it was %s", c.From, c.To, r.Protocol, port, levelNames[got])
				}
			}
			checkKey(t, c.From.Witness, &x.from.pods)
			checkKey(t, c.To.Witness, &x.to.pods)
		}
	})
}

// checkKey: the selection chooses the witness, and the witness meets its key,
// which not every pod does that the selection chooses.
func checkKey(t *rapid.T, w *connectivity.Witness, selection *metav1.LabelSelector) {
	if selectorMatches(selection, w.Labels) != open {
		t.Fatalf("%s is not chosen by %v", w, selection)
	}
	for _, r := range w.Key {
		if !r.Matches(w.Labels) {
			t.Fatalf("%s does not meet its key %s", w, r)
		}
		if !slices.ContainsFunc(everyLabelSet(), func(l map[string]string) bool { return selectorMatches(selection, l) == open && !r.Matches(l) }) {
			t.Fatalf("%s: whoever is chosen meets the key %s", w, r)
		}
	}
}

func podLike(name string, w *connectivity.Witness, port uint16) *corev1.Pod {
	p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: w.Namespace, Name: name, Labels: maps.Clone(w.Labels)}}
	for i, named := range w.Ports {
		p.Spec.Containers = append(p.Spec.Containers, corev1.Container{
			Name:  fmt.Sprintf("c%d", i),
			Ports: []corev1.ContainerPort{{Name: named.Name, ContainerPort: int32(port), Protocol: corev1.Protocol(named.Protocol.String())}},
		})
	}
	return p
}

// What exists is possible: no pod of the cluster gets through where nothing is
// said to. Here nothing is narrowed, so that labels, addresses and hosts'
// networks are as wild as they come.
func TestLawPossibleCoversWhatExists(t *testing.T) {
	checks(t, 100, func(t *rapid.T) {
		objects := drawObjects(t)
		for i := range rapid.IntRange(0, 4).Draw(t, "extra pods") {
			objects = append(objects, drawPod(t, fmt.Sprintf("extra%d", i)))
		}
		q, _, _ := drawQuery(t)
		o := options(rapid.SampledFrom([]string{"", podNetwork}).Draw(t, "pod network"))
		s := snapshotOf(t, objects, drawForeign(t, "foreign")...)
		existing := connectivity.Open(s, q, o)
		q.Scope = connectivity.Possible
		all := connectivity.Open(s, q, o)
		byNamespace := witnessed(all)
		for _, c := range existing {
			if slices.ContainsFunc(c.Because, func(b connectivity.Because) bool { return b.Unknown == connectivity.GeneratedLabel }) {
				continue // doubts about labels are taken one by one, and no one pod may have all of them
			}
			told := byNamespace[edge{c.From.Workload.Namespace, c.To.Workload.Namespace}]
			for _, other := range all {
				if other.From == c.From && other.To == c.To {
					told = joined(told, other)
				}
			}
			rest := c.Ports.Subtract(told.open)
			if c.Unknown != "" {
				rest = rest.Subtract(told.unknown)
			}
			if !rest.Empty() {
				t.Fatalf("%s -> %s is open or unknown (%s) on %s, and not possible", c.From, c.To, c.Unknown, rest)
			}
		}
	})
}

// A pod that comes, goes or changes makes nothing possible that was not, unless
// it is one of those that the proof is not about.
func TestLawAPodMakesNothingPossible(t *testing.T) {
	checks(t, 50, func(t *rapid.T) {
		objects := drawObjects(t)
		s := snapshotOf(t, objects)
		q, _, _ := drawQuery(t)
		q.Scope = connectivity.Possible
		pod := drawPod(t, "new")
		if _, ok := s.Namespace(pod.Namespace); !ok {
			t.Skip("a new namespace makes things possible")
		}
		for _, c := range connectivity.Opened(s, clustertest.Apply(t, s, clustertest.Create(t, pod)...), q, connectivity.Options{}) {
			if c.From.Witness != nil || c.To.Witness != nil {
				t.Fatalf("a new pod opens %s -> %s", c.From, c.To)
			}
		}
	})
}
