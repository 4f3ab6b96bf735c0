package webhook

import (
	"fmt"
	"slices"
	"strings"

	admissionv1 "k8s.io/api/admission/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/podcullis/podcullis/cluster/wire"
)

// mistaken says why a request about a kind that the model does not hold cannot be about
// somebody else's kind, so that it must not pass as one that nobody judges: it is one of
// ours by another version, group or spelling, or it writes one of ours in a way that
// is not known. Nil for what really is another kind: the Pod of another API is no Pod.
func mistaken(r *admissionv1.AdmissionRequest) error {
	for _, ours := range wire.Kinds() {
		if !strings.EqualFold(ours.Kind, r.Kind.Kind) || !ofKubernetes(r.Kind.Group) {
			continue
		}
		if ours.Kind == r.Kind.Kind && ours.Group == r.Kind.Group {
			return fmt.Errorf("request.kind: version %q of %s is not understood, want v1: register the webhook with matchPolicy Equivalent", r.Kind.Version, r.Kind.Kind)
		}
		return fmt.Errorf("request.kind: Kubernetes has no %s, but %s: register the webhook with matchPolicy Equivalent", named(r.Kind), named(ours))
	}
	if writesModel(r) {
		return fmt.Errorf("request.resource: %s of kind %s is a way to write %s that Podcullis does not know",
			strings.Trim(r.Resource.Resource+"/"+r.SubResource, "/"), named(r.Kind), r.Resource.Resource)
	}
	return nil
}

// ofKubernetes tells whether only Kubernetes itself can have a group: those of custom
// resources and of other API servers have a dot.
func ofKubernetes(group string) bool {
	return !strings.Contains(group, ".") || slices.ContainsFunc(Resources(), func(door string) bool { return strings.HasPrefix(door, group+"/") })
}

// writesModel tells whether a request is to a resource that the model is made of.
func writesModel(r *admissionv1.AdmissionRequest) bool {
	return slices.ContainsFunc(Resources(), func(door string) bool {
		group, resource, _ := strings.Cut(door, "/")
		resource, _, _ = strings.Cut(resource, "/")
		return group == r.Resource.Group && strings.EqualFold(resource, r.Resource.Resource)
	})
}

func named(k metav1.GroupVersionKind) string {
	return strings.TrimPrefix(k.Group+"/"+k.Version, "/") + " " + k.Kind
}

// isNamespace tells whether a request is about a namespace itself: the Namespace of
// another API is in one.
func isNamespace(r *admissionv1.AdmissionRequest) bool {
	return r.Kind.Group == "" && r.Kind.Kind == "Namespace"
}
