package connectivity

import (
	"slices"

	"github.com/podcullis/podcullis/cluster"
)

// past is some pods of a variant, or one of its templates, of the newer snapshot,
// with what a path of theirs is compared with. Pods of one variant may differ in that:
// one was there before and another is new.
type past struct {
	now *cluster.Variant
	// self is what the same objects were in the earlier snapshot; nil when they are new.
	self *cluster.Variant
	// was are the ends of the earlier snapshot whose paths they may have:
	//   - themselves, whatever they claimed to belong to, unless one change gave them
	//     another meaning and another owner at once;
	//   - for a pod, the pods of its workload that meant the same, and the templates
	//     that it can be a copy of;
	//   - for a template, the template of its owner and the templates of its workload
	//     that meant the same. Never a pod: one that has drifted lends nothing to a template.
	was []*cluster.Variant
	// gone are those of its own sort that are remembered.
	gone []*cluster.Remembered
}

// pastsOf takes a variant apart by the past of its pods and templates.
func (t *transition) pastsOf(v *cluster.Variant) []past {
	if out, ok := t.pasts[v]; ok {
		return out
	}
	var out []past
	pods, templates := t.after.ends(v)
	if pods != nil {
		out = append(out, t.pastsOfPods(pods)...)
	}
	if templates != nil {
		// pg-0 is somebody else than pg-1 to a netpol that names it.
		for _, part := range cluster.Split([]*cluster.Variant{templates}, t.keysIn(v.Workload.Namespace)) {
			for _, ref := range templates.Templates {
				out = append(out, t.pastOfTemplate(part, ref))
			}
		}
	}
	if t.pasts == nil {
		t.pasts = map[*cluster.Variant][]past{}
	}
	t.pasts[v] = out
	return out
}

// keysIn are what selectors mention of the pods of a namespace, before or after the change.
func (t *transition) keysIn(namespace string) *cluster.Keys {
	keys, ok := t.keys[namespace]
	if !ok {
		if t.keys == nil {
			t.keys = map[string]*cluster.Keys{}
		}
		keys = t.before.keysIn(namespace).Union(t.after.keysIn(namespace))
		t.keys[namespace] = keys
	}
	return keys
}

// unchanged reports whether the pods and templates of a workload are those of before.
func (t *transition) unchanged(w *cluster.Workload) bool {
	was, ok := t.before.snapshot.Workload(w.Ref)
	return ok && was == w
}

// provenance tells pods of one variant apart.
type provenance struct {
	self  *cluster.Variant // what they counted to in the earlier snapshot, whole
	lends bool             // whether that past is theirs still
	makers
}

// makers are the templates of which a pod can be a copy: its own ReplicaSet's or
// Job's, and the one above it. Either may be zero.
type makers struct{ own, above cluster.Ref }

func makersOf(s *cluster.Snapshot, namespace, pod string) makers {
	var out makers
	for i, maker := range s.TemplatesOf(namespace, pod) {
		if i == 0 {
			out.own = maker.Ref()
		} else {
			out.above = maker.Ref()
		}
	}
	return out
}

func (t *transition) pastsOfPods(v *cluster.Variant) []past {
	unchanged := t.unchanged(v.Workload)
	var order []provenance
	pods := map[provenance][]string{}
	for _, name := range v.Pods {
		p := provenance{self: v, lends: true}
		if !unchanged {
			p = t.provenanceOf(v, name)
		}
		p.makers = makersOf(t.after.snapshot, v.Workload.Namespace, name)
		if _, known := pods[p]; !known {
			order = append(order, p)
		}
		pods[p] = append(pods[p], name)
	}
	var out []past
	for _, p := range order {
		out = append(out, t.pastOfPods(v, pods[p], p))
	}
	return out
}

func (t *transition) provenanceOf(v *cluster.Variant, pod string) provenance {
	now, _ := t.after.snapshot.Pod(v.Workload.Namespace, pod)
	then, ok := t.before.snapshot.Pod(v.Workload.Namespace, pod)
	if !ok || then.UID != now.UID {
		return provenance{}
	}
	self := t.selfOf(v.Workload, pod)
	if self == nil {
		return provenance{} // it was there and had ended
	}
	return provenance{self: self, lends: sameOwner(now.Owners, then.Owners) || t.sameMeaning(v, self)}
}

