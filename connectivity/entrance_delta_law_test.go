package connectivity_test

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"pgregory.net/rapid"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/cluster/selector"
	"github.com/podcullis/podcullis/connectivity"
)

// entered is a cluster in API objects, with routes, which are none.
type entered struct {
	objects []runtime.Object
	routes  []cluster.Object
}

// reading is what the plain reading knows of it.
func (e entered) reading(c entranceCase) entranceCase {
	c.reference = newReference(slices.DeleteFunc(slices.Clone(e.objects), isEntry), "")
	c.services, c.behind = nil, map[connectivity.Through][]string{}
	for _, o := range e.objects {
		switch o := o.(type) {
		case *corev1.Service:
			c.services = append(c.services, o)
		case *networkingv1.Ingress:
			if b := o.Spec.DefaultBackend.Service; b.Port.Number == 8080 {
				c.behind[connectivity.ThroughIngress] = append(c.behind[connectivity.ThroughIngress], o.Namespace+"/"+b.Name)
			}
		}
	}
	for _, r := range e.routes {
		for _, b := range r.(*cluster.Route).Backends {
			c.behind[connectivity.ThroughRoute] = append(c.behind[connectivity.ThroughRoute], b.Namespace+"/"+b.Service)
		}
	}
	return c
}

func isEntry(o runtime.Object) bool {
	switch o.(type) {
	case *corev1.Service, *networkingv1.Ingress:
		return true
	}
	return false
}

func modelsOf(t *rapid.T, e entered) map[cluster.Ref]cluster.Object {
	out := map[cluster.Ref]cluster.Object{}
	for _, o := range e.objects {
		m := lenient(t, o)
		out[m.Ref()] = m
	}
	for _, r := range e.routes {
		out[r.Ref()] = r
	}
	return out
}

// changed is the cluster after a change of a Service, an Ingress, a route, a netpol or the
// labels of a namespace. No pod changes.
func (e entered) changed(t *rapid.T) entered {
	out := entered{slices.Clone(e.objects), slices.Clone(e.routes)}
	at := func(is func(runtime.Object) bool) int {
		var list []int
		for i, o := range out.objects {
			if is(o) {
				list = append(list, i)
			}
		}
		if len(list) == 0 {
			return -1
		}
		return rapid.SampledFrom(list).Draw(t, "which")
	}
	remove := func(is func(runtime.Object) bool) {
		if i := at(is); i >= 0 {
			out.objects = slices.Delete(out.objects, i, i+1)
		}
	}
	switch rapid.SampledFrom([]string{"Service", "Service gone", "Ingress", "Ingress gone", "route", "netpol", "netpol gone", "namespace"}).Draw(t, "change") {
	case "Service":
		if i := at(isA[*corev1.Service]); i >= 0 {
			old := out.objects[i].(*corev1.Service)
			s := drawService(t, "changed")
			s.Name, s.Namespace = old.Name, old.Namespace
			if rapid.Bool().Draw(t, "same selector") {
				s.Spec.Selector = old.Spec.Selector
			}
			out.objects[i] = s
		}
	case "Service gone":
		remove(isA[*corev1.Service])
	case "Ingress":
		if i := at(isA[*corev1.Service]); i >= 0 {
			s := out.objects[i].(*corev1.Service)
			out.objects = append(out.objects, &networkingv1.Ingress{
				ObjectMeta: metav1.ObjectMeta{Name: "new", Namespace: s.Namespace},
				Spec: networkingv1.IngressSpec{DefaultBackend: &networkingv1.IngressBackend{
					Service: &networkingv1.IngressServiceBackend{Name: s.Name, Port: networkingv1.ServiceBackendPort{Number: 8080}},
				}},
			})
		}
	case "Ingress gone":
		remove(isA[*networkingv1.Ingress])
	case "route":
		if len(out.routes) > 0 {
			out.routes = nil
		} else if i := at(isA[*corev1.Service]); i >= 0 {
			s := out.objects[i].(*corev1.Service)
			r, _, err := cluster.NewRoute("HTTPRoute", "c", fmt.Appendf(nil, `{"metadata":{"name":"r"},"spec":{"rules":[{"backendRefs":[{"name":%q,"namespace":%q,"port":8080}]}]}}`, s.Name, s.Namespace))
			if err != nil {
				t.Fatal(err)
			}
			out.routes = append(out.routes, r)
		}
	case "netpol":
		out.objects = append(out.objects, drawNetpol(t, "new"))
	case "netpol gone":
		remove(isA[*networkingv1.NetworkPolicy])
	case "namespace":
		if i := at(isA[*corev1.Namespace]); i >= 0 {
			ns := out.objects[i].(*corev1.Namespace).DeepCopy()
			ns.Labels = drawLabels(t, "relabelled")
			out.objects[i] = ns
		}
	}
	return out
}

func isA[T runtime.Object](o runtime.Object) bool { _, ok := o.(T); return ok }

