package cluster

import (
	"crypto/sha256"
	"fmt"
	"iter"
	"net/netip"

	"go4.org/netipx"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/podcullis/podcullis/cluster/selector"
)

// Direction is the side of a connection that a rule governs.
type Direction uint8

// The directions, in the order in which a connection meets them.
const (
	Egress Direction = iota
	Ingress
)

// String is the direction in lower case, as messages and JSON spell it.
func (d Direction) String() string { return [...]string{Egress: "egress", Ingress: "ingress"}[d] }

// Netpol is a NetworkPolicy with the API server's defaults applied and its
// selectors, ports and address blocks parsed (networking.k8s.io/v1
// NetworkPolicySpec, pkg/apis/networking/v1/defaults.go).
type Netpol struct {
	Namespace string
	Name      string
	// Selector is spec.podSelector: whom the netpol isolates.
	Selector selector.Selector
	// Isolates says for which directions, indexed by Direction.
	Isolates [2]bool
	// Rules are indexed by Direction. A direction that the netpol does not
	// isolate has none: the API ignores that section.
	Rules [2][]NetpolRule
	// Over says of what it holds more than the bounds; empty for one that is read. Then
	// its rules are one for each direction, of which nothing is known, see Bounds.
	Over   string
	digest [sha256.Size]byte // of what is not read
	// own is what its selectors mention of the pods of its namespace, wide what they
	// mention of pods elsewhere.
	own, wide mentioned
	// Document is the whole object, where it is kept.
	Document *Document
}

// Ref implements Object.
func (n *Netpol) Ref() Ref {
	return Ref{Namespace: n.Namespace, Kind: "NetworkPolicy", Name: n.Name}
}

// NetpolRule is one ingress or egress rule: traffic is let through when a peer
// and a port of it match.
type NetpolRule struct {
	// AnyPeer is set when from or to is missing or empty: everybody, inside the
	// cluster and outside.
	AnyPeer bool
	Peers   []NetpolPeer
	// AnyPort is set when ports is missing or empty: every port of every protocol.
	AnyPort bool
	Ports   []NetpolPort
	index   *peerIndex // nil for few peers, see MayMatch
}

// NetpolPeer is one element of from or to: pods chosen by selectors, or a block
// of addresses.
type NetpolPeer struct {
	// OwnNamespace is set when namespaceSelector is missing: only pods of the
	// netpol's own namespace.
	OwnNamespace bool
	Namespaces   selector.Selector
	Pods         selector.Selector
	Block        *IPBlock
	// Broken is set when the element cannot be read: it may match anything. Beside
	// a Block it is an exception that cannot be read: any address of the block may
	// match, or not.
	Broken bool
}

// IPBlock is a set of addresses: Prefix without Except.
type IPBlock struct {
	Prefix netip.Prefix
	Except []netip.Prefix
	set    *netipx.IPSet // nil for few exceptions, see Set
}

// Contains reports whether the block holds address a. Families do not mix.
func (b *IPBlock) Contains(a netip.Addr) bool {
	if !b.Prefix.Contains(a) {
		return false
	}
	if b.set != nil {
		return b.set.Contains(a)
	}
	for _, e := range b.Except {
		if e.Contains(a) {
			return false
		}
	}
	return true
}

// NetpolPort is one element of ports.
type NetpolPort struct {
	Protocol Protocol
	// Name is set for a named port, which every destination pod resolves for
	// itself; First and Last are then zero.
	Name string
	// First and Last are the inclusive range of destination ports (KEP-2079).
	First, Last uint16
	// Broken is set when the element cannot be read: it may match any port.
	Broken bool
}

// NewNetpol compiles np. The error lists every field that does not hold, by its
// path; the netpol comes back all the same, with the parts that cannot be read
// marked as such, because an object that is already stored must not vanish from
// the model: it still isolates.
func NewNetpol(np *networkingv1.NetworkPolicy) (*Netpol, error) {
	spec := field.NewPath("spec")
	var errs field.ErrorList
	n := &Netpol{Namespace: namespaceOf(np.Namespace), Name: nameOf(&np.ObjectMeta)}

	var err error
	if n.Selector, err = selector.New(np.Spec.PodSelector); err != nil {
		errs = append(errs, field.Invalid(spec.Child("podSelector"), np.Spec.PodSelector, err.Error()))
	}
	var typeErrs field.ErrorList
	if n.Isolates, typeErrs = directionsOf(np.Spec, spec.Child("policyTypes")); len(typeErrs) > 0 {
		// Whether it isolates is not known: it may, for either direction.
		n.Isolates, n.Selector = [2]bool{true, true}, n.Selector.Doubted()
		errs = append(errs, typeErrs...)
	}

	// A section whose direction is not in policyTypes is compiled for its errors and then ignored.
	egress := spec.Child("egress")
	for i, r := range np.Spec.Egress {
		compiled, ruleErrs := newRule(r.To, r.Ports, egress.Index(i), "to")
		errs = append(errs, ruleErrs...)
		n.Rules[Egress] = append(n.Rules[Egress], compiled)
	}
	ingress := spec.Child("ingress")
	for i, r := range np.Spec.Ingress {
		compiled, ruleErrs := newRule(r.From, r.Ports, ingress.Index(i), "from")
		errs = append(errs, ruleErrs...)
		n.Rules[Ingress] = append(n.Rules[Ingress], compiled)
	}
	for d := range n.Rules {
		if !n.Isolates[d] {
			n.Rules[d] = nil
		}
	}
	n.own, n.wide = mentionedBy(n.ownSelectors()...), mentionedBy(n.wideSelectors()...)
	return n, errs.ToAggregate()
}

