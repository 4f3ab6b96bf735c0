package webhook

import (
	"fmt"
	"slices"

	admissionv1 "k8s.io/api/admission/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	kjson "sigs.k8s.io/json"

	"github.com/podcullis/podcullis/cluster"
)

// takesEntry reports whether a request is about a Service, an Ingress or a route, and these
// are in the model.
func (j *Judge) takesEntry(kind metav1.GroupVersionKind) bool {
	return j.Entries != nil && cluster.IsEntry(kind.Group, kind.Kind) && j.Entries()
}

// entryChange is that of a Service, an Ingress or a route. Their status says nothing, and
// what is stored and cannot be read is not in the model.
func entryChange(r *admissionv1.AdmissionRequest, bounds cluster.Bounds) (cluster.Change, error) {
	var change cluster.Change
	if r.SubResource != "" {
		return change, nil
	}
	if !cluster.IsRoute(r.Kind.Group, r.Kind.Kind) && r.Kind.Version != "v1" {
		return change, fmt.Errorf("request.kind: version %q of %s is not understood, want v1: register the webhook with matchPolicy Equivalent", r.Kind.Version, r.Kind.Kind)
	}
	if !slices.Contains([]admissionv1.Operation{admissionv1.Create, admissionv1.Update, admissionv1.Delete}, r.Operation) {
		return change, fmt.Errorf("operation %q is not one that Podcullis judges: want CREATE, UPDATE or DELETE", r.Operation)
	}
	if r.Operation != admissionv1.Create {
		if len(r.OldObject.Raw) == 0 {
			return change, fmt.Errorf("request.oldObject: missing, and %s needs it", r.Operation)
		}
		if was, err := entryOf(r, r.OldObject.Raw, "oldObject", bounds); err == nil {
			change.Before = was
		}
	}
	if r.Operation == admissionv1.Delete || r.Operation == admissionv1.Update && lastFinalizerDropped(r.Object) {
		return change, nil
	}
	is, err := entryOf(r, r.Object.Raw, "object", bounds)
	if err != nil {
		return cluster.Change{}, err
	}
	change.After = is
	return change, nil
}

func entryOf(r *admissionv1.AdmissionRequest, raw []byte, field string, bounds cluster.Bounds) (cluster.Object, error) {
	if len(raw) == 0 {
		return nil, fmt.Errorf("request.%s: missing, and %s needs it", field, r.Operation)
	}
	o, meta, err := readEntry(r, raw, bounds)
	switch {
	case err != nil:
		return nil, fmt.Errorf("request.%s: is no %s that can be read: %w", field, r.Kind.Kind, err)
	case meta.Name == "" && meta.GenerateName == "":
		return nil, fmt.Errorf("request.%s.metadata.name: missing", field)
	case meta.Namespace != "" && meta.Namespace != r.Namespace:
		return nil, fmt.Errorf("request.%s.metadata.namespace: %q, but request.namespace is %q", field, meta.Namespace, r.Namespace)
	}
	return o, nil
}

func readEntry(r *admissionv1.AdmissionRequest, raw []byte, bounds cluster.Bounds) (cluster.Object, *metav1.ObjectMeta, error) {
	if cluster.IsRoute(r.Kind.Group, r.Kind.Kind) {
		route, meta, err := cluster.NewRoute(r.Kind.Kind, r.Namespace, raw)
		if err != nil {
			return nil, nil, err
		}
		return route, meta, nil
	}
	var o runtime.Object
	var meta *metav1.ObjectMeta
	if r.Kind.Kind == "Service" {
		s := &corev1.Service{}
		o, meta = s, &s.ObjectMeta
	} else {
		i := &networkingv1.Ingress{}
		o, meta = i, &i.ObjectMeta
	}
	if err := kjson.UnmarshalCaseSensitivePreserveInts(raw, o); err != nil {
		return nil, nil, err
	}
	if meta.Namespace == "" {
		meta.Namespace = r.Namespace
	}
	model, err := bounds.FromAPI(o)
	return model, meta, err
}
