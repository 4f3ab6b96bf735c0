package manifest

import (
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	strictjson "sigs.k8s.io/json"

	"github.com/podcullis/podcullis/cluster"
)

// modelled are the kinds that the model is made of, the entries where they are asked for.
func (l *loader) kinds() []schema.GroupVersionKind {
	if !l.in.Entries {
		return modelled()
	}
	return append(modelled(), corev1.SchemeGroupVersion.WithKind("Service"), networkingv1.SchemeGroupVersion.WithKind("Ingress"))
}

// newAPI makes an empty typed object of such a kind, nil of any other.
func (l *loader) newAPI(gvk schema.GroupVersionKind) runtime.Object {
	switch {
	case !l.in.Entries:
	case gvk == corev1.SchemeGroupVersion.WithKind("Service"):
		return &corev1.Service{}
	case gvk == networkingv1.SchemeGroupVersion.WithKind("Ingress"):
		return &networkingv1.Ingress{}
	}
	return newAPI(gvk)
}

// route reads a route of the Gateway API, of whichever version: what the model needs is
// alike in all of them.
func (l *loader) route(d document, gvk schema.GroupVersionKind) {
	var meta metav1.PartialObjectMetadata
	if err := strictjson.UnmarshalCaseSensitivePreserveInts(d.json, &meta); err != nil {
		l.problems(d, gvk, "", &meta, decode(d.json, &meta))
		return
	}
	namespace := l.settle(&meta)
	if problems := checkMeta(&meta, true); len(problems) > 0 {
		l.problems(d, gvk, namespace, &meta, problems)
		return
	}
	r, _, err := cluster.NewRoute(gvk.Kind, namespace, d.json)
	if err != nil {
		l.problems(d, gvk, namespace, &meta, []problem{{reason: explain(err)}})
		return
	}
	l.keep(d, Object{GroupVersionKind: gvk, Namespace: namespace, Name: nameOf(&meta), Model: r})
}
