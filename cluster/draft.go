package cluster

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// Draft is a netpol that is being edited. What is tried out on a snapshot is
// compiled from the very object that is printed, so the two cannot differ.
type Draft struct{ object networkingv1.NetworkPolicy }

// Draft returns a netpol for editing; false when a part of it does not parse, as
// that cannot be written down again. Labels and annotations are left out.
func (n *Netpol) Draft() (*Draft, bool) {
	d := &Draft{networkingv1.NetworkPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: n.Namespace, Name: n.Name}}}
	var ok bool
	if d.object.Spec.PodSelector, ok = n.Selector.Written(); !ok {
		return nil, false
	}
	for i, t := range []networkingv1.PolicyType{Egress: networkingv1.PolicyTypeEgress, Ingress: networkingv1.PolicyTypeIngress} {
		if n.Isolates[i] {
			d.object.Spec.PolicyTypes = append(d.object.Spec.PolicyTypes, t)
		}
		for _, r := range n.Rules[i] {
			peers, ports, ok := r.written()
			if !ok {
				return nil, false
			}
			d.add(Direction(i), peers, ports)
		}
	}
	return d, true
}

// Isolating drafts a netpol that isolates the pods with some labels, and has no rule yet.
func Isolating(namespace, name string, pods labels.Set, direction Direction) *Draft {
	t := [...]networkingv1.PolicyType{Egress: networkingv1.PolicyTypeEgress, Ingress: networkingv1.PolicyTypeIngress}[direction]
	return &Draft{networkingv1.NetworkPolicy{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Spec:       networkingv1.NetworkPolicySpec{PodSelector: metav1.LabelSelector{MatchLabels: pods}, PolicyTypes: []networkingv1.PolicyType{t}},
	}}
}

// Isolate adds a direction for which the pods are isolated.
func (d *Draft) Isolate(direction Direction) {
	t := [...]networkingv1.PolicyType{Egress: networkingv1.PolicyTypeEgress, Ingress: networkingv1.PolicyTypeIngress}[direction]
	if !slices.Contains(d.object.Spec.PolicyTypes, t) {
		d.object.Spec.PolicyTypes = append(d.object.Spec.PolicyTypes, t)
	}
}

// Clone is an independent copy.
func (d *Draft) Clone() *Draft { return &Draft{*d.object.DeepCopy()} }

// Allow adds a rule for all ports of the pods with some labels in a namespace.
func (d *Draft) Allow(direction Direction, namespace string, pods labels.Set) {
	d.add(direction, []networkingv1.NetworkPolicyPeer{{
		NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{nameLabel: namespace}},
		PodSelector:       &metav1.LabelSelector{MatchLabels: pods},
	}}, nil)
}

// RemoveRule takes a rule out.
func (d *Draft) RemoveRule(direction Direction, i int) {
	if !d.has(direction, i) {
		return
	}
	s := &d.object.Spec
	if direction == Ingress {
		s.Ingress = append(s.Ingress[:i:i], s.Ingress[i+1:]...)
	} else {
		s.Egress = append(s.Egress[:i:i], s.Egress[i+1:]...)
	}
}

// LeaveOutPods makes the pods with a label no match of a rule's selectors, and
// removes the peers that ask for that label. A rule for everybody then is for every
// other pod. It is false when no peer is left.
func (d *Draft) LeaveOutPods(direction Direction, i int, key, value string) bool {
	return d.NarrowPeers(direction, i, metav1.LabelSelectorRequirement{Key: key, Operator: metav1.LabelSelectorOpIn, Values: []string{value}})
}

// LeaveOutAddresses makes a block of addresses an exception of a rule's blocks,
// and removes the peers that lie inside it; false when the rule then has no peer.
func (d *Draft) LeaveOutAddresses(direction Direction, i int, block netip.Prefix) bool {
	if !d.has(direction, i) {
		return false
	}
	peers := d.peers(direction, i)
	if len(*peers) == 0 { // everybody
		all := "0.0.0.0/0"
		other := "::/0"
		if block.Addr().Is6() {
			all, other = other, all
		}
		*peers = []networkingv1.NetworkPolicyPeer{
			{NamespaceSelector: &metav1.LabelSelector{}}, {IPBlock: &networkingv1.IPBlock{CIDR: all}}, {IPBlock: &networkingv1.IPBlock{CIDR: other}},
		}
	}
	var left []networkingv1.NetworkPolicyPeer
	for _, p := range *peers {
		if p.IPBlock == nil {
			left = append(left, p)
			continue
		}
		prefix, err := parsePrefix(p.IPBlock.CIDR)
		if err != nil || !prefix.Overlaps(block) {
			left = append(left, p)
		} else if prefix.Bits() < block.Bits() {
			p.IPBlock.Except = append(p.IPBlock.Except, block.String())
			left = append(left, p)
		}
	}
	*peers = left
	return len(left) > 0
}

