package cluster

import (
	"net/netip"

	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
)

// NewDraft drafts a netpol without a rule: it isolates what its selector selects, for the
// directions.
func NewDraft(namespace, name string, pods metav1.LabelSelector, directions ...Direction) *Draft {
	d := Isolating(namespace, name, labels.Set{}, Ingress)
	d.object.Spec.PodSelector = pods
	d.object.Spec.PolicyTypes = nil
	for _, direction := range directions {
		d.Isolate(direction)
	}
	return d
}

// DraftPeer is one peer of a drafted rule: pods, or addresses where Block is valid.
type DraftPeer struct {
	// Namespace is one that is chosen by its name; Anywhere chooses all of them.
	Namespace string
	Anywhere  bool
	Pods      metav1.LabelSelector
	Block     netip.Prefix
	Except    []netip.Prefix
}

// AddRule adds a rule for some peers on some ports. No ports are all; a draft with no peers
// is refused, because that would be everybody.
func (d *Draft) AddRule(direction Direction, peers []DraftPeer, ports []NetpolPort) bool {
	if len(peers) == 0 {
		return false
	}
	var out []networkingv1.NetworkPolicyPeer
	for _, p := range peers {
		out = append(out, p.written(d.object.Namespace))
	}
	d.add(direction, out, writtenPorts(ports))
	return true
}

func (p DraftPeer) written(home string) networkingv1.NetworkPolicyPeer {
	if p.Block.IsValid() {
		block := &networkingv1.IPBlock{CIDR: p.Block.String()}
		for _, e := range p.Except {
			block.Except = append(block.Except, e.String())
		}
		return networkingv1.NetworkPolicyPeer{IPBlock: block}
	}
	pods := p.Pods
	out := networkingv1.NetworkPolicyPeer{PodSelector: &pods}
	switch {
	case p.Anywhere:
		out.NamespaceSelector = &metav1.LabelSelector{}
	case p.Namespace != home:
		out.NamespaceSelector = &metav1.LabelSelector{MatchLabels: map[string]string{nameLabel: p.Namespace}}
	}
	return out
}

// Annotate gives the netpol an annotation.
func (d *Draft) Annotate(key, value string) {
	if d.object.Annotations == nil {
		d.object.Annotations = map[string]string{}
	}
	d.object.Annotations[key] = value
}

// Rules counts the rules of both directions.
func (d *Draft) Rules() int { return len(d.object.Spec.Ingress) + len(d.object.Spec.Egress) }