// sameOwner compares the controllers, and where there is none all owners.
func sameOwner(now, then []cluster.Owner) bool {
	a, b := cluster.ControllerOf(now), cluster.ControllerOf(then)
	switch {
	case a == nil && b == nil:
		return slices.Equal(now, then)
	case a == nil || b == nil:
		return false
	}
	return *a == *b
}

// selfOf is the variant that a pod counted to before. Most pods of a workload were
// in the workload of the same name, which is looked through once.
func (t *transition) selfOf(w *cluster.Workload, pod string) *cluster.Variant {
	if t.podsWere == nil {
		t.podsWere = map[*cluster.Workload]map[string]*cluster.Variant{}
	}
	were, ok := t.podsWere[w]
	if !ok {
		were = map[string]*cluster.Variant{}
		if then, ok := t.before.snapshot.Workload(w.Ref); ok {
			for _, v := range then.Variants {
				for _, name := range v.Pods {
					were[name] = v
				}
			}
		}
		t.podsWere[w] = were
	}
	if v, ok := were[pod]; ok {
		return v
	}
	return t.before.snapshot.VariantOf(w.Namespace, pod)
}

func (t *transition) pastOfPods(v *cluster.Variant, pods []string, o provenance) past {
	p := past{now: t.after.snapshot.Some(v, pods)}
	if o.self != nil {
		p.self, _ = t.before.ends(o.self)
		p.self = t.before.snapshot.Some(p.self, pods)
	}
	if o.lends {
		p.was = append(p.was, p.self)
	}
	for _, maker := range []cluster.Ref{o.own, o.above} {
		if maker != (cluster.Ref{}) {
			p.was = t.appendTemplate(p.was, maker, v)
		}
	}
	switch {
	case t.believed(v.Membership):
		for _, x := range t.before.snapshot.Kin(v.Membership) {
			if then, _ := t.before.ends(x); then != nil && t.sameMeaning(v, x) {
				p.was = append(p.was, then)
			}
		}
		for _, r := range t.before.snapshot.Remembered(v.Membership) {
			if len(r.Templates) == 0 && t.sameMeaning(v, r.Variant) {
				p.gone = append(p.gone, r)
			}
		}
	case o.own != (cluster.Ref{}):
		// What a custom resource owns is a ReplicaSet, and that bears out its own pods.
		for _, x := range t.before.snapshot.Kin(v.Membership) {
			if then := t.madeBy(x, o.own); then != nil && t.sameMeaning(v, x) {
				p.was = append(p.was, then)
			}
		}
	}
	return p
}

// madeBy is the part of a variant, of the earlier snapshot, whose pods are of one
// ReplicaSet or Job; nil when there is none.
func (t *transition) madeBy(v *cluster.Variant, own cluster.Ref) *cluster.Variant {
	var pods []string
	for _, name := range v.Pods {
		if makersOf(t.before.snapshot, v.Workload.Namespace, name).own == own {
			pods = append(pods, name)
		}
	}
	if len(pods) == 0 {
		return nil
	}
	return t.before.snapshot.Some(v, pods)
}

// believed reports whether a membership counts. An owner that the model does not hold
// bears out nothing by itself: whoever makes the change must be one who may act for it.
func (t *transition) believed(m cluster.Membership) bool {
	return m != (cluster.Membership{}) && (!m.Unmodelled || t.options.Believed)
}

