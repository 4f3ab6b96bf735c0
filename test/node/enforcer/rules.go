package enforcer

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// table is the name of the nftables table that holds all rules.
const table = "podcullis_test"

// Cluster is what rules are made from.
type Cluster struct {
	Namespaces []*corev1.Namespace
	Pods       []*corev1.Pod
	Netpols    []*networkingv1.NetworkPolicy
}

// Rules returns a script for "nft -f" that replaces all rules by those for a cluster whose only
// node has the given address. The same cluster gives the same script.
//
// A connection is judged when it begins: by a chain of the pod that it comes from, if that pod is
// isolated for egress, and then by a chain of the pod that it goes to, if that is isolated for ingress.
// A chain returns for what a netpol allows, and drops the rest.
func Rules(c Cluster, node netip.Addr) (string, error) {
	w := newWorld(c)
	var chains strings.Builder
	jumps := map[direction][]string{}
	for _, pod := range w.pods {
		for _, d := range []direction{egress, ingress} {
			rules, isolated, err := w.rules(pod, d)
			if err != nil {
				return "", fmt.Errorf("pod %s/%s: %w", pod.Namespace, pod.Name, err)
			}
			if !isolated {
				continue
			}
			name := fmt.Sprintf("%s_%s", strings.ToLower(string(d)), strings.ReplaceAll(pod.Status.PodIP, ".", "_"))
			fmt.Fprintf(&chains, "\tchain %s { # %s/%s\n", name, pod.Namespace, pod.Name)
			for _, rule := range rules {
				fmt.Fprintf(&chains, "\t\t%s return\n", rule)
			}
			fmt.Fprint(&chains, "\t\tcounter drop\n\t}\n")
			jumps[d] = append(jumps[d], pod.Status.PodIP+" : jump "+name)
		}
	}
	var script strings.Builder
	fmt.Fprintf(&script, "table ip %s\ndelete table ip %s\ntable ip %s {\n%s", table, table, table, chains.String())
	// A packet between pods, or between a pod and the outside, is forwarded; one to the node is input.
	for _, hook := range []string{"forward", "input"} {
		fmt.Fprintf(&script, "\tchain %s {\n\t\ttype filter hook %s priority 10; policy accept;\n", hook, hook)
		fmt.Fprintf(&script, "\t\tct state established,related accept\n\t\tip saddr %s accept\n", node)
		for _, d := range []direction{egress, ingress} {
			if len(jumps[d]) > 0 {
				fmt.Fprintf(&script, "\t\tip %s vmap { %s }\n", near(d), strings.Join(jumps[d], ", "))
			}
		}
		fmt.Fprint(&script, "\t}\n")
	}
	fmt.Fprint(&script, "}\n")
	return script.String(), nil
}

type direction = networkingv1.PolicyType

const (
	ingress = networkingv1.PolicyTypeIngress
	egress  = networkingv1.PolicyTypeEgress
)

// near is where a packet has the address of the pod that a chain is about, and far where it has the
// other one.
func near(d direction) string {
	if d == egress {
		return "saddr"
	}
	return "daddr"
}

func far(d direction) string {
	if d == egress {
		return "daddr"
	}
	return "saddr"
}

// world is a cluster, made ready to be asked.
type world struct {
	namespaces map[string]labels.Set
	pods       []*corev1.Pod // that have an address of their own, by it
	netpols    []*networkingv1.NetworkPolicy
}

func newWorld(c Cluster) world {
	w := world{namespaces: map[string]labels.Set{}, netpols: slices.Clone(c.Netpols)}
	for _, ns := range c.Namespaces {
		w.namespaces[ns.Name] = ns.Labels
	}
	for _, pod := range c.Pods {
		over := pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed
		if pod.Status.PodIP != "" && !over && !pod.Spec.HostNetwork {
			w.pods = append(w.pods, pod)
		}
	}
	slices.SortFunc(w.pods, func(a, b *corev1.Pod) int { return strings.Compare(a.Status.PodIP, b.Status.PodIP) })
	slices.SortFunc(w.netpols, func(a, b *networkingv1.NetworkPolicy) int {
		return strings.Compare(a.Namespace+"/"+a.Name, b.Namespace+"/"+b.Name)
	})
	return w
}

// rule is an ingress or egress rule: the two have the same shape.
type rule struct {
	peers []networkingv1.NetworkPolicyPeer
	ports []networkingv1.NetworkPolicyPort
}

func rulesOf(np *networkingv1.NetworkPolicy, d direction) []rule {
	var out []rule
	if d == ingress {
		for _, r := range np.Spec.Ingress {
			out = append(out, rule{r.From, r.Ports})
		}
		return out
	}
	for _, r := range np.Spec.Egress {
		out = append(out, rule{r.To, r.Ports})
	}
	return out
}

