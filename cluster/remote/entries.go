package remote

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/podcullis/podcullis/cluster"
)

// Also reads more than what the model is always made of.
type Also func(ctx context.Context, r *reader, served Discovery) error

// Entries are the Services, Ingresses and routes: what leads from outside to pods.
func Entries(ctx context.Context, r *reader, served Discovery) error {
	for _, k := range []kind{
		{corev1.SchemeGroupVersion.WithKind("Service"), "services", func() runtime.Object { return &corev1.Service{} }},
		{networkingv1.SchemeGroupVersion.WithKind("Ingress"), "ingresses", func() runtime.Object { return &networkingv1.Ingress{} }},
	} {
		if err := r.list(ctx, k.GroupVersion().WithResource(k.resource), func(u *unstructured.Unstructured) error { return r.keep(k, u) }); err != nil {
			return err
		}
	}
	routes, err := servedRoutes(served)
	if err != nil {
		return err
	}
	for _, k := range routes {
		if err := r.list(ctx, k.GroupVersion().WithResource(k.resource), func(u *unstructured.Unstructured) error { return r.keepRoute(k.GroupVersionKind, u) }); err != nil {
			return err
		}
	}
	return nil
}

func (r *reader) keepRoute(gvk schema.GroupVersionKind, u *unstructured.Unstructured) error {
	data, err := u.MarshalJSON()
	if err != nil {
		return err
	}
	route, _, err := cluster.NewRoute(gvk.Kind, u.GetNamespace(), data)
	if err != nil {
		return err
	}
	return r.add(u, gvk, nil, route)
}

// servedRoutes are the kinds of routes that are served.
func servedRoutes(served Discovery) ([]servedKind, error) {
	return servedKinds(served, func(group string, r metav1.APIResource) bool {
		return cluster.IsRoute(group, r.Kind) && r.Name == cluster.RouteKinds()[r.Kind]
	})
}
