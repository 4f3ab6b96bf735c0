package connectivity

import (
	"net/netip"
	"slices"

	"github.com/podcullis/podcullis/cluster"
)

// manyPods is how many pods of a workload have changed when asking each for its twin is
// no longer cheaper than comparing all of them.
const manyPods = 8

// matters leaves out of the delta the workloads in which nothing but twins has come or
// changed, and reports whether something is left of it.
func (t *transition) matters() bool {
	left := t.delta.Everything
	for i := range t.delta.Namespaces {
		ns := &t.delta.Namespaces[i]
		if !t.delta.Everything && !ns.Relabelled && !ns.Templates && len(ns.Netpols) == 0 {
			ns.Workloads = slices.DeleteFunc(ns.Workloads, t.onlyTwins)
		}
		left = left || ns.Relabelled || len(ns.Netpols) > 0 || len(ns.Workloads) > 0
	}
	return left
}

// onlyTwins reports whether each pod in which a workload differs from before has a twin:
// an end of its past that means the same to every selector and has, or may get, the same
// addresses. Then each of its paths, its isolation and its barriers are what the twin's
// were, and comparing them would find nothing: most new pods are one more of many, and
// so are told apart early. It is so where nothing but pods has changed in the namespace.
func (t *transition) onlyTwins(w *cluster.Workload) bool {
	if strayed(w) {
		return false
	}
	changed := 0
	for _, v := range w.Variants {
		for _, name := range v.Pods {
			now, _ := t.after.snapshot.Pod(w.Namespace, name)
			if then, ok := t.before.snapshot.Pod(w.Namespace, name); ok && then == now {
				continue
			}
			if changed++; changed > manyPods || !t.hasTwin(v, name) {
				return false
			}
		}
	}
	return true
}

func (t *transition) hasTwin(v *cluster.Variant, pod string) bool {
	p := t.provenanceOf(v, pod)
	p.makers = makersOf(t.after.snapshot, v.Workload.Namespace, pod)
	past := t.pastOfPods(v, []string{pod}, p)
	if past.self != nil && (strayed(past.self.Workload) || !t.sameMeaning(past.now, past.self)) {
		return false // who was something else is asked about by that, too
	}
	return slices.ContainsFunc(past.lending(), func(then *cluster.Variant) bool {
		return t.sameMeaning(past.now, then) && coversAddresses(then, past.now)
	})
}

// strayed reports whether a workload is also asked about by labels that its pod has lost.
func strayed(w *cluster.Workload) bool { return w.Parent != (cluster.Ref{}) }

// coversAddresses reports whether an end has, or may get, every address of another one. A
// node's is never certain to be another node's.
func coversAddresses(a, b *cluster.Variant) bool {
	return !b.HostNetwork && (a.Unaddressed || !b.Unaddressed) &&
		!slices.ContainsFunc(b.IPs, func(ip netip.Addr) bool { return !slices.Contains(a.IPs, ip) })
}