// rules returns what nftables has to match for a pod to be reached (ingress) or to reach others
// (egress), and whether any netpol isolates it.
func (w world) rules(pod *corev1.Pod, d direction) (matches []string, isolated bool, err error) {
	for _, np := range w.netpols {
		if np.Namespace != pod.Namespace || !slices.Contains(np.Spec.PolicyTypes, d) {
			continue
		}
		selected, err := selects(&np.Spec.PodSelector, pod.Labels)
		if err != nil {
			return nil, false, fmt.Errorf("netpol %s: %w", np.Name, err)
		}
		if !selected {
			continue
		}
		isolated = true
		for _, r := range rulesOf(np, d) {
			others, err := w.others(np.Namespace, r.peers, d)
			if err != nil {
				return nil, false, fmt.Errorf("netpol %s: %w", np.Name, err)
			}
			for _, o := range others {
				matches = append(matches, w.onPorts(o, r.ports, pod, d)...)
			}
		}
	}
	return matches, isolated, nil
}

// other is who may be at the other end.
type other struct {
	match string      // of the other end's address; empty for any
	pod   *corev1.Pod // nil if it may be several, or be outside
}

func (w world) others(namespace string, peers []networkingv1.NetworkPolicyPeer, d direction) ([]other, error) {
	if len(peers) == 0 {
		return []other{{}}, nil
	}
	var out []other
	for _, peer := range peers {
		if peer.IPBlock != nil {
			if match, ok := blockMatch(*peer.IPBlock, d); ok {
				out = append(out, other{match: match})
			}
			continue
		}
		for _, pod := range w.pods {
			chosen, err := w.chooses(namespace, peer, pod)
			if err != nil {
				return nil, err
			}
			if chosen {
				out = append(out, other{fmt.Sprintf("ip %s %s", far(d), pod.Status.PodIP), pod})
			}
		}
	}
	return out, nil
}

// chooses tells whether a peer with selectors, in a netpol of the namespace, is about a pod.
func (w world) chooses(namespace string, peer networkingv1.NetworkPolicyPeer, pod *corev1.Pod) (bool, error) {
	if peer.NamespaceSelector == nil && pod.Namespace != namespace {
		return false, nil
	}
	if peer.NamespaceSelector != nil {
		if chosen, err := selects(peer.NamespaceSelector, w.namespaces[pod.Namespace]); !chosen || err != nil {
			return false, err
		}
	}
	if peer.PodSelector == nil {
		return true, nil
	}
	return selects(peer.PodSelector, pod.Labels)
}

func selects(s *metav1.LabelSelector, of labels.Set) (bool, error) {
	selector, err := metav1.LabelSelectorAsSelector(s)
	if err != nil {
		return false, err
	}
	return selector.Matches(of), nil
}

// blockMatch is not ok for IPv6, of which there is none here.
func blockMatch(block networkingv1.IPBlock, d direction) (match string, ok bool) {
	if strings.Contains(block.CIDR, ":") {
		return "", false
	}
	match = fmt.Sprintf("ip %s %s", far(d), block.CIDR)
	if len(block.Except) > 0 {
		match += fmt.Sprintf(" ip %s != { %s }", far(d), strings.Join(block.Except, ", "))
	}
	return match, true
}

// onPorts narrows a match to ports. The ports are always those of the pod that is reached.
func (w world) onPorts(o other, ports []networkingv1.NetworkPolicyPort, pod *corev1.Pod, d direction) []string {
	if len(ports) == 0 {
		return []string{o.match}
	}
	var out []string
	for _, p := range ports {
		protocol := "tcp"
		if p.Protocol != nil {
			protocol = strings.ToLower(string(*p.Protocol))
		}
		switch {
		case p.Port == nil:
			out = append(out, o.match+" meta l4proto "+protocol)
		case p.Port.Type == intstr.String && d == ingress:
			out = append(out, named(o.match, p.Port.StrVal, protocol, pod)...)
		case p.Port.Type == intstr.String && o.pod != nil:
			out = append(out, named(o.match, p.Port.StrVal, protocol, o.pod)...)
		case p.Port.Type == intstr.String: // each pod has its own number for a name
			for _, target := range w.pods {
				out = append(out, named(o.match+" ip daddr "+target.Status.PodIP, p.Port.StrVal, protocol, target)...)
			}
		case p.EndPort != nil:
			out = append(out, fmt.Sprintf("%s %s dport %d-%d", o.match, protocol, p.Port.IntVal, *p.EndPort))
		default:
			out = append(out, fmt.Sprintf("%s %s dport %d", o.match, protocol, p.Port.IntVal))
		}
	}
	return out
}

// named matches the ports that a pod gives a name to. A name that it does not know matches nothing.
func named(match, name, protocol string, pod *corev1.Pod) []string {
	var out []string
	for _, container := range pod.Spec.Containers {
		for _, p := range container.Ports {
			if p.Name == name && strings.EqualFold(string(p.Protocol), protocol) {
				out = append(out, fmt.Sprintf("%s %s dport %d", match, protocol, p.ContainerPort))
			}
		}
	}
	return out
}
