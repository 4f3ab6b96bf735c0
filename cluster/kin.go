package cluster

import "slices"

// VariantOf is the variant that a pod counts to; nil when the pod is not there.
func (s *Snapshot) VariantOf(namespace, pod string) *Variant {
	w, ok := s.WorkloadOf(Ref{Namespace: namespace, Kind: "Pod", Name: pod})
	if !ok {
		return nil
	}
	for _, v := range w.Variants {
		if _, found := slices.BinarySearch(v.Pods, pod); found {
			return v
		}
	}
	return nil
}

// VariantOfTemplate is the variant that a template makes: of a ReplicaSet or Job that
// says what its owner says, the owner's. nil when the template is not there.
func (s *Snapshot) VariantOfTemplate(ref Ref) *Variant {
	sh := s.shard(ref.Namespace)
	if sh == nil {
		return nil
	}
	t, ok := sh.templates[templateKey{ref.Kind, ref.Name}]
	if !ok {
		return nil
	}
	if !sh.speaks(t) {
		above, _ := sh.ownerOfTemplate(t)
		ref = above.Ref()
	}
	w, ok := sh.fold().workload(sh.top(t))
	if !ok {
		return nil
	}
	for _, v := range w.Variants {
		if slices.Contains(v.Templates, ref) {
			return v
		}
	}
	return nil
}

// Kin are the variants with a membership, whatever peers they are shown as part of.
func (s *Snapshot) Kin(m Membership) []*Variant {
	sh := s.shard(m.Workload.Namespace)
	if sh == nil || m == (Membership{}) {
		return nil
	}
	var out []*Variant
	add := func(w *Workload) {
		for _, v := range w.Variants {
			if v.Membership == m {
				out = append(out, v)
			}
		}
	}
	if w, ok := sh.fold().workload(m.Workload); ok {
		add(w)
	}
	for _, w := range sh.fold().strays {
		if w.Ref != m.Workload {
			add(w)
		}
	}
	return out
}

// TemplatesOf are the templates of which a pod can be a copy: its own ReplicaSet's or
// Job's, and the one above it.
func (s *Snapshot) TemplatesOf(namespace, pod string) []*Template {
	sh := s.shard(namespace)
	if sh == nil {
		return nil
	}
	p, ok := sh.pods[pod]
	if !ok {
		return nil
	}
	t, _ := sh.ownerOfPod(p)
	if t == nil {
		return nil
	}
	if above, _ := sh.ownerOfTemplate(t); above != nil {
		return []*Template{t, above}
	}
	return []*Template{t}
}

// OwnerOf is the template that owns a ReplicaSet or Job; nil when none does.
func (s *Snapshot) OwnerOf(template Ref) *Template {
	sh := s.shard(template.Namespace)
	if sh == nil {
		return nil
	}
	t, ok := sh.templates[templateKey{template.Kind, template.Name}]
	if !ok {
		return nil
	}
	above, _ := sh.ownerOfTemplate(t)
	return above
}

// ofPods is the part of a variant that are pods, and ofTemplates that of templates,
// which have no address yet. Either is the variant itself when there is nothing else.
func (s *Snapshot) ofPods(v *Variant) *Variant {
	if len(v.Templates) == 0 || len(v.Pods) == 0 {
		return v
	}
	part := v.part()
	part.IPs, part.Pods, part.Unaddressed = v.IPs, v.Pods, false
	for _, name := range v.Pods {
		if p, ok := s.Pod(v.Workload.Namespace, name); !ok || len(p.IPs) == 0 {
			part.Unaddressed = true
			break
		}
	}
	return part
}

func ofTemplates(v *Variant) *Variant {
	if len(v.Templates) == 0 || len(v.Pods) == 0 {
		return v
	}
	part := v.part()
	part.Templates, part.Unaddressed = v.Templates, true
	return part
}

// part is a variant to be filled with some of the pods and templates of v.
func (v *Variant) part() *Variant {
	part := *v
	part.IPs, part.Pods, part.Templates, part.first = nil, nil, nil, v.self()
	return &part
}

// Ends takes a variant apart into its pods and its templates; either may be nil. For
// the selectors they are the same, but what a pod could do before is another
// question than what a template could.
func (s *Snapshot) Ends(v *Variant) (pods, templates *Variant) {
	if len(v.Pods) > 0 {
		pods = s.ofPods(v)
	}
	if len(v.Templates) > 0 {
		templates = ofTemplates(v)
	}
	return pods, templates
}

// Some is the part of a variant with only some of its pods.
func (s *Snapshot) Some(v *Variant, pods []string) *Variant {
	if len(pods) == len(v.Pods) && len(v.Templates) == 0 {
		return v
	}
	part := v.part()
	part.Pods = pods
	for _, name := range pods {
		p, ok := s.Pod(v.Workload.Namespace, name)
		if ok {
			part.IPs = append(part.IPs, p.IPs...)
		}
		part.Unaddressed = part.Unaddressed || !ok || len(p.IPs) == 0
	}
	return part
}
