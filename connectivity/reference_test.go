package connectivity_test

import (
	"maps"
	"net"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// The reference evaluator: semantics.md spelled out pod by pod, port by port,
// from the API objects. It is slow, and shares no code with what it checks.

// truth is blocked, unknown or open; unknown comes with reasons.
type truth struct {
	level   int // 0 blocked, 1 unknown, 2 open
	reasons string
}

var blocked, open = truth{}, truth{level: 2}

func unknown(reason string) truth { return truth{1, reason} }

func (t truth) and(o truth) truth {
	switch {
	case t.level == 1 && o.level == 1:
		return unknown(t.reasons + " " + o.reasons)
	case o.level < t.level:
		return o
	}
	return t
}

func (t truth) or(o truth) truth {
	switch {
	case t.level == 1 && o.level == 1:
		return unknown(t.reasons + " " + o.reasons)
	case o.level > t.level:
		return o
	}
	return t
}

func (t truth) has(reason string) bool { return slices.Contains(strings.Fields(t.reasons), reason) }

// refPod is a pod that exists, or one that a template may make (no address).
type refPod struct {
	peer        string // the workload it counts to: "ns/Kind/name"
	namespace   string
	name        string // empty for one that a template may make
	labels      map[string]string
	template    map[string]string // of a pod relabelled away: the labels it was made with
	made        *refPod           // and the pod as it was then
	ports       []corev1.ContainerPort
	hostNetwork bool
	ips         []string
	// could are the label sets that it may have once it is made, or has a node; nil
	// when it has what labels says. known is what selectors answer then.
	could []map[string]string
	known map[*metav1.LabelSelector]truth
}

// refEnd is one end of a connection: a pod, or an address outside the cluster.
type refEnd struct {
	pod     *refPod
	address string
}

type reference struct {
	namespaces map[string]map[string]string
	// onlyNamed are those of which no object is there.
	onlyNamed map[string]bool
	pods      []*refPod
	netpols   []*networkingv1.NetworkPolicy
	// foreign are the namespaces of policies that are not understood; "" is everywhere.
	foreign    []string
	podNetwork string
}

// connection is the truth about a new connection to one port.
func (r *reference) connection(s, d refEnd, protocol corev1.Protocol, port int) truth {
	return r.side(networkingv1.PolicyTypeEgress, s, d, d, protocol, port).
		and(r.side(networkingv1.PolicyTypeIngress, d, s, d, protocol, port))
}

// isolated is the truth about a pod being isolated for a direction.
func (r *reference) isolated(direction networkingv1.PolicyType, p *refPod) truth {
	isolated := blocked
	for _, np := range r.netpols {
		if !p.hostNetwork && namespaceOf(np) == p.namespace && slices.Contains(typesOf(np), direction) {
			isolated = isolated.or(p.selected(&np.Spec.PodSelector))
		}
	}
	return isolated
}

func (r *reference) side(direction networkingv1.PolicyType, subject, peer, destination refEnd, protocol corev1.Protocol, port int) truth {
	if subject.pod == nil || subject.pod.hostNetwork {
		return open // outside the cluster, or in effect a node
	}
	isolated, through := r.isolated(direction, subject.pod), blocked
	for _, np := range r.netpols {
		if namespaceOf(np) != subject.pod.namespace || !slices.Contains(typesOf(np), direction) {
			continue
		}
		selects := subject.pod.selected(&np.Spec.PodSelector)
		for _, rule := range rulesOf(np, direction) {
			through = through.or(selects.and(r.anyPeer(np, rule.peers, peer)).and(anyPort(rule.ports, destination, protocol, port)))
		}
	}
	if isolated == blocked {
		return open
	}
	if isolated.level == 1 {
		through = through.or(isolated)
	}
	if direction == networkingv1.PolicyTypeIngress && peer.pod != nil && peer.pod.hostNetwork {
		through = through.or(unknown("node-exception"))
	}
	if slices.Contains(r.foreign, "") || slices.Contains(r.foreign, subject.pod.namespace) {
		through = through.or(unknown("unmodelled-kind"))
	}
	return through
}

func (r *reference) anyPeer(np *networkingv1.NetworkPolicy, peers []networkingv1.NetworkPolicyPeer, end refEnd) truth {
	if len(peers) == 0 {
		return open
	}
	best := blocked
	for _, p := range peers {
		best = best.or(r.peerMatches(np, p, end))
	}
	return best
}

func (r *reference) peerMatches(np *networkingv1.NetworkPolicy, p networkingv1.NetworkPolicyPeer, end refEnd) truth {
	selectors := p.PodSelector != nil || p.NamespaceSelector != nil
	if selectors == (p.IPBlock != nil) {
		return unknown("unparsable-selector") // {} or both: invalid, it may match anything
	}
	if p.IPBlock != nil {
		if end.pod == nil {
			return blockHolds(p.IPBlock, end.address)
		}
		return r.blockHoldsPod(p.IPBlock, end.pod)
	}
	if end.pod == nil {
		return blocked // selectors see pods only
	}
	matches := open
	if p.PodSelector != nil {
		matches = end.pod.selected(p.PodSelector)
	}
	if p.NamespaceSelector != nil {
		matches = matches.and(r.namespaceMatches(p.NamespaceSelector, end.pod.namespace))
	} else if end.pod.namespace != namespaceOf(np) {
		matches = blocked
	}
	if end.pod.hostNetwork {
		matches = matches.and(unknown("host-network"))
	}
	return matches
}

func (r *reference) blockHoldsPod(b *networkingv1.IPBlock, p *refPod) truth {
	if _, _, err := net.ParseCIDR(b.CIDR); err != nil {
		return unknown("unparsable-selector")
	}
	best := blocked
	for _, ip := range p.ips {
		best = best.or(blockHolds(b, ip))
	}
	if len(p.ips) > 0 {
		return best
	}
	if r.podNetwork == "" || p.hostNetwork {
		return unknown("ip-not-assigned")
	}
	// Try every address that the pod may get.
	for _, ip := range addressesOf(r.podNetwork) {
		if blockHolds(b, ip) != blocked {
			return unknown("ip-not-assigned")
		}
	}
	return blocked
}

func blockHolds(b *networkingv1.IPBlock, address string) truth {
	ip := net.ParseIP(address)
	_, block, err := net.ParseCIDR(b.CIDR)
	if err != nil {
		return unknown("unparsable-selector")
	}
	isV4 := ip.To4() != nil
	if blockV4 := block.IP.To4() != nil; isV4 != blockV4 || !block.Contains(ip) {
		return blocked
	}
	holds := open
	for _, e := range b.Except {
		_, except, err := net.ParseCIDR(e)
		if err != nil {
			holds = holds.and(unknown("unparsable-selector"))
			continue
		}
		if except.Contains(ip) {
			return blocked
		}
	}
	return holds
}

// addressesOf lists every address of a small network.
func addressesOf(cidr string) []string {
	_, n, _ := net.ParseCIDR(cidr)
	var out []string
	for ip := slices.Clone(n.IP); n.Contains(ip); {
		out = append(out, ip.String())
		for i := len(ip) - 1; i >= 0; i-- {
			if ip[i]++; ip[i] != 0 {
				break
			}
		}
	}
	return out
}

func anyPort(ports []networkingv1.NetworkPolicyPort, destination refEnd, protocol corev1.Protocol, port int) truth {
	if len(ports) == 0 {
		return open
	}
	best := blocked
	for _, p := range ports {
		best = best.or(portMatches(p, destination, protocol, port))
	}
	return best
}

func portMatches(p networkingv1.NetworkPolicyPort, destination refEnd, protocol corev1.Protocol, port int) truth {
	want := corev1.ProtocolTCP
	if p.Protocol != nil {
		want = *p.Protocol
	}
	broken := unknown("unparsable-selector")
	switch {
	case want != corev1.ProtocolTCP && want != corev1.ProtocolUDP && want != corev1.ProtocolSCTP:
		return broken
	case p.Port == nil && p.EndPort != nil, p.Port != nil && p.Port.Type == intstr.String && p.EndPort != nil:
		return broken
	case p.Port == nil:
		return is(want == protocol)
	case p.Port.Type == intstr.String:
		if destination.pod == nil {
			return blocked
		}
		for _, c := range destination.pod.ports {
			named := c.Protocol
			if named == "" {
				named = corev1.ProtocolTCP
			}
			if c.Name == p.Port.StrVal && named == want && want == protocol && int(c.ContainerPort) == port {
				return open
			}
		}
		return blocked
	}
	last := p.Port.IntVal
	if p.EndPort != nil {
		last = *p.EndPort
	}
	if p.Port.IntVal < 1 || last < p.Port.IntVal || last > 65535 {
		return broken
	}
	return is(want == protocol && port >= int(p.Port.IntVal) && port <= int(last))
}

func is(b bool) truth {
	if b {
		return open
	}
	return blocked
}

func selectorMatches(s *metav1.LabelSelector, labels map[string]string) truth {
	result := true
	for k, v := range s.MatchLabels {
		got, ok := labels[k]
		result = result && ok && got == v
	}
	for _, e := range s.MatchExpressions {
		got, ok := labels[e.Key]
		held := slices.Contains(e.Values, got)
		switch {
		case e.Operator == metav1.LabelSelectorOpIn && len(e.Values) > 0:
			result = result && ok && held
		case e.Operator == metav1.LabelSelectorOpNotIn && len(e.Values) > 0:
			result = result && (!ok || !held)
		case e.Operator == metav1.LabelSelectorOpExists && len(e.Values) == 0:
			result = result && ok
		case e.Operator == metav1.LabelSelectorOpDoesNotExist && len(e.Values) == 0:
			result = result && !ok
		default:
			return unknown("unparsable-selector")
		}
	}
	return is(result)
}

// namespaceMatches tries every label that a namespace may have which is only named.
func (r *reference) namespaceMatches(s *metav1.LabelSelector, name string) truth {
	if !r.onlyNamed[name] {
		return selectorMatches(s, r.namespaces[name])
	}
	values := map[string][]string{}
	for k, v := range s.MatchLabels {
		values[k] = append(values[k], v)
	}
	for _, e := range s.MatchExpressions {
		values[e.Key] = append(values[e.Key], e.Values...)
	}
	sets := []map[string]string{{"kubernetes.io/metadata.name": name}}
	for key, known := range values {
		if key == "kubernetes.io/metadata.name" {
			continue
		}
		for _, set := range slices.Clone(sets) { // lacking it is there already
			for _, v := range append(slices.Clone(known), "other") {
				with := maps.Clone(set)
				with[key] = v
				sets = append(sets, with)
			}
		}
	}
	first := selectorMatches(s, sets[0])
	for _, set := range sets {
		if selectorMatches(s, set) != first {
			return unknown("namespace-unknown")
		}
	}
	return first
}

// typesOf are the policyTypes with the API server's default.
func typesOf(np *networkingv1.NetworkPolicy) []networkingv1.PolicyType {
	if len(np.Spec.PolicyTypes) > 0 {
		return np.Spec.PolicyTypes
	}
	if len(np.Spec.Egress) > 0 {
		return []networkingv1.PolicyType{networkingv1.PolicyTypeIngress, networkingv1.PolicyTypeEgress}
	}
	return []networkingv1.PolicyType{networkingv1.PolicyTypeIngress}
}

type refRule struct {
	peers []networkingv1.NetworkPolicyPeer
	ports []networkingv1.NetworkPolicyPort
}

func rulesOf(np *networkingv1.NetworkPolicy, direction networkingv1.PolicyType) []refRule {
	var out []refRule
	if direction == networkingv1.PolicyTypeIngress {
		for _, r := range np.Spec.Ingress {
			out = append(out, refRule{r.From, r.Ports})
		}
		return out
	}
	for _, r := range np.Spec.Egress {
		out = append(out, refRule{r.To, r.Ports})
	}
	return out
}

func namespaceOf(o metav1.Object) string {
	if o.GetNamespace() == "" {
		return "default"
	}
	return o.GetNamespace()
}
