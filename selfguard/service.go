package selfguard

import (
	"fmt"
	"net/netip"
	"slices"

	admissionv1 "k8s.io/api/admission/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/podcullis/podcullis/cluster"
)

// service judges the Service by which the API server finds the pods.
func (s *Settings) service(c change) cut {
	old, ok := c.old.(*corev1.Service)
	if !ok || old.Name != s.Service { // one that is created takes nothing away
		return cut{}
	}
	name := fmt.Sprintf("Service %s/%s", s.Namespace, s.Service)
	if c.Operation == admissionv1.Delete {
		return cut{why: fmt.Sprintf("there is no %s, which the API server calls", name), sure: true}
	}
	now, ok := c.object.(*corev1.Service)
	if !ok {
		return cut{}
	}
	switch {
	case leads(old) && !leads(now):
		return cut{why: fmt.Sprintf("%s of type %s leads to no pods", name, now.Spec.Type), sure: true}
	case s.selects(old) && !s.selects(now):
		return cut{why: fmt.Sprintf("%s selects %s, and the pods of the release have the labels %s", name, selectorText(now.Spec.Selector), selectorText(s.Selector)), sure: true}
	case s.target(old) && !s.target(now):
		return cut{why: fmt.Sprintf("%s has no port that leads to port %s (%d) of the pods", name, s.PortName, s.PodPort), sure: true}
	case s.offers(old) && !s.offers(now):
		return cut{why: fmt.Sprintf("%s has no port %d, which the API server calls", name, s.ServicePort)}
	}
	return cut{}
}

// leads reports whether a Service has an address and sends to pods.
func leads(o *corev1.Service) bool { return o.Spec.Type != corev1.ServiceTypeExternalName }

// selects reports whether a Service finds the pods of the release, by the labels that
// all of them have.
func (s *Settings) selects(o *corev1.Service) bool {
	return len(o.Spec.Selector) > 0 && labels.SelectorFromSet(o.Spec.Selector).Matches(labels.Set(s.Selector))
}

// target reports whether some port leads to that of the webhook.
func (s *Settings) target(o *corev1.Service) bool {
	return slices.ContainsFunc(o.Spec.Ports, s.targets)
}

func (s *Settings) targets(p corev1.ServicePort) bool {
	if p.Protocol != "" && p.Protocol != corev1.ProtocolTCP {
		return false
	}
	switch to := p.TargetPort; {
	case to.Type == intstr.String:
		return to.StrVal == s.PortName
	case to.IntVal == 0:
		return p.Port == int32(s.PodPort)
	default:
		return to.IntVal == int32(s.PodPort)
	}
}

// offers reports whether the port that the API server calls leads to that of the webhook.
func (s *Settings) offers(o *corev1.Service) bool {
	return slices.ContainsFunc(o.Spec.Ports, func(p corev1.ServicePort) bool { return p.Port == s.ServicePort && s.targets(p) })
}

// endpointMakers keep the EndpointSlices of Services.
var endpointMakers = []string{
	"system:serviceaccount:kube-system:endpointslice-controller",
	"system:serviceaccount:kube-system:endpointslicemirroring-controller",
	"system:serviceaccount:kube-system:endpoint-controller",
	"system:kube-controller-manager",
}

// endpoints judges EndpointSlices of the Service that somebody writes by hand: what has
// the address there is called instead of a pod of the release.
func (s *Settings) endpoints(c change, snapshot *cluster.Snapshot) cut {
	now, ok := c.object.(*discoveryv1.EndpointSlice)
	if !ok || c.Operation == admissionv1.Delete || now.Labels[discoveryv1.LabelServiceName] != s.Service || slices.Contains(endpointMakers, c.UserInfo.Username) {
		return cut{}
	}
	known := map[netip.Addr]bool{}
	for _, p := range s.pods(snapshot) {
		for _, ip := range p.IPs {
			known[ip] = true
		}
	}
	if old, ok := c.old.(*discoveryv1.EndpointSlice); ok && old.Labels[discoveryv1.LabelServiceName] == s.Service {
		for _, a := range addressesOf(old) {
			known[a] = true
		}
	}
	for _, a := range addressesOf(now) {
		if !known[a] {
			return cut{why: fmt.Sprintf("calls of Service %s/%s go to %s, which is not a pod of the release", s.Namespace, s.Service, a), sure: true}
		}
	}
	return cut{}
}

func addressesOf(o *discoveryv1.EndpointSlice) []netip.Addr {
	var out []netip.Addr
	for _, e := range o.Endpoints {
		for _, text := range e.Addresses {
			a, _ := netip.ParseAddr(text) // the zero address is nobody's
			out = append(out, a)
		}
	}
	return out
}

func selectorText(l map[string]string) string {
	if len(l) == 0 {
		return "no pods"
	}
	return labels.Set(l).String()
}
