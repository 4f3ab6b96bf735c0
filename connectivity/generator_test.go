package connectivity_test

import (
	"fmt"
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"
	"pgregory.net/rapid"
)

// The generator draws small clusters in which everything that decides a
// connection is likely to meet: few names, few labels, few addresses.

var (
	drawNamespace = rapid.SampledFrom([]string{"a", "b", "c"})
	drawValue     = rapid.SampledFrom([]string{"1", "2"})
	drawPodIP     = rapid.SampledFrom(append(addressesOf("10.0.0.0/29"), addressesOf("fd00::/126")...))
	drawCIDR      = rapid.SampledFrom([]string{
		"0.0.0.0/0", "0.0.0.0/1", "128.0.0.0/1", "10.0.0.0/8", "10.0.0.5/8", "10.0.0.0/29", "10.0.0.2/32", "10.0.0.4/30",
		"192.168.0.0/16", "::/0", "fd00::/8", "fd00::/126", "fd00::1/128", "2001:db8::/32",
	})
	drawExcept = rapid.SampledFrom([]string{
		"10.0.0.0/8", "10.0.0.0/30", "10.0.0.4/31", "10.0.0.2/32", "10.0.0.0/29", "192.168.1.0/24", "fd00::/126", "fd00::2/127", "2001:db8::/48",
	})
)

// podNetwork is where the generated pods have their addresses.
const podNetwork = "10.0.0.0/29"

func drawLabels(t *rapid.T, name string) map[string]string {
	labels := map[string]string{}
	for _, key := range []string{"app", "tier"} {
		if rapid.IntRange(0, 3).Draw(t, name+" has "+key) > 0 {
			labels[key] = drawValue.Draw(t, name+" "+key)
		}
	}
	return labels
}

func drawObjects(t *rapid.T) []runtime.Object {
	var objects []runtime.Object
	for _, name := range []string{"a", "b", "c"} {
		objects = append(objects, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: drawLabels(t, "namespace "+name)}})
	}
	for i := range rapid.IntRange(0, 2).Draw(t, "deployments") {
		objects = append(objects, drawDeployment(t, fmt.Sprintf("d%d", i))...)
	}
	for i := range max(0, rapid.IntRange(-2, 2).Draw(t, "numbered")) {
		objects = append(objects, drawNumbered(t, fmt.Sprintf("m%d", i))...)
	}
	for i := range rapid.IntRange(1, 5).Draw(t, "pods") {
		objects = append(objects, drawPod(t, fmt.Sprintf("p%d", i)))
	}
	for i := range rapid.IntRange(0, 4).Draw(t, "netpols") {
		objects = append(objects, drawNetpol(t, fmt.Sprintf("n%d", i)))
	}
	return objects
}

// onlyNamed drops some Namespace objects: what is in them still names them.
func onlyNamed(t *rapid.T, objects []runtime.Object) []runtime.Object {
	return slices.DeleteFunc(slices.Clone(objects), func(o runtime.Object) bool {
		ns, ok := o.(*corev1.Namespace)
		return ok && rapid.IntRange(0, 4).Draw(t, "namespace "+ns.Name+" is only named") == 0
	})
}

func drawSpec(t *rapid.T, name string) corev1.PodSpec {
	spec := corev1.PodSpec{HostNetwork: rapid.IntRange(0, 7).Draw(t, name+" hostNetwork") == 0}
	spec.NodeName = rapid.SampledFrom([]string{"", "n-1", "n-1"}).Draw(t, name+" node")
	for range rapid.IntRange(0, 2).Draw(t, name+" containers") {
		spec.Containers = append(spec.Containers, corev1.Container{Ports: []corev1.ContainerPort{{
			Name:          rapid.SampledFrom([]string{"web", "dns", ""}).Draw(t, name+" port name"),
			ContainerPort: rapid.SampledFrom([]int32{53, 80, 8080}).Draw(t, name+" port"),
			Protocol:      rapid.SampledFrom([]corev1.Protocol{"", "TCP", "UDP", "SCTP"}).Draw(t, name+" protocol"),
		}}})
	}
	return spec
}