// SetPorts gives a rule the ports that it is for.
func (d *Draft) SetPorts(direction Direction, i int, ports []NetpolPort) {
	if !d.has(direction, i) {
		return
	}
	written := writtenPorts(ports)
	if direction == Ingress {
		d.object.Spec.Ingress[i].Ports = written
	} else {
		d.object.Spec.Egress[i].Ports = written
	}
}

func (d *Draft) peers(direction Direction, i int) *[]networkingv1.NetworkPolicyPeer {
	if direction == Ingress {
		return &d.object.Spec.Ingress[i].From
	}
	return &d.object.Spec.Egress[i].To
}

func (d *Draft) add(direction Direction, peers []networkingv1.NetworkPolicyPeer, ports []networkingv1.NetworkPolicyPort) {
	s := &d.object.Spec
	if direction == Ingress {
		s.Ingress = append(s.Ingress, networkingv1.NetworkPolicyIngressRule{From: peers, Ports: ports})
	} else {
		s.Egress = append(s.Egress, networkingv1.NetworkPolicyEgressRule{To: peers, Ports: ports})
	}
}

// Compile is the netpol as it is drafted.
func (d *Draft) Compile() (*Netpol, error) { return NewNetpol(d.object.DeepCopy()) }

// Manifest is the whole object as JSON (networking.k8s.io/v1).
func (d *Draft) Manifest() ([]byte, error) {
	type meta struct {
		Name        string            `json:"name"`
		Namespace   string            `json:"namespace"`
		Annotations map[string]string `json:"annotations,omitempty"`
	}
	b, err := json.Marshal(struct {
		APIVersion string                         `json:"apiVersion"`
		Kind       string                         `json:"kind"`
		Metadata   meta                           `json:"metadata"`
		Spec       networkingv1.NetworkPolicySpec `json:"spec"`
	}{"networking.k8s.io/v1", "NetworkPolicy", meta{d.object.Name, d.object.Namespace, d.object.Annotations}, d.object.Spec})
	if err != nil {
		return nil, fmt.Errorf("write NetworkPolicy %s/%s: %w", d.object.Namespace, d.object.Name, err)
	}
	return b, nil
}

// Patch is the JSON merge patch (RFC 7386) that makes the stored netpol the draft:
// its rules are replaced, and its labels and annotations stay.
func (d *Draft) Patch() ([]byte, error) {
	spec := map[string]any{"policyTypes": d.object.Spec.PolicyTypes}
	if slices.Contains(d.object.Spec.PolicyTypes, networkingv1.PolicyTypeIngress) {
		spec["ingress"] = append([]networkingv1.NetworkPolicyIngressRule{}, d.object.Spec.Ingress...)
	}
	if slices.Contains(d.object.Spec.PolicyTypes, networkingv1.PolicyTypeEgress) {
		spec["egress"] = append([]networkingv1.NetworkPolicyEgressRule{}, d.object.Spec.Egress...)
	}
	b, err := json.Marshal(map[string]any{"spec": spec})
	if err != nil {
		return nil, fmt.Errorf("write a patch of NetworkPolicy %s/%s: %w", d.object.Namespace, d.object.Name, err)
	}
	return b, nil
}

// Name is the namespace and name of the netpol.
func (d *Draft) Name() (namespace, name string) { return d.object.Namespace, d.object.Name }

func (r NetpolRule) written() ([]networkingv1.NetworkPolicyPeer, []networkingv1.NetworkPolicyPort, bool) {
	var peers []networkingv1.NetworkPolicyPeer
	for _, p := range r.Peers {
		if p.Broken {
			return nil, nil, false
		}
		var out networkingv1.NetworkPolicyPeer
		if p.Block != nil {
			out.IPBlock = &networkingv1.IPBlock{CIDR: p.Block.Prefix.String()}
			for _, e := range p.Block.Except {
				out.IPBlock.Except = append(out.IPBlock.Except, e.String())
			}
			peers = append(peers, out)
			continue
		}
		pods, ok := p.Pods.Written()
		if !ok {
			return nil, nil, false
		}
		out.PodSelector = &pods
		if !p.OwnNamespace {
			namespaces, ok := p.Namespaces.Written()
			if !ok {
				return nil, nil, false
			}
			out.NamespaceSelector = &namespaces
		}
		peers = append(peers, out)
	}
	for _, p := range r.Ports {
		if p.Broken {
			return nil, nil, false
		}
	}
	return peers, writtenPorts(r.Ports), true
}

func writtenPorts(ports []NetpolPort) []networkingv1.NetworkPolicyPort {
	var out []networkingv1.NetworkPolicyPort
	for _, p := range ports {
		protocol := corev1.Protocol(p.Protocol.String())
		port := networkingv1.NetworkPolicyPort{Protocol: &protocol}
		switch {
		case p.Name != "":
			name := intstr.FromString(p.Name)
			port.Port = &name
		case p.First == 1 && p.Last == maxPort:
		default:
			first := intstr.FromInt32(int32(p.First))
			port.Port = &first
			if p.Last != p.First {
				last := int32(p.Last)
				port.EndPort = &last
			}
		}
		out = append(out, port)
	}
	return out
}
