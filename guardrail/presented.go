package guardrail

import (
	"strings"
	"time"

	admissionv1 "k8s.io/api/admission/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/podcullis/podcullis/cluster"
)

// Presented is the review of a change of which nobody has asked, out of the model alone, as if somebody
// did: neither the object as sent nor who sends it is known. Before and After are left to
// whoever asks about it.
func Presented(c cluster.Change, origin Origin, now time.Time) Review {
	ref := c.Ref()
	bare, _, _ := strings.Cut(ref.Kind, ".")
	kind := schema.GroupVersionKind{Group: c.Group(), Version: "v1", Kind: bare}
	plural, _ := meta.UnsafeGuessKindToResource(kind)
	namespace := ref.Namespace
	if kind.GroupKind() == (schema.GroupKind{Kind: "Namespace"}) {
		namespace = ref.Name // as the API server sends it
	}
	operation := admissionv1.Update
	switch {
	case c.Before == nil:
		operation = admissionv1.Create
	case c.After == nil:
		operation = admissionv1.Delete
	}
	return Review{
		Request: &admissionv1.AdmissionRequest{
			UID: types.UID(ref.String()), Kind: metav1.GroupVersionKind(kind), Resource: metav1.GroupVersionResource(plural),
			Namespace: namespace, Name: ref.Name, Operation: operation,
		},
		Change: c, Origin: origin, Time: now,
	}
}
