package cluster

import (
	networkingv1 "k8s.io/api/networking/v1"
)

// IngressEntry is what the model keeps of a networking.k8s.io/v1 Ingress. Some controller's pods
// serve it: which, it does not say.
type IngressEntry struct {
	Namespace, Name string
	Backends        []Backend
	// Document is the whole object, where it is kept.
	Document *Document
}

// Ref implements Object.
func (i *IngressEntry) Ref() Ref { return Ref{Namespace: i.Namespace, Kind: "Ingress", Name: i.Name} }

func (i *IngressEntry) entry() templateKey { return templateKey{"Ingress", i.Name} }

func newIngress(o *networkingv1.Ingress) *IngressEntry {
	out := &IngressEntry{Namespace: namespaceOf(o.Namespace), Name: nameOf(&o.ObjectMeta)}
	var list backends
	add := func(b *networkingv1.IngressBackend, when string) {
		if b == nil || b.Service == nil || b.Service.Name == "" {
			return // a resource of another API, or nothing
		}
		port := b.Service.Port.Number
		if port < 0 || port > maxPort {
			port = 0
		}
		list = list.add(Backend{Namespace: out.Namespace, Service: b.Service.Name, Port: uint16(port), PortName: b.Service.Port.Name, When: when})
	}
	for i := range o.Spec.Rules {
		r := &o.Spec.Rules[i]
		if r.HTTP == nil { // all of the host goes to the default backend
			add(o.Spec.DefaultBackend, requests(r.Host, ""))
			continue
		}
		for j := range r.HTTP.Paths {
			p := &r.HTTP.Paths[j]
			add(&p.Backend, requests(r.Host, p.Path))
		}
	}
	add(o.Spec.DefaultBackend, "what no rule matches")
	out.Backends = list
	return out
}
