package remote

import (
	"context"
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/tools/pager"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/cluster/manifest"
)

// Discovery is asked which policy APIs are served: a *discovery.DiscoveryClient.
type Discovery interface {
	ServerPreferredResources() ([]*metav1.APIResourceList, error)
}

// kind is a kind of the model and the resource that holds it.
type kind struct {
	schema.GroupVersionKind
	resource string
	object   func() runtime.Object
}

// kinds are those that cluster.FromAPI knows. Netpols come first and pods last:
// what a slow reading misses of a change is then a pod rather than its netpol.
func kinds() []kind {
	return []kind{
		{networkingv1.SchemeGroupVersion.WithKind("NetworkPolicy"), "networkpolicies", func() runtime.Object { return &networkingv1.NetworkPolicy{} }},
		{corev1.SchemeGroupVersion.WithKind("Namespace"), "namespaces", func() runtime.Object { return &corev1.Namespace{} }},
		{batchv1.SchemeGroupVersion.WithKind("CronJob"), "cronjobs", func() runtime.Object { return &batchv1.CronJob{} }},
		{batchv1.SchemeGroupVersion.WithKind("Job"), "jobs", func() runtime.Object { return &batchv1.Job{} }},
		{appsv1.SchemeGroupVersion.WithKind("Deployment"), "deployments", func() runtime.Object { return &appsv1.Deployment{} }},
		{appsv1.SchemeGroupVersion.WithKind("StatefulSet"), "statefulsets", func() runtime.Object { return &appsv1.StatefulSet{} }},
		{appsv1.SchemeGroupVersion.WithKind("DaemonSet"), "daemonsets", func() runtime.Object { return &appsv1.DaemonSet{} }},
		{appsv1.SchemeGroupVersion.WithKind("ReplicaSet"), "replicasets", func() runtime.Object { return &appsv1.ReplicaSet{} }},
		{corev1.SchemeGroupVersion.WithKind("ReplicationController"), "replicationcontrollers", func() runtime.Object { return &corev1.ReplicationController{} }},
		{corev1.SchemeGroupVersion.WithKind("Pod"), "pods", func() runtime.Object { return &corev1.Pod{} }},
	}
}

// Read lists everything that the model is made of. name stands for the file in
// the locations of the objects: "cluster prod". The list of each kind is
// consistent by itself; between them time passes.
func Read(ctx context.Context, client dynamic.Interface, served Discovery, name string, also ...Also) (*manifest.Set, error) {
	r := reader{client: client, at: manifest.Location{File: name}}
	for _, k := range kinds() {
		if err := r.list(ctx, k.GroupVersion().WithResource(k.resource), func(u *unstructured.Unstructured) error { return r.keep(k, u) }); err != nil {
			return nil, err
		}
	}
	if err := r.foreign(ctx, served); err != nil {
		return nil, err
	}
	for _, more := range also {
		if err := more(ctx, &r, served); err != nil {
			return nil, err
		}
	}
	set := manifest.NewSet(r.objects...)
	set.Notes = r.notes
	return set, nil
}

type reader struct {
	client  dynamic.Interface
	at      manifest.Location
	objects []manifest.Object
	notes   []manifest.Note
}

// list calls keep with every object of a resource, in all namespaces.
func (r *reader) list(ctx context.Context, resource schema.GroupVersionResource, keep func(*unstructured.Unstructured) error) error {
	pages := pager.New(func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
		return r.client.Resource(resource).List(ctx, o)
	})
	var read []*unstructured.Unstructured
	err := pages.EachListItem(ctx, metav1.ListOptions{}, func(o runtime.Object) error {
		u, ok := o.(*unstructured.Unstructured)
		if !ok {
			return fmt.Errorf("got a %T", o)
		}
		read = append(read, u)
		return nil
	})
	if err != nil {
		return fmt.Errorf("list %s: %w", resource.GroupResource(), err)
	}
	for _, u := range read {
		if err := keep(u); err != nil {
			return fmt.Errorf("read %s %s/%s: %w", resource.GroupResource(), u.GetNamespace(), u.GetName(), err)
		}
	}
	return nil
}

func (r *reader) keep(k kind, u *unstructured.Unstructured) error {
	api := k.object()
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(u.Object, api); err != nil {
		return err
	}
	model, err := cluster.FromAPI(api)
	if model == nil {
		return err
	}
	if err != nil { // stored before it was refused: it counts as unknown
		r.notes = append(r.notes, manifest.Note{Location: r.at, Text: fmt.Sprintf("%s: %v", model.Ref(), err)})
	}
	return r.add(u, k.GroupVersionKind, api, model)
}

func (r *reader) add(u *unstructured.Unstructured, gvk schema.GroupVersionKind, api runtime.Object, model cluster.Object) error {
	u.SetManagedFields(nil)
	u.SetGroupVersionKind(gvk) // the items of a list come without
	data, err := u.MarshalJSON()
	if err != nil {
		return err
	}
	cluster.Keep(model, cluster.NewDocumentJSON(data))
	r.objects = append(r.objects, manifest.Object{
		GroupVersionKind: gvk, Namespace: u.GetNamespace(), Name: u.GetName(),
		JSON: data, API: api, Model: model, Location: r.at,
	})
	return nil
}

// Forbidden tells whether an error is that the user may not list something.
func Forbidden(err error) bool { return apierrors.IsForbidden(err) }
