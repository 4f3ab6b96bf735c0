package remedy_test

import (
	"math/bits"
	"slices"

	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// plain is the small world of the law written down once more, so plainly that every
// edit of two places can be tried: who is isolated by default, and whom the netpols of
// one namespace let through.
type plain struct {
	pods      []plainPod
	others    []*networkingv1.NetworkPolicy // that stay as they are
	before    *networkingv1.NetworkPolicy   // what the netpol was; nil for a new one
	forbidden func(from, to plainPod) bool
}

// plainPod is a workload; the two last sources are the families of addresses outside.
type plainPod struct{ namespace, name, app, tier string }

// reach is, for each workload, the set of those that get through to it: first, for all
// workloads, who does for certain, then who may, because nobody knows the addresses that
// pods will get.
type reach []uint32

// through is what some netpols of namespace one let through.
func (w *plain) through(netpols ...*networkingv1.NetworkPolicy) reach {
	out := make(reach, 2*len(w.pods))
	everybody := uint32(1<<len(w.pods) - 1)
	outside := uint32(3) << len(w.pods)
	for _, n := range netpols {
		if n == nil {
			continue
		}
		var sources, possible uint32
		for _, rule := range n.Spec.Ingress {
			if len(rule.From) == 0 {
				sources |= outside | everybody
			}
			for _, p := range rule.From {
				if p.IPBlock != nil { // all IPv4 addresses: see drawNetpol
					sources |= 1 << len(w.pods)
					possible |= everybody
				}
				for i, pod := range w.pods {
					if p.PodSelector != nil && (p.NamespaceSelector != nil || pod.namespace == n.Namespace) && plainMatch(p.PodSelector, pod) {
						sources |= 1 << i
					}
				}
			}
		}
		for i, pod := range w.pods {
			if pod.namespace == n.Namespace && plainMatch(&n.Spec.PodSelector, pod) {
				out[i] |= sources &^ (1 << i)
				out[len(w.pods)+i] |= (sources | possible) &^ (1 << i)
			}
		}
	}
	return out
}

func plainMatch(s *metav1.LabelSelector, pod plainPod) bool {
	label := func(key string) string {
		if key == "app" {
			return pod.app
		}
		return pod.tier
	}
	for k, v := range s.MatchLabels {
		if label(k) != v {
			return false
		}
	}
	for _, e := range s.MatchExpressions {
		if slices.Contains(e.Values, label(e.Key)) != (e.Operator == metav1.LabelSelectorOpIn) {
			return false
		}
	}
	return true
}

// opened is what is open with a netpol and was not before, and is forbidden.
func (w *plain) opened(n *networkingv1.NetworkPolicy) reach {
	out := w.through(append(slices.Clone(w.others), n)...)
	was := w.through(append(slices.Clone(w.others), w.before)...)
	for to := range out {
		for from := range 32 {
			if out[to]&^was[to]&(1<<from) != 0 && (from >= len(w.pods) || !w.forbidden(w.pods[from], w.pods[to%len(w.pods)])) {
				out[to] &^= 1 << from
			}
		}
		out[to] &^= was[to]
	}
	return out
}

func (r reach) empty() bool { return !slices.ContainsFunc(r, func(s uint32) bool { return s != 0 }) }

// cheapest looks through all small edits of the netpol, one and two at a time: a
// label that is asked for or left out in any selector, a peer or a rule that goes. It
// is what loses least besides the forbidden, and nil where no edit settles it.
func (w *plain) cheapest(n *networkingv1.NetworkPolicy) (best *networkingv1.NetworkPolicy, lost int) {
	is, forbidden := w.through(append(slices.Clone(w.others), n)...), w.opened(n)
	seen := map[string]bool{}
	look := func(e *networkingv1.NetworkPolicy) {
		key := show(e)
		if seen[key] {
			return
		}
		seen[key] = true
		then := w.through(append(slices.Clone(w.others), e)...)
		l := 0
		for i := range w.pods {
			may := len(w.pods) + i
			l += bits.OnesCount32((is[i]&^then[i] | is[may]&^then[may]) &^ (forbidden[i] | forbidden[may]))
		}
		if (best == nil || l < lost) && w.opened(e).empty() {
			best, lost = e, l
		}
	}
	for _, one := range smallEdits(n) {
		look(one)
	}
	for _, one := range smallEdits(n) {
		if best != nil && lost == 0 {
			break
		}
		for _, two := range smallEdits(one) {
			look(two)
		}
	}
	return best, lost
}
