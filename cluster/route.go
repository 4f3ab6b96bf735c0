package cluster

import (
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	kjson "sigs.k8s.io/json"
)

// gatewayGroup is the API group of routes and Gateways.
const gatewayGroup = "gateway.networking.k8s.io"

// Route is what the model keeps of a route of the Gateway API. The Gateway itself is not in
// the model: whether it is there, listens and takes the route is not asked.
type Route struct {
	Namespace, Kind, Name string
	// Gateways are those that it wants to belong to, as namespace/name.
	Gateways []string
	Backends []Backend
}

// RouteKinds are the kinds of routes, with the resource by which each is served.
func RouteKinds() map[string]string {
	return map[string]string{"HTTPRoute": "httproutes", "GRPCRoute": "grpcroutes", "TLSRoute": "tlsroutes", "TCPRoute": "tcproutes", "UDPRoute": "udproutes"}
}

// IsRoute reports whether a kind is one of routes.
func IsRoute(group, kind string) bool {
	_, ok := RouteKinds()[kind]
	return ok && group == gatewayGroup
}

// Ref implements Object.
func (r *Route) Ref() Ref { return Ref{Namespace: r.Namespace, Kind: r.Kind, Name: r.Name} }

func (r *Route) entry() templateKey { return templateKey{r.Kind, r.Name} }

// routeObject is what is read of a route, of whichever kind and version.
type routeObject struct {
	Metadata metav1.ObjectMeta `json:"metadata"`
	Spec     struct {
		ParentRefs []objectReference `json:"parentRefs"`
		Hostnames  []string          `json:"hostnames"`
		Rules      []struct {
			Matches []struct {
				Path struct {
					Value string `json:"value"`
				} `json:"path"`
			} `json:"matches"`
			BackendRefs []struct {
				objectReference
				Filters []routeFilter `json:"filters"`
			} `json:"backendRefs"`
			Filters []routeFilter `json:"filters"`
		} `json:"rules"`
	} `json:"spec"`
}

type objectReference struct {
	Group     *string `json:"group"`
	Kind      *string `json:"kind"`
	Namespace *string `json:"namespace"`
	Name      string  `json:"name"`
	Port      *int32  `json:"port"`
}

type routeFilter struct {
	RequestMirror *struct {
		BackendRef objectReference `json:"backendRef"`
	} `json:"requestMirror"`
}

func (o objectReference) is(group, kind string, by objectReference) bool {
	return or(o.Group, or(by.Group, "")) == group && or(o.Kind, or(by.Kind, "")) == kind
}

func or(p *string, missing string) string {
	if p == nil {
		return missing
	}
	return *p
}

// NewRoute reads a route in JSON, and returns its metadata. A missing namespace is the one
// that is given.
func NewRoute(kind, namespace string, object []byte) (*Route, *metav1.ObjectMeta, error) {
	var o routeObject
	if err := kjson.UnmarshalCaseSensitivePreserveInts(object, &o); err != nil {
		return nil, nil, err
	}
	if o.Metadata.Namespace == "" {
		o.Metadata.Namespace = namespace
	}
	out := &Route{Namespace: namespaceOf(o.Metadata.Namespace), Kind: kind, Name: nameOf(&o.Metadata)}
	group, gateway, service := gatewayGroup, "Gateway", "Service"
	for _, p := range o.Spec.ParentRefs {
		if p.is(gatewayGroup, "Gateway", objectReference{Group: &group, Kind: &gateway}) {
			name := or(p.Namespace, out.Namespace) + "/" + p.Name
			if !slices.Contains(out.Gateways, name) {
				out.Gateways = append(out.Gateways, name)
			}
		}
	}
	host := ""
	if len(o.Spec.Hostnames) > 0 {
		host = o.Spec.Hostnames[0]
	}
	var list backends
	add := func(b objectReference, when string) {
		if !b.is("", "Service", objectReference{Kind: &service}) || b.Name == "" {
			return
		}
		backend := Backend{Namespace: or(b.Namespace, out.Namespace), Service: b.Name, When: when}
		if b.Port != nil && *b.Port > 0 && *b.Port <= maxPort {
			backend.Port = uint16(*b.Port)
		}
		list = list.add(backend)
	}
	for _, r := range o.Spec.Rules {
		path := ""
		if len(r.Matches) > 0 {
			path = r.Matches[0].Path.Value
		}
		when := requests(host, path)
		mirror := func(filters []routeFilter) {
			for _, f := range filters {
				if f.RequestMirror != nil {
					add(f.RequestMirror.BackendRef, when)
				}
			}
		}
		for _, b := range r.BackendRefs {
			add(b.objectReference, when)
			mirror(b.Filters)
		}
		mirror(r.Filters)
	}
	out.Backends = list
	return out, &o.Metadata, nil
}
