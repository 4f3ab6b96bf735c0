package cluster

import (
	"cmp"
	"slices"

	"k8s.io/apimachinery/pkg/labels"
)

// refoldOne is refold for one pod that came, went or changed: it takes the pod out of the
// variant that it counted to and puts it where it belongs now, and looks at none of its
// siblings. ok is false for what is not that simple: a pod that was relabelled away from its
// controller, and a workload that comes or goes.
func (s *shard) refoldOne(base *folded, pod touched) (out *folded, ok bool) {
	edited := map[Ref]*Workload{}
	edit := func(ref Ref) *Workload {
		if w, ok := edited[ref]; ok {
			return w
		}
		w, ok := base.workload(ref)
		if !ok || w.Parent != (Ref{}) {
			return nil
		}
		edited[ref] = w.clone()
		return edited[ref]
	}
	if pod.was != (Ref{}) {
		w := edit(pod.was)
		if w == nil || !w.take(pod.name) {
			return nil, false
		}
	}
	if p, there := s.pods[pod.name]; there {
		b := s.belongingOf(p)
		w := edit(b.workload)
		if w == nil || b.strayed != nil {
			return nil, false
		}
		w.put(p, b.membership)
	}
	again := map[Ref][]string{}
	var fresh []*Workload
	for ref, w := range edited {
		if s.settle(w); len(w.Variants) == 0 {
			return nil, false
		}
		again[ref] = nil
		fresh = append(fresh, w)
	}
	slices.SortFunc(fresh, func(a, b *Workload) int { return a.Ref.Compare(b.Ref) })
	return base.with(again, fresh), true
}

// clone is a workload whose variants may be changed, but not what they share.
func (w *Workload) clone() *Workload {
	c := &Workload{Ref: w.Ref, Labels: w.Labels, Variants: make([]*Variant, 0, len(w.Variants)+1)}
	for _, v := range w.Variants {
		n := *v
		n.Workload = c
		c.Variants = append(c.Variants, &n)
	}
	return c
}

// take takes a pod out, and reports whether it was there.
func (w *Workload) take(name string) bool {
	for _, v := range w.Variants {
		if at, ok := slices.BinarySearch(v.Pods, name); ok {
			v.Pods = slices.Delete(slices.Clone(v.Pods), at, at+1)
			v.IPs = nil // see settle
			return true
		}
	}
	return false
}

// put puts a pod to those that are like it.
func (w *Workload) put(p *Pod, m Membership) {
	t := traits{m, p.Labels, p.Ports, p.HostNetwork, makerOfPod(p)}
	at := slices.IndexFunc(w.Variants, t.are)
	if at < 0 {
		newVariant(w, t)
		at = len(w.Variants) - 1
	}
	v := w.Variants[at]
	v.Pods = append(make([]string, 0, len(v.Pods)+1), v.Pods...)
	i, _ := slices.BinarySearch(v.Pods, p.Name)
	v.Pods = slices.Insert(v.Pods, i, p.Name)
	v.IPs = nil
}

// settle makes of an edited workload what folding it anew makes: the addresses of each
// variant, and their order, which is that of their templates and then of their first pods.
func (s *shard) settle(w *Workload) {
	w.Variants = slices.DeleteFunc(w.Variants, func(v *Variant) bool { return len(v.Pods) == 0 && len(v.Templates) == 0 })
	templates := false
	for _, v := range w.Variants {
		templates = templates || len(v.Templates) > 0
		if v.IPs != nil {
			continue
		}
		v.Unaddressed = len(v.Templates) > 0
		for _, name := range v.Pods {
			p := s.pods[name]
			v.IPs = append(v.IPs, p.IPs...)
			v.Unaddressed = v.Unaddressed || len(p.IPs) == 0
		}
	}
	slices.SortStableFunc(w.Variants, func(a, b *Variant) int {
		switch {
		case len(a.Templates) > 0 && len(b.Templates) > 0:
			return 0
		case len(a.Templates) > 0:
			return -1
		case len(b.Templates) > 0:
			return 1
		}
		return cmp.Compare(a.Pods[0], b.Pods[0])
	})
	if !templates && len(w.Variants) > 0 {
		w.Labels = s.labelsOf(w.Ref, s.pods[w.Variants[0].Pods[0]].Labels)
	}
}

// labelsOf are those by which a workload is shown: its own template's, or those of the
// first that is known to belong to it.
func (s *shard) labelsOf(r Ref, first labels.Set) labels.Set {
	if t, ok := s.templates[templateKey{r.Kind, r.Name}]; ok {
		return t.Labels
	}
	return first
}