// PodSelectors are the netpol's own selector and those of its peers.
func (n *Netpol) PodSelectors() []selector.Selector {
	return append(n.ownSelectors(), n.wideSelectors()...)
}

// ownSelectors are those that look at pods of the netpol's own namespace alone.
func (n *Netpol) ownSelectors() []selector.Selector {
	out := []selector.Selector{n.Selector}
	for p := range n.Peers() {
		if p.OwnNamespace {
			out = append(out, p.Pods)
		}
	}
	return out
}

// wideSelectors are those of peers that may be in any namespace.
func (n *Netpol) wideSelectors() []selector.Selector {
	var out []selector.Selector
	for p := range n.Peers() {
		if !p.OwnNamespace && p.Block == nil {
			out = append(out, p.Pods)
		}
	}
	return out
}

// directionsOf applies the API server's default for policyTypes: Ingress always,
// Egress only when there is an egress rule. So `egress: []` alone isolates for
// ingress and leaves egress as it was.
func directionsOf(s networkingv1.NetworkPolicySpec, path *field.Path) ([2]bool, field.ErrorList) {
	if len(s.PolicyTypes) == 0 {
		return [2]bool{Ingress: true, Egress: len(s.Egress) > 0}, nil
	}
	var isolates [2]bool
	var errs field.ErrorList
	for i, t := range s.PolicyTypes {
		switch t {
		case networkingv1.PolicyTypeIngress:
			isolates[Ingress] = true
		case networkingv1.PolicyTypeEgress:
			isolates[Egress] = true
		default:
			errs = append(errs, field.NotSupported(path.Index(i), t,
				[]networkingv1.PolicyType{networkingv1.PolicyTypeIngress, networkingv1.PolicyTypeEgress}))
		}
	}
	return isolates, errs
}

func newRule(peers []networkingv1.NetworkPolicyPeer, ports []networkingv1.NetworkPolicyPort, path *field.Path, side string) (NetpolRule, field.ErrorList) {
	r := NetpolRule{AnyPeer: len(peers) == 0, AnyPort: len(ports) == 0}
	var errs field.ErrorList
	for i, p := range peers {
		peer, err := newPeer(p, path.Child(side).Index(i))
		errs = append(errs, err...)
		r.Peers = append(r.Peers, peer)
	}
	for i, p := range ports {
		port, err := newPort(p, path.Child("ports").Index(i))
		if err != nil {
			errs = append(errs, err)
		}
		r.Ports = append(r.Ports, port)
	}
	r.Peers = withoutEqual(r.Peers)
	r.index = newPeerIndex(r.Peers)
	return r, errs
}

func newPeer(p networkingv1.NetworkPolicyPeer, path *field.Path) (NetpolPeer, field.ErrorList) {
	if p.IPBlock != nil {
		if p.PodSelector != nil || p.NamespaceSelector != nil {
			return NetpolPeer{Broken: true}, field.ErrorList{field.Forbidden(path, "ipBlock cannot stand beside podSelector or namespaceSelector in one peer")}
		}
		block, errs := newIPBlock(p.IPBlock, path.Child("ipBlock"))
		return NetpolPeer{Block: block, Broken: len(errs) > 0}, errs
	}
	if p.PodSelector == nil && p.NamespaceSelector == nil {
		return NetpolPeer{Broken: true}, field.ErrorList{field.Required(path, "a peer needs podSelector, namespaceSelector or ipBlock; leave the list out to mean everybody")}
	}
	var errs field.ErrorList
	var err error
	peer := NetpolPeer{OwnNamespace: p.NamespaceSelector == nil, Pods: selector.Everything()}
	if p.PodSelector != nil {
		if peer.Pods, err = selector.New(*p.PodSelector); err != nil {
			errs = append(errs, field.Invalid(path.Child("podSelector"), *p.PodSelector, err.Error()))
		}
	}
	if p.NamespaceSelector != nil {
		if peer.Namespaces, err = selector.New(*p.NamespaceSelector); err != nil {
			errs = append(errs, field.Invalid(path.Child("namespaceSelector"), *p.NamespaceSelector, err.Error()))
		}
	}
	return peer, errs
}