func (t *transition) pastOfTemplate(v *cluster.Variant, ref cluster.Ref) past {
	p := past{now: v}
	now, _ := t.after.snapshot.Template(ref)
	if then, ok := t.before.snapshot.Template(ref); ok {
		whole := t.before.snapshot.VariantOfTemplate(ref)
		_, p.self = t.before.ends(whole)
		p.self = p.self.As(v)
		if sameOwner(now.Owners, then.Owners) || t.sameMeaning(v, p.self) {
			p.was = append(p.was, p.self)
		}
	}
	if owner := t.after.snapshot.OwnerOf(ref); owner != nil {
		p.was = t.appendTemplate(p.was, owner.Ref(), v)
	}
	if !t.believed(v.Membership) {
		return p
	}
	for _, x := range t.before.snapshot.Kin(v.Membership) {
		if _, then := t.before.ends(x); then != nil && t.sameMeaning(v, then.As(v)) {
			p.was = append(p.was, then.As(v))
		}
	}
	for _, r := range t.before.snapshot.Remembered(v.Membership) {
		if len(r.Templates) > 0 && (slices.Contains(r.Templates, ref) || t.sameMeaning(v, r.Variant)) {
			p.gone = append(p.gone, r)
		}
	}
	return p
}

// appendTemplate adds what a template made in the earlier snapshot, if it was there.
// Of a StatefulSet that is the pod of the same ordinal.
func (t *transition) appendTemplate(was []*cluster.Variant, ref cluster.Ref, as *cluster.Variant) []*cluster.Variant {
	if v := t.before.snapshot.VariantOfTemplate(ref); v != nil {
		if _, then := t.before.ends(v); then != nil && !slices.ContainsFunc(was, then.As(as).Same) {
			was = append(was, then.As(as))
		}
	}
	return was
}

// ends is Snapshot.Ends, once for each variant.
func (e *evaluator) ends(v *cluster.Variant) (pods, templates *cluster.Variant) {
	if known, ok := e.apart[v]; ok {
		return known[0], known[1]
	}
	pods, templates = e.snapshot.Ends(v)
	put(&e.apart, v, [2]*cluster.Variant{pods, templates})
	return pods, templates
}

// sides are the ends of a change's pairs on one side of the question: what is there
// now, and what of its past the question chose on the same side.
type sides struct {
	now, was []*cluster.Variant
	gone     []*cluster.Remembered
}

func (s sides) isNew() bool { return len(s.was) == 0 && len(s.gone) == 0 }

// sidesOf are those of a workload's variants, as few as their pasts allow.
func (t *transition) sidesOf(s Selection, known *map[*cluster.Workload][]sides, c chosen) []sides {
	if *known == nil {
		*known = map[*cluster.Workload][]sides{}
	}
	if out, ok := (*known)[c.workload]; ok {
		return out
	}
	var out []sides
	var fresh sides // all that is new has the same past: none
	for _, v := range c.variants {
		for _, p := range t.pastsOf(v) {
			if !t.choosesPast(s, p) {
				continue
			}
			x := t.side(s, p)
			if x.isNew() {
				fresh.now = append(fresh.now, p.now)
				continue
			}
			out = append(out, x)
		}
	}
	if len(fresh.now) > 0 {
		out = append(out, fresh)
	}
	(*known)[c.workload] = out
	return out
}

func (t *transition) side(s Selection, p past) sides {
	out := sides{now: []*cluster.Variant{p.now}, was: t.choosesBefore(s, p.lending())}
	for _, r := range p.gone {
		if s.chooses(t.before.snapshot, r.Variant) && !slices.Contains(out.gone, r) {
			out.gone = append(out.gone, r)
		}
	}
	return out
}

// lending are the ends that it was, without those of which too little was known: what may
// have been anything lends its paths to nobody of whom more is known.
func (p past) lending() []*cluster.Variant {
	if p.now.Unread() != 0 || !slices.ContainsFunc(p.was, isUnread) {
		return p.was
	}
	return slices.DeleteFunc(slices.Clone(p.was), isUnread)
}

func isUnread(v *cluster.Variant) bool { return v.Unread() != 0 }

// choosesPast reports whether a selection chooses an end, by what it is or by what the
// same objects were: relabelling a frontend does not make it somebody else.
func (t *transition) choosesPast(s Selection, p past) bool {
	return s.chooses(t.after.snapshot, p.now) || (p.self != nil && s.chooses(t.before.snapshot, p.self))
}

func (t *transition) choosesBefore(s Selection, was []*cluster.Variant) []*cluster.Variant {
	var out []*cluster.Variant
	for _, v := range was {
		if s.chooses(t.before.snapshot, v) && !slices.ContainsFunc(out, v.Same) {
			out = append(out, v)
		}
	}
	return out
}
