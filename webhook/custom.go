package webhook

import (
	"errors"
	"fmt"
	"slices"

	admissionv1 "k8s.io/api/admission/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/podcullis/podcullis/cluster"
)

// changeFrom says what a request does to the model, of the kinds of other APIs too.
func (j *Judge) changeFrom(r *admissionv1.AdmissionRequest, before *cluster.Snapshot) (cluster.Change, error) {
	if c := j.customOf(r.Kind); c != nil {
		return customChange(c, r)
	}
	if j.takesEntry(r.Kind) {
		return entryChange(r, j.Bounds)
	}
	return changeFrom(r, before, j.Clock(), j.Bounds)
}

// customOf is the kind of another API that a request is about; nil for the others.
func (j *Judge) customOf(kind metav1.GroupVersionKind) *cluster.Custom {
	for i := range j.Custom {
		if c := &j.Custom[i]; c.Group == kind.Group && c.Kind == kind.Kind {
			return c
		}
	}
	return nil
}

// customChange is that of an object of another API. What is stored and cannot be read
// is not in the model (see package live), so nothing is taken away with it.
func customChange(c *cluster.Custom, r *admissionv1.AdmissionRequest) (cluster.Change, error) {
	var change cluster.Change
	if slices.Contains(harmless, r.SubResource) {
		return change, nil
	}
	if r.Kind.Version != c.Version {
		return change, fmt.Errorf("request.kind: version %q of %s is not understood, want %s as in extraWorkloads: register the webhook with matchPolicy Equivalent", r.Kind.Version, r.Kind.Kind, c.Version)
	}
	switch r.Operation {
	case admissionv1.Create:
	case admissionv1.Update, admissionv1.Delete:
		if len(r.OldObject.Raw) == 0 {
			return change, fmt.Errorf("request.oldObject: missing, and %s needs it", r.Operation)
		}
		if t, err := customTemplate(c, r, r.OldObject.Raw, "oldObject"); t != nil && (err == nil || errors.Is(err, cluster.ErrOverBound)) {
			change.Before = t
		}
	default:
		return change, fmt.Errorf("operation %q is not one that Podcullis judges: want CREATE, UPDATE or DELETE", r.Operation)
	}
	if r.Operation == admissionv1.Delete {
		return change, nil
	}
	t, err := customTemplate(c, r, r.Object.Raw, "object")
	if asBefore := (cluster.Change{Before: change.Before, After: t}); err != nil && (t == nil || change.Before == nil || !asBefore.Idle()) {
		return cluster.Change{}, err
	}
	gone := r.Operation == admissionv1.Update && lastFinalizerDropped(r.Object)
	if t != nil && !gone {
		change.After = t
	}
	return change, nil
}

// customFields are the members that matter of an object of another API.
func customFields(c *cluster.Custom) fields {
	wanted := templateFields
	for _, step := range slices.Backward(c.Path) {
		wanted = fields{step: wanted}
	}
	wanted["metadata"] = metaFields
	return wanted
}

// customTemplate reads an object's template; nil when it has none.
func customTemplate(c *cluster.Custom, r *admissionv1.AdmissionRequest, raw []byte, field string) (*cluster.Template, error) {
	if len(raw) == 0 {
		return nil, fmt.Errorf("request.%s: missing, and %s needs it", field, r.Operation)
	}
	t, meta, err := c.Read(customFields(c).prune(raw))
	switch {
	case err != nil:
		if t != nil {
			t.Namespace = r.Namespace
		}
		return t, fmt.Errorf("request.%s: is no %s that can be read: %w", field, r.Kind.Kind, err)
	case meta.Name == "" && meta.GenerateName == "":
		return nil, fmt.Errorf("request.%s.metadata.name: missing", field)
	case meta.Namespace != "" && meta.Namespace != r.Namespace:
		return nil, fmt.Errorf("request.%s.metadata.namespace: %q, but request.namespace is %q", field, meta.Namespace, r.Namespace)
	case t != nil:
		t.Namespace = r.Namespace
	}
	return t, nil
}
