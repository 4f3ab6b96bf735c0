package cluster

import (
	"maps"

	"github.com/podcullis/podcullis/cluster/selector"
)

// Matches tells whether a selector selects the namespace. Of one that is
// only named (Implied) no label is known but its name, so that a selector
// that asks for another one answers Maybe, whatever it asks.
func (n *Namespace) Matches(s selector.Selector) selector.Match {
	if n.labelled() {
		return s.Matches(n.Labels)
	}
	requirements, answer := s.Requirements()
	for _, r := range requirements {
		switch {
		case r.Values.Empty():
			return selector.No
		case r.Key == nameLabel:
			if !r.Matches(n.Labels) {
				return selector.No
			}
		case !r.Values.Not().Empty():
			answer = answer.And(selector.Maybe)
		}
	}
	return answer
}

// AsksForLabels reports whether the answer of a selector about a namespace can depend on a
// label other than its name.
func AsksForLabels(s selector.Selector) bool {
	keys := map[string]bool{}
	s.AddKeys(keys)
	delete(keys, nameLabel)
	return len(keys) > 0
}

// sameLabels reports whether no selector can tell two states of a namespace apart.
func (n *Namespace) sameLabels(o *Namespace) bool {
	return n.labelled() == o.labelled() && maps.Equal(n.Labels, o.Labels)
}

// labelled reports whether the labels are known.
func (n *Namespace) labelled() bool { return n.Unread == 0 && (!n.Implied || n.left) }

// leave is the namespace after its object was deleted. What is still in it does not
// lose its labels by that.
func (n *Namespace) leave() *Namespace {
	if !n.labelled() {
		return impliedNamespace(n.Name)
	}
	return &Namespace{Name: n.Name, Labels: n.Labels, Implied: true, left: true}
}

// AsksNamespaceLabels reports whether a peer of the netpol is chosen by labels of its
// namespace other than the name.
func (n *Netpol) AsksNamespaceLabels() bool {
	for d := range n.Rules {
		for _, r := range n.Rules[d] {
			for i := range r.Peers {
				if AsksForLabels(r.Peers[i].Namespaces) {
					return true
				}
			}
		}
	}
	return false
}