func drawStatus(t *rapid.T, name string) corev1.PodStatus {
	s := corev1.PodStatus{Phase: corev1.PodRunning}
	if rapid.IntRange(0, 9).Draw(t, name+" gone") == 0 {
		s.Phase = rapid.SampledFrom([]corev1.PodPhase{corev1.PodSucceeded, corev1.PodFailed}).Draw(t, name+" phase")
	}
	for range rapid.IntRange(0, 2).Draw(t, name+" addresses") {
		s.PodIPs = append(s.PodIPs, corev1.PodIP{IP: drawPodIP.Draw(t, name+" address")})
	}
	return s
}

// drawPod is a pod of nobody, or one that claims a controller.
func drawPod(t *rapid.T, name string) *corev1.Pod {
	p := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: drawNamespace.Draw(t, name+" namespace"), Name: name, Labels: drawLabels(t, name)},
		Spec:       drawSpec(t, name),
		Status:     drawStatus(t, name),
	}
	if rapid.IntRange(0, 3).Draw(t, name+" claims a controller") == 0 {
		own(p, rapid.SampledFrom([]string{"Deployment", "ReplicaSet", "Thing"}).Draw(t, name+" controller kind"),
			rapid.SampledFrom([]string{"d0", "d1", "d0-x", "t"}).Draw(t, name+" controller"))
	}
	return p
}

// drawDeployment is a Deployment with ReplicaSets and pods, some of them
// relabelled, some of its ReplicaSets not seen yet.
func drawDeployment(t *rapid.T, name string) []runtime.Object {
	namespace := drawNamespace.Draw(t, name+" namespace")
	labels, spec := drawLabels(t, name), drawSpec(t, name)
	var out []runtime.Object
	if rapid.IntRange(0, 5).Draw(t, name+" not seen") > 0 {
		out = append(out, &appsv1.Deployment{
			ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
			Spec:       appsv1.DeploymentSpec{Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels}, Spec: spec}},
		})
	}
	for _, hash := range []string{"x", "y"}[:rapid.IntRange(0, 2).Draw(t, name+" revisions")] {
		out = append(out, drawRevision(t, namespace, name, hash, labels, spec)...)
	}
	return out
}

func drawRevision(t *rapid.T, namespace, deployment, hash string, labels map[string]string, spec corev1.PodSpec) []runtime.Object {
	name := deployment + "-" + hash
	withHash := map[string]string{"pod-template-hash": hash}
	for k, v := range labels {
		withHash[k] = v
	}
	if rapid.IntRange(0, 5).Draw(t, name+" has other labels") == 0 {
		withHash["tier"] = drawValue.Draw(t, name+" tier")
	}
	pods := rapid.IntRange(0, 2).Draw(t, name+" pods")
	replicas := int32(pods)
	var out []runtime.Object
	if rapid.IntRange(0, 5).Draw(t, name+" not seen") > 0 {
		rs := &appsv1.ReplicaSet{
			ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
			Spec: appsv1.ReplicaSetSpec{
				Replicas: &replicas,
				Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: withHash}, Spec: spec},
			},
		}
		own(rs, "Deployment", deployment)
		out = append(out, rs)
	}
	for i := range pods {
		pod := fmt.Sprintf("%s-%d", name, i)
		p := &corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: pod, Labels: map[string]string{}},
			Spec:       spec,
			Status:     drawStatus(t, pod),
		}
		for k, v := range withHash {
			p.Labels[k] = v
		}
		if rapid.IntRange(0, 3).Draw(t, pod+" relabelled") == 0 {
			p.Labels[rapid.SampledFrom([]string{"app", "tier", "extra"}).Draw(t, pod+" label")] = drawValue.Draw(t, pod+" value")
		}
		own(p, "ReplicaSet", name)
		out = append(out, p)
	}
	return out
}

func own(o metav1.Object, kind, name string) {
	yes := true
	version := "apps/v1"
	switch kind {
	case "Job", "CronJob":
		version = "batch/v1"
	case "Thing":
		version = "example.com/v1"
	}
	o.SetOwnerReferences([]metav1.OwnerReference{{APIVersion: version, Kind: kind, Name: name, Controller: &yes}})
}