// newIPBlock masks host bits (10.0.0.5/8 means 10.0.0.0/8): they are refused for
// new objects since KEP-4858, but stored ones may have them.
func newIPBlock(b *networkingv1.IPBlock, path *field.Path) (*IPBlock, field.ErrorList) {
	prefix, err := parsePrefix(b.CIDR)
	if err != nil {
		return nil, field.ErrorList{field.Invalid(path.Child("cidr"), b.CIDR, "must be a CIDR such as 10.0.0.0/8 or fd00::/8")}
	}
	block := &IPBlock{Prefix: prefix}
	var errs field.ErrorList
	for i, e := range b.Except {
		except, err := parsePrefix(e)
		at := path.Child("except").Index(i)
		switch {
		case err != nil:
			errs = append(errs, field.Invalid(at, e, "must be a CIDR such as 10.1.0.0/16"))
		case except.Bits() <= block.Prefix.Bits() || !block.Prefix.Overlaps(except):
			errs = append(errs, field.Invalid(at, e, fmt.Sprintf("must be a strict part of %s", b.CIDR)))
		default:
			block.Except = append(block.Except, except)
		}
	}
	return block.indexed(), errs
}

// parsePrefix masks host bits and takes an IPv4 address written as IPv6
// (::ffff:10.0.0.0/104) for the IPv4 that it is, as the API server does.
func parsePrefix(s string) (netip.Prefix, error) {
	p, err := netip.ParsePrefix(s)
	if err != nil {
		return netip.Prefix{}, err
	}
	if p.Addr().Is4In6() && p.Bits() >= 96 {
		p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
	}
	return p.Masked(), nil
}

func newPort(p networkingv1.NetworkPolicyPort, path *field.Path) (NetpolPort, *field.Error) {
	port := NetpolPort{Protocol: TCP}
	if p.Protocol != nil {
		var ok bool
		if port.Protocol, ok = ParseProtocol(string(*p.Protocol)); !ok {
			return NetpolPort{Broken: true}, field.NotSupported(path.Child("protocol"), *p.Protocol,
				[]corev1.Protocol{corev1.ProtocolTCP, corev1.ProtocolUDP, corev1.ProtocolSCTP})
		}
	}
	switch {
	case p.Port == nil:
		if p.EndPort != nil {
			return NetpolPort{Broken: true}, field.Required(path.Child("port"), "endPort needs a port to start from")
		}
		port.First, port.Last = 1, maxPort
	case p.Port.Type == intstr.String:
		if !isPortName(p.Port.StrVal) {
			return NetpolPort{Broken: true}, field.Invalid(path.Child("port"), p.Port.StrVal, "must be a number without quotes, or a port name with at least one letter")
		}
		if p.EndPort != nil {
			return NetpolPort{Broken: true}, field.Forbidden(path.Child("endPort"), "a named port cannot start a range")
		}
		port.Name = p.Port.StrVal
	default:
		first, last := p.Port.IntVal, p.Port.IntVal
		if p.EndPort != nil {
			last = *p.EndPort
		}
		if first < 1 || first > maxPort {
			return NetpolPort{Broken: true}, field.Invalid(path.Child("port"), first, "must be between 1 and 65535")
		}
		if last < first || last > maxPort {
			return NetpolPort{Broken: true}, field.Invalid(path.Child("endPort"), last, "must be between port and 65535")
		}
		port.First, port.Last = uint16(first), uint16(last)
	}
	return port, nil
}

const maxPort = 65535

func namespaceOf(ns string) string {
	if ns == "" {
		return corev1.NamespaceDefault
	}
	return ns
}

// Peers yields every peer of every rule.
func (n *Netpol) Peers() iter.Seq[*NetpolPeer] {
	return func(yield func(*NetpolPeer) bool) {
		for d := range n.Rules {
			for i := range n.Rules[d] {
				for j := range n.Rules[d][i].Peers {
					if !yield(&n.Rules[d][i].Peers[j]) {
						return
					}
				}
			}
		}
	}
}

// Ports yields every port of every rule.
func (n *Netpol) Ports() iter.Seq[NetpolPort] {
	return func(yield func(NetpolPort) bool) {
		for d := range n.Rules {
			for i := range n.Rules[d] {
				for _, p := range n.Rules[d][i].Ports {
					if !yield(p) {
						return
					}
				}
			}
		}
	}
}
