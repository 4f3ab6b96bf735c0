package cluster

import (
	"slices"

	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// leaveOut makes the pods whose label has one of the values no match of a selector,
// in as few words as it takes. It is false when nothing is left to match.
func leaveOut(s *metav1.LabelSelector, key string, values ...string) bool {
	if v, ok := s.MatchLabels[key]; ok {
		return !slices.Contains(values, v)
	}
	for i := range s.MatchExpressions {
		e := &s.MatchExpressions[i]
		if e.Key != key {
			continue
		}
		switch e.Operator {
		case metav1.LabelSelectorOpIn:
			e.Values = slices.DeleteFunc(slices.Clone(e.Values), func(v string) bool { return slices.Contains(values, v) })
			return len(e.Values) > 0
		case metav1.LabelSelectorOpNotIn:
			e.Values = slices.Concat(e.Values, slices.DeleteFunc(slices.Clone(values), func(v string) bool { return slices.Contains(e.Values, v) }))
			return true
		case metav1.LabelSelectorOpDoesNotExist:
			return true
		}
	}
	s.MatchExpressions = append(s.MatchExpressions, metav1.LabelSelectorRequirement{Key: key, Operator: metav1.LabelSelectorOpNotIn, Values: slices.Clone(values)})
	return true
}

// keepOnly makes a selector match only pods whose label has one of the values, in
// as few words as it takes. It is false when nothing is left to match.
func keepOnly(s *metav1.LabelSelector, key string, values ...string) bool {
	if v, ok := s.MatchLabels[key]; ok {
		return slices.Contains(values, v)
	}
	values = slices.Clone(values)
	for _, e := range s.MatchExpressions {
		if e.Key != key {
			continue
		}
		switch e.Operator {
		case metav1.LabelSelectorOpIn:
			values = slices.DeleteFunc(values, func(v string) bool { return !slices.Contains(e.Values, v) })
		case metav1.LabelSelectorOpNotIn:
			values = slices.DeleteFunc(values, func(v string) bool { return slices.Contains(e.Values, v) })
		case metav1.LabelSelectorOpDoesNotExist:
			values = nil
		}
	}
	if len(values) == 0 {
		return false
	}
	// What was said about the label before is said by the values that are left.
	s.MatchExpressions = slices.DeleteFunc(s.MatchExpressions, func(e metav1.LabelSelectorRequirement) bool { return e.Key == key })
	if len(values) == 1 {
		if s.MatchLabels == nil {
			s.MatchLabels = map[string]string{}
		}
		s.MatchLabels[key] = values[0]
		return true
	}
	s.MatchExpressions = append(s.MatchExpressions, metav1.LabelSelectorRequirement{Key: key, Operator: metav1.LabelSelectorOpIn, Values: values})
	return true
}

// Outside narrows a selector to what a requirement does not match. It is false when
// nothing is left, or when a selector cannot say it.
func outside(s *metav1.LabelSelector, r metav1.LabelSelectorRequirement) bool {
	switch r.Operator {
	case metav1.LabelSelectorOpIn:
		return leaveOut(s, r.Key, r.Values...)
	case metav1.LabelSelectorOpNotIn:
		return keepOnly(s, r.Key, r.Values...)
	case metav1.LabelSelectorOpExists:
		if _, asked := s.MatchLabels[r.Key]; asked {
			return false
		}
		s.MatchExpressions = append(s.MatchExpressions, metav1.LabelSelectorRequirement{Key: r.Key, Operator: metav1.LabelSelectorOpDoesNotExist})
		return true
	}
	s.MatchExpressions = append(s.MatchExpressions, metav1.LabelSelectorRequirement{Key: r.Key, Operator: metav1.LabelSelectorOpExists})
	return true
}

// NarrowPodSelector narrows spec.podSelector to the pods that a requirement does
// not match. It is false when nothing is left.
func (d *Draft) NarrowPodSelector(without metav1.LabelSelectorRequirement) bool {
	return outside(&d.object.Spec.PodSelector, without)
}

// NarrowPeers narrows every selector of a rule's peers to the pods that a requirement
// does not match; a rule for everybody then is for every other pod. Peers that are
// left with nobody go. It is false when no peer is left.
func (d *Draft) NarrowPeers(direction Direction, rule int, without metav1.LabelSelectorRequirement) bool {
	return d.eachPeer(direction, rule, func(p *networkingv1.NetworkPolicyPeer) bool {
		if p.PodSelector == nil {
			p.PodSelector = &metav1.LabelSelector{}
		}
		return outside(p.PodSelector, without)
	})
}

// NarrowPeersThat does the same with those of a rule's peers that are of a kind, and
// leaves the others as they are.
func (d *Draft) NarrowPeersThat(are func(NetpolPeer) bool, direction Direction, rule int, without metav1.LabelSelectorRequirement) bool {
	return d.eachPeer(direction, rule, func(p *networkingv1.NetworkPolicyPeer) bool {
		if peer, _ := newPeer(*p, nil); !are(peer) {
			return true
		}
		if p.PodSelector == nil {
			p.PodSelector = &metav1.LabelSelector{}
		}
		return outside(p.PodSelector, without)
	})
}

// NarrowNamespaces does the same with the namespaces of a rule's peers; those that
// speak of the own namespace go when it is left out.
func (d *Draft) NarrowNamespaces(direction Direction, rule int, names ...string) bool {
	return d.eachPeer(direction, rule, func(p *networkingv1.NetworkPolicyPeer) bool {
		if p.NamespaceSelector == nil {
			return !slices.Contains(names, d.object.Namespace)
		}
		return leaveOut(p.NamespaceSelector, nameLabel, names...)
	})
}

// eachPeer edits the selectors of a rule's peers; those for which edit is false go.
func (d *Draft) eachPeer(direction Direction, rule int, edit func(*networkingv1.NetworkPolicyPeer) bool) bool {
	if !d.has(direction, rule) { // an edit before this one took it away
		return false
	}
	peers := d.peers(direction, rule)
	if len(*peers) == 0 {
		*peers = []networkingv1.NetworkPolicyPeer{{NamespaceSelector: &metav1.LabelSelector{}}}
	}
	var left []networkingv1.NetworkPolicyPeer
	for _, p := range *peers {
		if p.IPBlock != nil || edit(&p) {
			left = append(left, p)
		}
	}
	*peers = left
	return len(left) > 0
}

// has reports whether there is a rule of that number.
func (d *Draft) has(direction Direction, rule int) bool {
	if direction == Ingress {
		return rule < len(d.object.Spec.Ingress)
	}
	return rule < len(d.object.Spec.Egress)
}

// RemovePeer takes one of a rule's peers out. It is false when no other is left:
// that is to remove the rule.
func (d *Draft) RemovePeer(direction Direction, rule, peer int) bool {
	if !d.has(direction, rule) || peer >= len(*d.peers(direction, rule)) {
		return false
	}
	peers := d.peers(direction, rule)
	if len(*peers) < 2 {
		return false
	}
	*peers = slices.Delete(slices.Clone(*peers), peer, peer+1)
	return true
}

// AllowPorts adds a rule for some ports of the pods with some labels in a namespace.
func (d *Draft) AllowPorts(direction Direction, namespace string, pods map[string]string, ports []NetpolPort) {
	d.add(direction, []networkingv1.NetworkPolicyPeer{{
		NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{nameLabel: namespace}},
		PodSelector:       &metav1.LabelSelector{MatchLabels: pods},
	}}, writtenPorts(ports))
}