func drawNetpol(t *rapid.T, name string) *networkingv1.NetworkPolicy {
	np := &networkingv1.NetworkPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: drawNamespace.Draw(t, name+" namespace"), Name: name}}
	np.Spec.PodSelector = drawSelector(t, name+" podSelector")
	np.Spec.PolicyTypes = rapid.SampledFrom([][]networkingv1.PolicyType{nil, {}, {"Ingress"}, {"Egress"}, {"Ingress", "Egress"}}).Draw(t, name+" policyTypes")
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
		Key:      rapid.SampledFrom([]string{"app", "tier", "extra", "kubernetes.io/metadata.name", "pod-template-hash"}).Draw(t, name+" key"),
		Operator: rapid.SampledFrom([]metav1.LabelSelectorOperator{"In", "NotIn", "Exists", "DoesNotExist"}).Draw(t, name+" operator"),
	}
	if e.Operator == "In" || e.Operator == "NotIn" {
		e.Values = rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"1", "2", "a", "x"}), 1, 2, rapid.ID).Draw(t, name+" values")
	}
	if rapid.IntRange(0, 3).Draw(t, name+" by a generated label") == 0 {
		if e.Key = rapid.SampledFrom(generatedKeys).Draw(t, name+" generated key"); len(e.Values) > 0 {
			e.Values = drawGeneratedValues(t, name, e.Key)
		}
	}
	if rapid.IntRange(0, 19).Draw(t, name+" broken") == 0 {
		e.Operator, e.Values = rapid.SampledFrom([]metav1.LabelSelectorOperator{"Like", "In"}).Draw(t, name+" broken operator"), nil
	}
	s.MatchExpressions = append(s.MatchExpressions, e)
	return s
}

func drawPeers(t *rapid.T, name string) []networkingv1.NetworkPolicyPeer {
	var peers []networkingv1.NetworkPolicyPeer
	for range rapid.IntRange(0, 2).Draw(t, name+" peers") {
		var p networkingv1.NetworkPolicyPeer
		kind := rapid.IntRange(0, 15).Draw(t, name+" peer kind")
		if kind <= 5 || kind == 15 {
			p.IPBlock = drawBlock(t, name)
		}
		if kind >= 5 && kind <= 10 {
			s := drawSelector(t, name+" peer podSelector")
			p.PodSelector = &s
		}
		if kind >= 9 && kind <= 14 {
			s := drawSelector(t, name+" peer namespaceSelector")
			p.NamespaceSelector = &s
		}
		peers = append(peers, p)
	}
	return peers
}

func drawBlock(t *rapid.T, name string) *networkingv1.IPBlock {
	b := &networkingv1.IPBlock{CIDR: drawCIDR.Draw(t, name+" cidr")}
	for _, e := range rapid.SliceOfN(drawExcept, 0, 2).Draw(t, name+" except") {
		if strictPart(e, b.CIDR) {
			b.Except = append(b.Except, e)
		}
	}
	if rapid.IntRange(0, 19).Draw(t, name+" broken block") == 0 {
		if rapid.Bool().Draw(t, name+" broken except") {
			b.Except = append(b.Except, "10.0.0.x")
		} else {
			b.CIDR, b.Except = "10.0.0.0", nil
		}
	}
	return b
}

func drawPorts(t *rapid.T, name string) []networkingv1.NetworkPolicyPort {
	var ports []networkingv1.NetworkPolicyPort
	for range rapid.IntRange(0, 2).Draw(t, name+" ports") {
		var p networkingv1.NetworkPolicyPort
		if protocol := rapid.SampledFrom([]corev1.Protocol{"", "TCP", "UDP", "SCTP"}).Draw(t, name+" protocol"); protocol != "" {
			p.Protocol = &protocol
		}
		switch rapid.IntRange(0, 9).Draw(t, name+" port kind") {
		case 0:
		case 1, 2, 3:
			v := intstr.FromString(rapid.SampledFrom([]string{"web", "dns", "none"}).Draw(t, name+" named port"))
			p.Port = &v
		default:
			v := intstr.FromInt32(rapid.SampledFrom([]int32{1, 53, 80, 443, 8080, 65535}).Draw(t, name+" port"))
			p.Port = &v
			if end := rapid.SampledFrom([]int32{0, 0, 80, 90, 65535}).Draw(t, name+" endPort"); end >= v.IntVal || (end > 0 && rapid.IntRange(0, 9).Draw(t, name+" broken range") == 0) {
				p.EndPort = &end
			}
		}
		ports = append(ports, p)
	}
	return ports
}
