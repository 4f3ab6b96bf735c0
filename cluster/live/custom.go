package live

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	toolscache "k8s.io/client-go/tools/cache"

	"github.com/podcullis/podcullis/cluster"
)

// customKind is a kind of another API that makes pods.
type customKind struct{ cluster.Custom }

func customKinds(all []cluster.Custom) []kind {
	var out []kind
	for _, c := range all {
		object := &unstructured.Unstructured{}
		object.SetGroupVersionKind(c.GroupVersion().WithKind(c.Kind))
		out = append(out, kind{cluster.CustomKind(c.GroupKind()), c.GroupVersionResource, object, &customKind{c}})
	}
	return out
}

// customObject is what is kept of one object on its way into the model.
type customObject struct {
	metav1.TypeMeta
	metav1.ObjectMeta

	model cluster.Object // nil when the object has no template
	err   error          // why it cannot be read
}

// DeepCopyObject implements runtime.Object.
func (o *customObject) DeepCopyObject() runtime.Object {
	c := *o
	c.ObjectMeta = *o.DeepCopy()
	return &c
}

// trim is a toolscache.TransformFunc, see trim.
func (k *customKind) trim(in any) (any, error) {
	return trimmed(in, "its pod template", func(_ string, raw []byte) (cluster.Object, error) {
		t, _, err := k.Read(raw)
		if t == nil {
			return nil, err // and not a nil *Template
		}
		return t, err
	})
}

// trimmed is what is kept of an object of another API. What cannot be read is kept with why.
func trimmed(in any, what string, read func(namespace string, raw []byte) (cluster.Object, error)) (any, error) {
	u, ok := in.(*unstructured.Unstructured)
	if !ok {
		return in, nil
	}
	out := &customObject{ObjectMeta: metav1.ObjectMeta{
		Name: u.GetName(), Namespace: u.GetNamespace(), UID: u.GetUID(), ResourceVersion: u.GetResourceVersion(), DeletionTimestamp: u.GetDeletionTimestamp(),
	}}
	raw, err := u.MarshalJSON()
	if err == nil {
		out.model, err = read(u.GetNamespace(), raw)
	}
	if err != nil {
		out.err = fmt.Errorf("%s: %w", what, err)
	}
	return out, nil
}

// listWatch implements otherKind.
func (k *customKind) listWatch(source Source, resource schema.GroupVersionResource) (*toolscache.ListWatch, error) {
	lw, err := source(resource)
	if err != nil {
		return nil, err
	}
	return servedOrEmpty(lw), nil
}

// now implements otherKind.
func (k *customKind) now(resource schema.GroupVersionResource) schema.GroupVersionResource {
	return resource
}

// listWatch lists and watches the objects of a resource that has no Go type here.
func listWatch(resource dynamic.NamespaceableResourceInterface) *toolscache.ListWatch {
	return &toolscache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, options metav1.ListOptions) (runtime.Object, error) {
			return resource.List(ctx, options)
		},
		WatchFuncWithContext: func(ctx context.Context, options metav1.ListOptions) (watch.Interface, error) {
			return resource.Watch(ctx, options)
		},
	}
}

// unlimited is the configuration without a limit of calls: a reflector's pause
// between its tries is what spares the API server.
func unlimited(config *rest.Config) *rest.Config {
	c := rest.CopyConfig(config)
	c.QPS = -1
	return c
}

// notServed is the resourceVersion of the list of a resource that is not served.
const notServed = "0"

// servedOrEmpty lists no objects where the resource is not served: its definition may
// come later, or never.
func servedOrEmpty(lw *toolscache.ListWatch) *toolscache.ListWatch {
	out := *lw
	out.ListWithContextFunc = func(ctx context.Context, options metav1.ListOptions) (runtime.Object, error) {
		objects, err := lw.ListWithContext(ctx, options)
		if apierrors.IsNotFound(err) {
			empty := &unstructured.UnstructuredList{}
			empty.SetResourceVersion(notServed)
			return empty, nil
		}
		return objects, err
	}
	return &out
}
