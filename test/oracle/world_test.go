package oracle

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"pgregory.net/rapid"
)

// A drawn cluster is small, and everything in it is drawn from few names, so that
// selectors, ports and blocks meet. Objects are as the API server stores them:
// with its defaults.

var (
	drawNamespace = rapid.SampledFrom([]string{"a", "b", "c"})
	drawValue     = rapid.SampledFrom([]string{"1", "2"})
)

func drawWorld(t *rapid.T) *world {
	w := &world{labels: map[string]map[string]string{}}
	for _, name := range []string{"a", "b", "c"} {
		w.labels[name] = drawLabels(t, "namespace "+name)
		w.labels[name]["kubernetes.io/metadata.name"] = name
	}
	for i := range rapid.IntRange(2, 5).Draw(t, "pods") {
		w.pods = append(w.pods, drawPod(t, i))
	}
	for i := range rapid.IntRange(0, 4).Draw(t, "netpols") {
		w.netpols = append(w.netpols, drawNetpol(t, fmt.Sprintf("n%d", i)))
	}
	return w
}

func drawLabels(t *rapid.T, of string) map[string]string {
	labels := map[string]string{}
	for _, key := range []string{"app", "tier"} {
		if rapid.IntRange(0, 3).Draw(t, of+" has "+key) > 0 {
			labels[key] = drawValue.Draw(t, of+" "+key)
		}
	}
	return labels
}

func drawPod(t *rapid.T, i int) *corev1.Pod {
	name := fmt.Sprintf("p%d", i)
	address := fmt.Sprintf("10.0.0.%d", i+1)
	if rapid.IntRange(0, 3).Draw(t, name+" IPv6") == 0 {
		address = fmt.Sprintf("fd00::%d", i+1)
	}
	p := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: drawNamespace.Draw(t, name+" namespace"), Name: name, Labels: drawLabels(t, name)},
		Status:     corev1.PodStatus{Phase: corev1.PodRunning, PodIP: address, PodIPs: []corev1.PodIP{{IP: address}}},
	}
	// A name stands for one port of a pod, as cyclonus has it.
	ports := []corev1.ContainerPort{
		{Name: "web", ContainerPort: rapid.SampledFrom([]int32{80, 8080}).Draw(t, name+" web"), Protocol: corev1.ProtocolTCP},
		{Name: "dns", ContainerPort: 53, Protocol: rapid.SampledFrom([]corev1.Protocol{corev1.ProtocolTCP, corev1.ProtocolUDP}).Draw(t, name+" dns")},
	}
	p.Spec.Containers = []corev1.Container{{Ports: ports[:rapid.IntRange(0, 2).Draw(t, name+" ports")]}}
	return p
}

func drawNetpol(t *rapid.T, name string) *networkingv1.NetworkPolicy {
	np := &networkingv1.NetworkPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: drawNamespace.Draw(t, name+" namespace"), Name: name}}
	np.Spec.PodSelector = drawSelector(t, name+" podSelector")
	np.Spec.PolicyTypes = rapid.SampledFrom([][]networkingv1.PolicyType{{"Ingress"}, {"Egress"}, {"Ingress", "Egress"}}).Draw(t, name+" policyTypes")
	for range rapid.IntRange(0, 2).Draw(t, name+" ingress rules") {
		np.Spec.Ingress = append(np.Spec.Ingress, networkingv1.NetworkPolicyIngressRule{From: drawPeers(t, name), Ports: drawPorts(t, name)})
	}
	for range rapid.IntRange(0, 2).Draw(t, name+" egress rules") {
		np.Spec.Egress = append(np.Spec.Egress, networkingv1.NetworkPolicyEgressRule{To: drawPeers(t, name), Ports: drawPorts(t, name)})
	}
	return np
}

func drawSelector(t *rapid.T, name string) metav1.LabelSelector {
	var s metav1.LabelSelector
	if rapid.IntRange(0, 2).Draw(t, name+" by labels") == 0 {
		s.MatchLabels = drawLabels(t, name)
	}
	if rapid.IntRange(0, 2).Draw(t, name+" by expressions") > 0 {
		return s
	}
	e := metav1.LabelSelectorRequirement{
		Key:      rapid.SampledFrom([]string{"app", "tier", "kubernetes.io/metadata.name"}).Draw(t, name+" key"),
		Operator: rapid.SampledFrom([]metav1.LabelSelectorOperator{"In", "NotIn", "Exists", "DoesNotExist"}).Draw(t, name+" operator"),
	}
	if e.Operator == "In" || e.Operator == "NotIn" {
		e.Values = rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"1", "2", "a"}), 1, 2, rapid.ID).Draw(t, name+" values")
	}
	s.MatchExpressions = append(s.MatchExpressions, e)
	if e.Operator == "NotIn" {
		// cyclonus does not let NotIn match an object without the key, which the
		// API does: the two are compared where the key is there.
		s.MatchExpressions = append(s.MatchExpressions, metav1.LabelSelectorRequirement{Key: e.Key, Operator: "Exists"})
	}
	return s
}

func drawPeers(t *rapid.T, name string) []networkingv1.NetworkPolicyPeer {
	var peers []networkingv1.NetworkPolicyPeer
	for range rapid.IntRange(0, 2).Draw(t, name+" peers") {
		pods, namespaces := drawSelector(t, name+" pods"), drawSelector(t, name+" namespaces")
		peers = append(peers, rapid.SampledFrom([]networkingv1.NetworkPolicyPeer{
			{PodSelector: &pods},
			{NamespaceSelector: &namespaces},
			{PodSelector: &pods, NamespaceSelector: &namespaces},
			{IPBlock: &networkingv1.IPBlock{CIDR: "0.0.0.0/0"}},
			{IPBlock: &networkingv1.IPBlock{CIDR: "0.0.0.0/0", Except: []string{"10.0.0.0/30", "192.168.1.0/24"}}},
			{IPBlock: &networkingv1.IPBlock{CIDR: "10.0.0.2/31"}},
			{IPBlock: &networkingv1.IPBlock{CIDR: "192.168.0.0/16", Except: []string{"192.168.2.0/24"}}},
			{IPBlock: &networkingv1.IPBlock{CIDR: "::/0", Except: []string{"fd00::/8"}}},
			{IPBlock: &networkingv1.IPBlock{CIDR: "fd00::/126"}},
		}).Draw(t, name+" peer"))
	}
	return peers
}

func drawPorts(t *rapid.T, name string) []networkingv1.NetworkPolicyPort {
	var ports []networkingv1.NetworkPolicyPort
	for range rapid.IntRange(0, 2).Draw(t, name+" ports") {
		protocol := rapid.SampledFrom([]corev1.Protocol{"TCP", "TCP", "UDP", "SCTP"}).Draw(t, name+" protocol")
		p := networkingv1.NetworkPolicyPort{Protocol: &protocol}
		switch rapid.IntRange(0, 5).Draw(t, name+" port kind") {
		case 0: // every port of the protocol
		case 1, 2:
			p.Port = new(intstr.FromString(rapid.SampledFrom([]string{"web", "dns", "none"}).Draw(t, name+" named port")))
		case 3:
			p.Port, p.EndPort = new(intstr.FromInt32(80)), new(rapid.SampledFrom([]int32{80, 90, 65535}).Draw(t, name+" endPort"))
		default:
			p.Port = new(intstr.FromInt32(rapid.SampledFrom([]int32{53, 80, 8080, 65535}).Draw(t, name+" port")))
		}
		ports = append(ports, p)
	}
	return ports
}