// RemoveRules takes every rule out: whom it isolates stays.
func (d *Draft) RemoveRules() { d.object.Spec.Ingress, d.object.Spec.Egress = nil, nil }

// The restoring edits take a part of the draft from the netpol as it was.

// RestorePodSelector takes spec.podSelector.
func (d *Draft) RestorePodSelector(was *Draft) {
	d.object.Spec.PodSelector = *was.object.Spec.PodSelector.DeepCopy()
}

// RestoreDirection takes whether a direction is isolated, and its rules.
func (d *Draft) RestoreDirection(was *Draft, direction Direction) {
	t := [...]networkingv1.PolicyType{Egress: networkingv1.PolicyTypeEgress, Ingress: networkingv1.PolicyTypeIngress}[direction]
	to, from := &d.object.Spec, was.object.DeepCopy().Spec
	to.PolicyTypes = slices.DeleteFunc(to.PolicyTypes, func(p networkingv1.PolicyType) bool { return p == t })
	if slices.Contains(from.PolicyTypes, t) {
		to.PolicyTypes = append(to.PolicyTypes, t)
	}
	if direction == Ingress {
		to.Ingress = from.Ingress
	} else {
		to.Egress = from.Egress
	}
}

// RestoreRule takes one rule, by its place. It is false when there is none there.
func (d *Draft) RestoreRule(was *Draft, direction Direction, rule int) bool {
	to, from := &d.object.Spec, was.object.DeepCopy().Spec
	if direction == Ingress {
		if rule >= len(to.Ingress) || rule >= len(from.Ingress) {
			return false
		}
		to.Ingress[rule] = from.Ingress[rule]
		return true
	}
	if rule >= len(to.Egress) || rule >= len(from.Egress) {
		return false
	}
	to.Egress[rule] = from.Egress[rule]
	return true
}

// Spec is a copy of the draft's spec.
func (d *Draft) Spec() networkingv1.NetworkPolicySpec { return *d.object.Spec.DeepCopy() }
