package probe

import (
	"strconv"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/podcullis/podcullis/doctor/probe/packets"
)

// Label is on all that a probe makes; its value is the probe's name.
const Label = "podcullis.io/probe"

const (
	roleLabel = "podcullis.io/probe-role"
	server    = "server"
	client    = "client"
	// reportFile is where a container leaves its last words.
	reportFile = corev1.TerminationMessagePathDefault
)

func (r *run) meta(role string) metav1.ObjectMeta {
	m := metav1.ObjectMeta{Namespace: r.Namespace, Name: r.name + "-" + role, Labels: r.labels(role)}
	if r.owner != nil {
		m.OwnerReferences = []metav1.OwnerReference{*r.owner}
	}
	return m
}

func (r *run) labels(role string) map[string]string {
	return map[string]string{Label: r.name, roleLabel: role, "app.kubernetes.io/managed-by": "podcullis"}
}

// netpol lets some ports through between the two pods: into the server, or out of the client.
func (r *run) netpol(role string, ports ...int) *networkingv1.NetworkPolicy {
	n := &networkingv1.NetworkPolicy{
		ObjectMeta: r.meta(role),
		Spec:       networkingv1.NetworkPolicySpec{PodSelector: metav1.LabelSelector{MatchLabels: map[string]string{Label: r.name, roleLabel: role}}},
	}
	var list []networkingv1.NetworkPolicyPort
	for _, p := range ports {
		list = append(list, networkingv1.NetworkPolicyPort{Protocol: new(corev1.ProtocolTCP), Port: new(intstr.FromInt(p))})
	}
	other := func(role string) []networkingv1.NetworkPolicyPeer {
		return []networkingv1.NetworkPolicyPeer{{PodSelector: &metav1.LabelSelector{MatchLabels: map[string]string{Label: r.name, roleLabel: role}}}}
	}
	// Both directions are isolated, so that no guardrail about default-deny has a say; the one that
	// is not meant lets nothing through.
	n.Spec.PolicyTypes = []networkingv1.PolicyType{networkingv1.PolicyTypeIngress, networkingv1.PolicyTypeEgress}
	if role == server {
		n.Spec.Ingress = []networkingv1.NetworkPolicyIngressRule{{From: other(client), Ports: list}}
	} else {
		n.Spec.Egress = []networkingv1.NetworkPolicyEgressRule{{To: other(server), Ports: list}}
	}
	return n
}

// job runs the server. It ends by itself, is removed then, and owns all the rest.
func (r *run) job() *batchv1.Job {
	spec := r.podSpec(server, packets.OpenPort,
		"--probe-listen=:"+strconv.Itoa(packets.IngressPort), "--probe-listen=:"+strconv.Itoa(packets.EgressPort), "--probe-listen=:"+strconv.Itoa(packets.OpenPort))
	return &batchv1.Job{
		ObjectMeta: metav1.ObjectMeta{Namespace: r.Namespace, Name: r.name, Labels: r.labels(server)},
		Spec: batchv1.JobSpec{
			ActiveDeadlineSeconds: new(r.life()), TTLSecondsAfterFinished: new(int32(0)), BackoffLimit: new(int32(0)),
			Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: r.labels(server)}, Spec: spec},
		},
	}
}

// pod tries the connections.
func (r *run) pod(host string) *corev1.Pod {
	spec := r.podSpec(client, packets.ReadyPort,
		"--probe-connect="+host, "--probe-patience="+r.Patience.String(), "--probe-report="+reportFile, "--probe-listen=:"+strconv.Itoa(packets.ReadyPort))
	// Another node, if there is one: both sides of the way are tried then.
	spec.Affinity = &corev1.Affinity{PodAntiAffinity: &corev1.PodAntiAffinity{PreferredDuringSchedulingIgnoredDuringExecution: []corev1.WeightedPodAffinityTerm{{
		Weight:          100,
		PodAffinityTerm: corev1.PodAffinityTerm{TopologyKey: corev1.LabelHostname, LabelSelector: &metav1.LabelSelector{MatchLabels: map[string]string{Label: r.name, roleLabel: server}}},
	}}}}
	return &corev1.Pod{ObjectMeta: r.meta(client), Spec: spec}
}

// podSpec keeps to the restricted Pod Security Standard.
func (r *run) podSpec(name string, ready int, args ...string) corev1.PodSpec {
	return corev1.PodSpec{
		RestartPolicy: corev1.RestartPolicyNever, ActiveDeadlineSeconds: new(r.life()), TerminationGracePeriodSeconds: new(int64(1)),
		AutomountServiceAccountToken: new(false), EnableServiceLinks: new(false),
		SecurityContext: &corev1.PodSecurityContext{
			RunAsNonRoot: new(true), RunAsUser: new(int64(65532)),
			SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
		},
		Containers: []corev1.Container{{
			Name: name, Image: r.Image, ImagePullPolicy: corev1.PullIfNotPresent, Args: args,
			TerminationMessagePath: reportFile, TerminationMessagePolicy: corev1.TerminationMessageFallbackToLogsOnError,
			ReadinessProbe: &corev1.Probe{
				ProbeHandler:  corev1.ProbeHandler{TCPSocket: &corev1.TCPSocketAction{Port: intstr.FromInt(ready)}},
				PeriodSeconds: 1, FailureThreshold: 1,
			},
			Resources: corev1.ResourceRequirements{
				Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("10m"), corev1.ResourceMemory: resource.MustParse("16Mi")},
				Limits:   corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("128Mi")},
			},
			SecurityContext: &corev1.SecurityContext{
				AllowPrivilegeEscalation: new(false), ReadOnlyRootFilesystem: new(true),
				Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
			},
		}},
	}
}

// life is after how long the pods end, if nobody ends them.
func (r *run) life() int64 { return int64((r.Timeout + 30*time.Second).Seconds()) }
