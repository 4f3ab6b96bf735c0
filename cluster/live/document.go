package live

import (
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/scheme"
	toolscache "k8s.io/client-go/tools/cache"

	"github.com/podcullis/podcullis/cluster"
)

// kept are the kinds of which whole objects are kept.
type kept []schema.GroupKind

// documented is an object on its way into the model of which the whole is kept.
type documented struct {
	metav1.TypeMeta
	metav1.ObjectMeta

	trimmed  runtime.Object
	document *cluster.Document
}

// DeepCopyObject implements runtime.Object.
func (o *documented) DeepCopyObject() runtime.Object {
	c := *o
	c.ObjectMeta = *o.DeepCopy()
	c.trimmed = o.trimmed.DeepCopyObject()
	return &c
}

// read is what the model has of the object, with the document.
func (o *documented) read(b cluster.Bounds) (cluster.Object, error) {
	object, err := b.FromAPI(o.trimmed)
	if object != nil {
		cluster.Keep(object, o.document)
	}
	return object, err
}

// beside trims objects, and keeps the whole of those of some kinds. Of what holds more than the
// bounds nothing is kept.
func (k kept) beside(trim toolscache.TransformFunc) toolscache.TransformFunc {
	if len(k) == 0 {
		return trim
	}
	return func(in any) (any, error) {
		object, ok := in.(runtime.Object)
		if _, again := in.(*documented); again || !ok {
			return in, nil
		}
		kinds, _, err := scheme.Scheme.ObjectKinds(object)
		if err != nil || !slices.Contains(k, kinds[0].GroupKind()) {
			return trim(in)
		}
		fields, err := runtime.DefaultUnstructuredConverter.ToUnstructured(object)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", kinds[0].Kind, err)
		}
		fields["apiVersion"], fields["kind"] = kinds[0].GroupVersion().String(), kinds[0].Kind
		out, err := trim(in)
		trimmed, ok := out.(runtime.Object)
		if _, over := out.(*boundObject); err != nil || !ok || over {
			return out, err
		}
		m, err := meta.Accessor(trimmed)
		if err != nil {
			return nil, err
		}
		d := &documented{trimmed: trimmed, document: cluster.NewDocument(fields)}
		d.Name, d.Namespace, d.UID, d.ResourceVersion = m.GetName(), m.GetNamespace(), m.GetUID(), m.GetResourceVersion()
		d.Labels, d.OwnerReferences, d.Finalizers, d.DeletionTimestamp = m.GetLabels(), m.GetOwnerReferences(), m.GetFinalizers(), m.GetDeletionTimestamp()
		return d, nil
	}
}
