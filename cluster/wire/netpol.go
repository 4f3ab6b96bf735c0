package wire

import (
	"fmt"

	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

func (r *Reader) netpol(n *networkingv1.NetworkPolicy) {
	if !r.Object() {
		return
	}
	for r.Member() {
		switch string(r.name) {
		case "metadata":
			r.metadata(&n.ObjectMeta)
		case "spec":
			r.netpolSpec(&n.Spec)
		default:
			r.Skip()
		}
	}
}

func (r *Reader) netpolSpec(s *networkingv1.NetworkPolicySpec) {
	if !r.Object() {
		return
	}
	for r.Member() {
		switch string(r.name) {
		case "podSelector":
			r.selector(&s.PodSelector)
		case "policyTypes":
			Texts(r, &s.PolicyTypes)
		case "ingress":
			r.ingress(&s.Ingress)
		case "egress":
			r.egress(&s.Egress)
		default:
			r.Skip()
		}
	}
}

func (r *Reader) ingress(into *[]networkingv1.NetworkPolicyIngressRule) {
	if !r.Array() {
		return
	}
	*into = []networkingv1.NetworkPolicyIngressRule{}
	for r.Element() {
		var rule networkingv1.NetworkPolicyIngressRule
		r.rule("from", &rule.From, &rule.Ports)
		*into = append(*into, rule)
	}
}

func (r *Reader) egress(into *[]networkingv1.NetworkPolicyEgressRule) {
	if !r.Array() {
		return
	}
	*into = []networkingv1.NetworkPolicyEgressRule{}
	for r.Element() {
		var rule networkingv1.NetworkPolicyEgressRule
		r.rule("to", &rule.To, &rule.Ports)
		*into = append(*into, rule)
	}
}

// rule reads one rule, whose peers stand under their own name in each direction.
func (r *Reader) rule(side string, peers *[]networkingv1.NetworkPolicyPeer, ports *[]networkingv1.NetworkPolicyPort) {
	if !r.Object() {
		return
	}
	for r.Member() {
		switch string(r.name) {
		case side:
			r.peers(peers)
		case "ports":
			r.ports(ports)
		default:
			r.Skip()
		}
	}
}

func (r *Reader) peers(into *[]networkingv1.NetworkPolicyPeer) {
	if !r.Array() {
		return
	}
	*into = []networkingv1.NetworkPolicyPeer{}
	for r.Element() {
		var p networkingv1.NetworkPolicyPeer
		if r.Object() {
			for r.Member() {
				switch string(r.name) {
				case "podSelector":
					r.selectorPointer(&p.PodSelector)
				case "namespaceSelector":
					r.selectorPointer(&p.NamespaceSelector)
				case "ipBlock":
					r.block(&p.IPBlock)
				default:
					r.Skip()
				}
			}
		}
		*into = append(*into, p)
	}
}

func (r *Reader) block(into **networkingv1.IPBlock) {
	if !r.Object() {
		return
	}
	*into = &networkingv1.IPBlock{}
	for r.Member() {
		switch string(r.name) {
		case "cidr":
			Text(r, &(*into).CIDR)
		case "except":
			Texts(r, &(*into).Except)
		default:
			r.Skip()
		}
	}
}

func (r *Reader) ports(into *[]networkingv1.NetworkPolicyPort) {
	if !r.Array() {
		return
	}
	*into = []networkingv1.NetworkPolicyPort{}
	for r.Element() {
		var p networkingv1.NetworkPolicyPort
		if r.Object() {
			for r.Member() {
				switch string(r.name) {
				case "protocol":
					TextPointer(r, &p.Protocol)
				case "port":
					r.intOrString(&p.Port)
				case "endPort":
					r.int32Pointer(&p.EndPort)
				default:
					r.Skip()
				}
			}
		}
		*into = append(*into, p)
	}
}

// intOrString reads a number or a name.
func (r *Reader) intOrString(into **intstr.IntOrString) {
	if r.broken != nil {
		return
	}
	null := r.tokens.PeekKind() == 'n'
	raw := r.Raw()
	if null || r.broken != nil {
		return
	}
	*into = new(intstr.IntOrString)
	if err := (*into).UnmarshalJSON(raw); err != nil && r.wrong == nil {
		r.wrong = fmt.Errorf("%s: want a whole number of 32 bits or a string, got %.32s", dotted(r.tokens.StackPointer()), raw)
	}
}

func (r *Reader) int32Pointer(into **int32) {
	if r.broken == nil && r.tokens.PeekKind() == '0' {
		*into = new(int32)
		r.int32(*into)
		return
	}
	r.is('0', "a number")
}
