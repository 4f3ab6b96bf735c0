package live

import (
	"context"
	"maps"
	"slices"
	"sync/atomic"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
	toolscache "k8s.io/client-go/tools/cache"

	"github.com/podcullis/podcullis/cluster"
)

// entryKinds are the kinds of what leads from outside the cluster to pods.
func entryKinds() []kind {
	service := (&cluster.Service{}).Ref().Kind
	out := []kind{
		{name: service, resource: corev1.SchemeGroupVersion.WithResource("services"), object: &corev1.Service{}},
		{name: "Ingress", resource: networkingv1.SchemeGroupVersion.WithResource("ingresses"), object: &networkingv1.Ingress{}},
	}
	routes := cluster.RouteKinds()
	for _, name := range slices.Sorted(maps.Keys(routes)) {
		r := &routeKind{kind: name}
		out = append(out, kind{name: name, resource: r.in(routeVersions[0], routes[name]), object: &unstructured.Unstructured{}, other: r})
	}
	return out
}

// EntryResources are those that are watched where Options.Entries is set.
func EntryResources() []schema.GroupVersionResource {
	var out []schema.GroupVersionResource
	for _, k := range entryKinds() {
		out = append(out, k.resource)
	}
	return out
}

// routeVersions are the versions in which routes have been served, the newest first. What the
// model reads of a route is alike in all.
var routeVersions = []string{"v1", "v1beta1", "v1alpha3", "v1alpha2"}

// routeKind is a kind of routes, in whichever version it is served.
type routeKind struct {
	kind   string
	served atomic.Pointer[string] // the version of the last list; nil where there was none
}

func (k *routeKind) in(version, resource string) schema.GroupVersionResource {
	return schema.GroupVersionResource{Group: "gateway.networking.k8s.io", Version: version, Resource: resource}
}

// now is the resource in the version that is served, as far as that is known.
func (k *routeKind) now(resource schema.GroupVersionResource) schema.GroupVersionResource {
	if v := k.served.Load(); v != nil {
		resource.Version = *v
	}
	return resource
}

// listWatch lists the objects in the first version that is served, and watches that one. A
// resource that is not served at all has no objects.
func (k *routeKind) listWatch(source Source, resource schema.GroupVersionResource) (*toolscache.ListWatch, error) {
	versions := map[string]*toolscache.ListWatch{}
	for _, v := range routeVersions {
		lw, err := source(k.in(v, resource.Resource))
		if err != nil {
			return nil, err
		}
		versions[v] = lw
	}
	return &toolscache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, options metav1.ListOptions) (runtime.Object, error) {
			for _, v := range routeVersions {
				objects, err := versions[v].ListWithContext(ctx, options)
				if apierrors.IsNotFound(err) {
					continue
				}
				if err == nil {
					k.served.Store(&v)
				}
				return objects, err
			}
			k.served.Store(nil)
			empty := &unstructured.UnstructuredList{}
			empty.SetResourceVersion(notServed)
			return empty, nil
		},
		WatchFuncWithContext: func(ctx context.Context, options metav1.ListOptions) (watch.Interface, error) {
			version := routeVersions[0]
			if v := k.served.Load(); v != nil {
				version = *v
			}
			return versions[version].WatchWithContext(ctx, options)
		},
	}, nil
}

// trim is a toolscache.TransformFunc, see trim.
func (k *routeKind) trim(in any) (any, error) {
	return trimmed(in, "the route", func(namespace string, raw []byte) (cluster.Object, error) {
		r, _, err := cluster.NewRoute(k.kind, namespace, raw)
		if err != nil {
			return nil, err
		}
		return r, nil
	})
}

func trimService(o *corev1.Service) *corev1.Service {
	s := &o.Spec
	return &corev1.Service{ObjectMeta: trimMeta(&o.ObjectMeta), Spec: corev1.ServiceSpec{
		Type: s.Type, Selector: s.Selector, Ports: s.Ports, ExternalIPs: s.ExternalIPs, ExternalTrafficPolicy: s.ExternalTrafficPolicy,
		LoadBalancerSourceRanges: s.LoadBalancerSourceRanges, AllocateLoadBalancerNodePorts: s.AllocateLoadBalancerNodePorts,
	}}
}

func trimIngress(o *networkingv1.Ingress) *networkingv1.Ingress {
	return &networkingv1.Ingress{ObjectMeta: trimMeta(&o.ObjectMeta), Spec: networkingv1.IngressSpec{DefaultBackend: o.Spec.DefaultBackend, Rules: o.Spec.Rules}}
}
