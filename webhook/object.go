package webhook

import (
	"fmt"

	admissionv1 "k8s.io/api/admission/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/podcullis/podcullis/cluster/wire"
)

// understood is what the model needs of an object of a request, as it was read with the
// review, or else read now.
func understood[T runtime.Object](x runtime.RawExtension, empty T) (T, error) {
	if o, ok := x.Object.(T); ok {
		return o, nil
	}
	return empty, wire.Unmarshal(x.Raw, empty)
}

// metadataOf is who an object of a request is; false where there is none.
func metadataOf(x runtime.RawExtension) (metav1.Object, bool) {
	if len(x.Raw) == 0 {
		return nil, false
	}
	if o, ok := x.Object.(metav1.Object); ok {
		return o, true
	}
	var o metav1.PartialObjectMetadata
	return &o, wire.Unmarshal(x.Raw, &o) == nil
}

// bindingOf reads a Binding; its name is that of the pod.
func bindingOf(q *admissionv1.AdmissionRequest) (*corev1.Binding, error) {
	b, err := understood(q.Object, &corev1.Binding{})
	if err != nil {
		return nil, fmt.Errorf("request.object: is not a Binding: %w", err)
	}
	if b.Name == "" {
		named := *b
		named.Name = q.Name
		return &named, nil
	}
	return b, nil
}