// TestLawOpenedEntrances holds of random clusters and changes of all but pods: what nobody of
// a workload had before is told as opened, and as certain or unknown as it is; what each of
// its pods had before, or has not now, is not told.
func TestLawOpenedEntrances(t *testing.T) {
	opened := 0
	checks(t, 100, func(t *rapid.T) {
		objects := drawObjects(t)
		entries, routes, _ := drawEntries(t)
		was := entered{append(objects, entries...), routes}
		is := was.changed(t)
		var served entranceCase
		q := connectivity.EntranceQuery{To: connectivity.Everyone()}
		switch rapid.IntRange(0, 2).Draw(t, "controllers") {
		case 0:
			served.served = true
			q.Controllers = []connectivity.Selection{{Namespaces: selectorOf(t, "kubernetes.io/metadata.name", "a"), Pods: selector.Everything()}}
		case 1:
			served.servers = "10.0.0.0/8"
			q.Controllers = []connectivity.Selection{{Block: netip.MustParsePrefix(served.servers)}}
		}
		if rapid.Bool().Draw(t, "not from 10.0.0.0/8") {
			q.From = set("0.0.0.0/0", "10.0.0.0/8")
		}
		before, after := was.reading(served), is.reading(served)
		got := openedBy(t, was, is, q)
		opened += len(got)
		pods := before.reference.byPeer()
		for peer, now := range after.reference.byPeer() {
			for _, through := range connectivity.Throughs() {
				for _, address := range outsiders {
					for _, p := range probes {
						least, most := levelsOpened(before, after, pods[peer], now, through, address, p)
						if len(q.From) > 0 && !slices.ContainsFunc(q.From, func(b netip.Prefix) bool { return b.Contains(netip.MustParseAddr(address)) }) {
							least, most = 0, 0
						}
						if level := blockOf(got[string(through)+" "+peer], address).level(p); level < least || level > most {
							t.Fatalf("%s through %s from %s on %s %d: told as %s, want from %s to %s\nbefore:\n%s\nchanged:\n%s", peer, through, address, p.protocol, p.port,
								levelNames[level], levelNames[least], levelNames[most], writtenAll(was.objects), writtenAll(differing(was.objects, is.objects)))
						}
					}
				}
			}
		}
	})
	if opened == 0 {
		t.Error("no change opened anything")
	}
}

// levelsOpened are between which levels an entrance has to be told as opened: the pods are
// the same before and after, in the same order.
func levelsOpened(before, after entranceCase, old, now []*refPod, through connectivity.Through, address string, p probe) (least, most int) {
	had := blocked
	for i, pod := range now {
		b, a := before.entrance(through, old[i], address, p), after.entrance(through, pod, address, p)
		had = had.or(b)
		least = max(least, a.level)
		// One who had it has it still; what was not proved before may have been there.
		if a.level > 0 && b.level < 2 {
			most = max(most, a.level)
		}
	}
	if had.level > 0 {
		least = 0
	}
	return least, most
}

// openedBy is what the engine tells, by through and workload, and by block.
func openedBy(t *rapid.T, was, is entered, q connectivity.EntranceQuery) map[string]map[netip.Prefix]answer {
	old, now := modelsOf(t, was), modelsOf(t, is)
	before := snapshotOf(t, was.objects)
	before = appliedAll(t, before, was.routes)
	var changes []cluster.Change
	for ref, o := range old {
		if now[ref] == nil {
			changes = append(changes, cluster.Change{Before: o})
		}
	}
	written := map[cluster.Ref]runtime.Object{}
	for _, o := range was.objects {
		written[lenient(t, o).Ref()] = o
	}
	for _, o := range is.objects {
		m := lenient(t, o)
		if written[m.Ref()] != o { // another object in its place
			changes = append(changes, cluster.Change{Before: old[m.Ref()], After: m})
		}
	}
	for _, r := range is.routes {
		if old[r.Ref()] == nil {
			changes = append(changes, cluster.Change{After: r})
		}
	}
	after, err := before.Apply(changes...)
	if err != nil {
		t.Fatal(err)
	}
	return answersOf(connectivity.OpenedEntrances(before, after, q, connectivity.Options{}))
}

// lenient takes also what does not parse in full, as a cluster may hold it.
func lenient(t *rapid.T, o runtime.Object) cluster.Object {
	m, err := cluster.FromAPI(o)
	if m == nil {
		t.Fatal(err)
	}
	return m
}

// writtenAll are objects for who looks for the fault, one a line.
func writtenAll(objects []runtime.Object) string {
	var out []string
	for _, o := range objects {
		out = append(out, fmt.Sprintf("%T %s", o, written(o)))
	}
	return strings.Join(out, "\n")
}

func appliedAll(t *rapid.T, s *cluster.Snapshot, objects []cluster.Object) *cluster.Snapshot {
	for _, o := range objects {
		var err error
		if s, err = s.Apply(cluster.Change{After: o}); err != nil {
			t.Fatal(err)
		}
	}
	return s
}
