package main

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"

	admissionv1 "k8s.io/api/admission/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/podcullis/podcullis/test/bench/town"
)

// scene is a town and the changes that everybody is asked about.
type scene struct {
	plan     town.Plan
	objects  []client.Object
	requests []*admissionv1.AdmissionRequest
}

// newScene edits netpols of all sorts: those of databases, frontends and others,
// and a default-deny; a third of the edits let frontends in.
func newScene(p town.Plan, changes int) (*scene, error) {
	s := &scene{plan: p}
	var all, open []*networkingv1.NetworkPolicy
	bare := map[string]bool{}
	for o := range p.Objects() {
		if ns, ok := o.(*corev1.Namespace); ok { // the API server adds this one
			ns.Labels[corev1.LabelMetadataName] = ns.Name
		}
		s.objects = append(s.objects, o)
		np, ok := o.(*networkingv1.NetworkPolicy)
		if !ok {
			continue
		}
		if np.Name == "allow-all-egress" { // nobody has written the default-deny there
			bare[np.Namespace] = true
		}
		switch {
		case np.Name == town.Database && bare[np.Namespace]:
			open = append(open, np)
		case strings.HasPrefix(np.Name, "agreement"):
		default:
			all = append(all, np)
		}
	}
	if len(open) == 0 {
		return nil, fmt.Errorf("%s: no namespace lacks its default-deny, so no edit opens anything", p)
	}
	random := rand.New(rand.NewPCG(p.Seed, 4<<32)) //nolint:gosec // the same seed has to give the same changes
	for i := range changes {
		before := all[random.IntN(len(all))]
		if i%4 == 0 {
			before = open[random.IntN(len(open))]
		}
		after := before.DeepCopy()
		if i%2 == 0 {
			after.Spec.Ingress = append(after.Spec.Ingress, networkingv1.NetworkPolicyIngressRule{
				From: []networkingv1.NetworkPolicyPeer{{PodSelector: &metav1.LabelSelector{MatchLabels: map[string]string{town.TierLabel: town.Frontend}}}},
			})
		}
		if i%8 == 4 && len(after.Spec.Ingress) > 0 {
			after.Spec.Ingress[0].Ports = []networkingv1.NetworkPolicyPort{{Protocol: new(corev1.ProtocolTCP), Port: new(intstr.FromInt(1024 + random.IntN(60000)))}}
		}
		r, err := request(i, before, after)
		if err != nil {
			return nil, err
		}
		s.requests = append(s.requests, r)
	}
	return s, nil
}

func request(n int, before, after *networkingv1.NetworkPolicy) (*admissionv1.AdmissionRequest, error) {
	r := &admissionv1.AdmissionRequest{
		UID:       types.UID(fmt.Sprintf("20000000-0000-4000-8000-%012d", n)),
		Kind:      metav1.GroupVersionKind{Group: "networking.k8s.io", Version: "v1", Kind: "NetworkPolicy"},
		Resource:  metav1.GroupVersionResource{Group: "networking.k8s.io", Version: "v1", Resource: "networkpolicies"},
		Namespace: after.Namespace, Name: after.Name, Operation: admissionv1.Update,
	}
	r.UserInfo.Username = "deployer@example.com"
	var err error
	if r.Object.Raw, err = json.Marshal(after); err != nil {
		return nil, err
	}
	r.OldObject.Raw, err = json.Marshal(before)
	return r, err
}
