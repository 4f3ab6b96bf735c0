package cluster

import (
	"net/netip"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/podcullis/podcullis/cluster/selector"
)

// Service is what the model keeps of a v1 Service.
type Service struct {
	Namespace, Name string
	// Selects is false for one without a selector, whose addresses somebody else writes.
	Selects bool
	Pods    selector.Selector
	Ports   []ServicePort
	// LoadBalancer and NodePort say how it can be reached from outside, ExternalIP is set
	// where it has external addresses.
	LoadBalancer, NodePort, ExternalIP bool
	// Local is set where the client's address stays the source of what its pods get
	// (externalTrafficPolicy).
	Local bool
	// Clients are the blocks from which the load balancer takes connections; none for all.
	Clients []netip.Prefix
	// Document is the whole object, where it is kept.
	Document *Document
}

// ServicePort is a port of a Service, and the one of its pods that it leads to.
type ServicePort struct {
	Name     string
	Protocol Protocol
	Port     uint16
	// Target is the number on the pods, TargetName the name of a container's port instead.
	Target     uint16
	TargetName string
}

// Ref implements Object.
func (s *Service) Ref() Ref { return Ref{Namespace: s.Namespace, Kind: serviceKind, Name: s.Name} }

func (s *Service) entry() templateKey { return templateKey{serviceKind, s.Name} }

// plain is the Service without its selector.
func (s *Service) plain() Service {
	p := *s
	p.Pods = selector.Selector{}
	return p
}

// FromOutside says by what it can be reached from outside the cluster: "LoadBalancer",
// "NodePort" or "externalIPs"; "" where it cannot.
func (s *Service) FromOutside() string {
	switch {
	case s.LoadBalancer:
		return "LoadBalancer"
	case s.NodePort:
		return "NodePort"
	case s.ExternalIP:
		return "externalIPs"
	}
	return ""
}

// Leads are the ports that a backend means.
func (s *Service) Leads(b Backend) []ServicePort {
	var out []ServicePort
	for _, p := range s.Ports {
		if b.Port == 0 && b.PortName == "" || b.Port != 0 && b.Port == p.Port || b.PortName != "" && b.PortName == p.Name {
			out = append(out, p)
		}
	}
	return out
}

func newService(o *corev1.Service) (*Service, error) {
	out := &Service{Namespace: namespaceOf(o.Namespace), Name: nameOf(&o.ObjectMeta)}
	spec := &o.Spec
	if spec.Type == corev1.ServiceTypeExternalName {
		return out, nil
	}
	var errs field.ErrorList
	if out.Selects = len(spec.Selector) > 0; out.Selects {
		var err error
		if out.Pods, err = selector.New(metav1.LabelSelector{MatchLabels: spec.Selector}); err != nil {
			errs = append(errs, field.Invalid(field.NewPath("spec", "selector"), spec.Selector, err.Error()))
		}
	}
	for i := range spec.Ports {
		p, err := newServicePort(&spec.Ports[i], field.NewPath("spec", "ports").Index(i))
		if err != nil {
			errs = append(errs, err)
			continue
		}
		out.Ports = append(out.Ports, p)
	}
	out.LoadBalancer = spec.Type == corev1.ServiceTypeLoadBalancer
	// Every port of a LoadBalancer has a port of the nodes, too, unless that is switched off.
	out.NodePort = spec.Type == corev1.ServiceTypeNodePort || out.LoadBalancer && (spec.AllocateLoadBalancerNodePorts == nil || *spec.AllocateLoadBalancerNodePorts)
	for _, p := range spec.Ports {
		out.NodePort = out.NodePort || p.NodePort != 0
	}
	out.ExternalIP = len(spec.ExternalIPs) > 0
	out.Local = spec.ExternalTrafficPolicy == corev1.ServiceExternalTrafficPolicyLocal
	for _, text := range spec.LoadBalancerSourceRanges {
		block, err := netip.ParsePrefix(text)
		if err != nil { // what is no block restricts nobody
			out.Clients = nil
			break
		}
		out.Clients = append(out.Clients, block.Masked())
	}
	if len(errs) > 0 {
		return nil, errs.ToAggregate()
	}
	return out, nil
}

func newServicePort(p *corev1.ServicePort, at *field.Path) (ServicePort, *field.Error) {
	out := ServicePort{Name: p.Name, Protocol: TCP}
	if p.Protocol != "" {
		protocol, ok := ParseProtocol(string(p.Protocol))
		if !ok {
			return out, field.NotSupported(at.Child("protocol"), p.Protocol, []string{"TCP", "UDP", "SCTP"})
		}
		out.Protocol = protocol
	}
	if p.Port < 1 || p.Port > maxPort {
		return out, field.Invalid(at.Child("port"), p.Port, "must be between 1 and 65535")
	}
	out.Port, out.Target = uint16(p.Port), uint16(p.Port)
	switch t := p.TargetPort; {
	case t.Type == intstr.String && t.StrVal != "":
		out.Target, out.TargetName = 0, t.StrVal
	case t.Type == intstr.Int && t.IntVal != 0:
		if t.IntVal < 1 || t.IntVal > maxPort {
			return out, field.Invalid(at.Child("targetPort"), t.IntVal, "must be between 1 and 65535, or the name of a port")
		}
		out.Target = uint16(t.IntVal)
	}
	return out, nil
}
