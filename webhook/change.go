package webhook

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	admissionv1 "k8s.io/api/admission/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/cluster/wire"
)

// harmless are subresources of modelled kinds, with a kind of their own, that
// change neither labels nor anything else the model holds.
var harmless = []string{"scale", "eviction", "exec", "attach", "portforward", "proxy", "log", "token"}

// errUnknownKind is for requests about something that the model does not hold.
var errUnknownKind = errors.New("is not a kind that Podcullis models")

// changeFrom says what a request does to the model. The error names what in the
// request is wrong; errUnknownKind means that the model has no place for it.
func changeFrom(r *admissionv1.AdmissionRequest, before *cluster.Snapshot, now time.Time, bounds cluster.Bounds) (cluster.Change, error) {
	if isBinding(r) {
		return bindingChange(r, before)
	}
	if slices.Contains(harmless, r.SubResource) {
		return cluster.Change{}, nil
	}
	if wire.New(r.Kind) == nil {
		if err := mistaken(r); err != nil {
			return cluster.Change{}, err
		}
		return cluster.Change{}, fmt.Errorf("%s %s %w", r.Kind.Group+"/"+r.Kind.Version, r.Kind.Kind, errUnknownKind)
	}
	var c cluster.Change
	var err error
	if r.Operation == admissionv1.Update || r.Operation == admissionv1.Delete {
		if c.Before, err = modelObject(r, r.OldObject, "oldObject", bounds); c.Before == nil {
			return c, err // what is stored may hold what does not parse; it stays in the model as unknown
		}
	}
	if r.Operation == admissionv1.Delete {
		return deletion(c, now), nil
	}
	if r.Operation != admissionv1.Create && r.Operation != admissionv1.Update {
		return c, fmt.Errorf("operation %q is not one that Podcullis judges: want CREATE, UPDATE or DELETE", r.Operation)
	}
	storedErr := err
	if c.After, err = modelObject(r, r.Object, "object", bounds); err != nil {
		if c.After == nil || storedErr == nil || (!c.Idle() && !takesAway(r, err)) {
			return c, err
		}
	}
	if _, isPod := c.After.(*cluster.Pod); !isPod && r.Operation == admissionv1.Update && lastFinalizerDropped(r.Object) {
		return deletion(c, now), nil
	}
	return c, nil
}

// deletion removes an object. A namespace is not gone by its DELETE: what is in
// it is deleted first, one by one.
func deletion(c cluster.Change, now time.Time) cluster.Change {
	ns, ok := c.Before.(*cluster.Namespace)
	if !ok {
		c.After = nil
		return c
	}
	terminating := *ns
	terminating.DeletedAt = now
	c.After = &terminating
	return c
}

// modelObject reads an object as the API server does and makes the model's of it.
// With an error it may still return the object, see cluster.FromAPI.
func modelObject(r *admissionv1.AdmissionRequest, x runtime.RawExtension, field string, bounds cluster.Bounds) (cluster.Object, error) {
	if len(x.Raw) == 0 {
		return nil, fmt.Errorf("request.%s: missing, and %s needs it", field, r.Operation)
	}
	o := x.Object
	if o == nil {
		o = wire.New(r.Kind)
		if err := wire.Unmarshal(x.Raw, o); err != nil {
			return nil, fmt.Errorf("request.%s: is no %s: %w", field, r.Kind.Kind, err)
		}
	}
	meta, ok := o.(metav1.Object)
	if !ok {
		return nil, fmt.Errorf("request.%s: has no metadata", field)
	}
	switch {
	case meta.GetName() == "" && meta.GetGenerateName() == "":
		return nil, fmt.Errorf("request.%s.metadata.name: missing", field)
	case isNamespace(r) || meta.GetNamespace() == r.Namespace:
	case meta.GetNamespace() == "":
		meta.SetNamespace(r.Namespace)
	default:
		return nil, fmt.Errorf("request.%s.metadata.namespace: %q, but request.namespace is %q", field, meta.GetNamespace(), r.Namespace)
	}
	model, err := bounds.FromAPI(o)
	if err != nil {
		return model, fmt.Errorf("request.%s: %w", field, err)
	}
	return model, nil
}

// bindingChange is that of a Binding: its labels are laid over the pod's
// (PodTopologyLabelsAdmission, KEP-4742).
func bindingChange(r *admissionv1.AdmissionRequest, before *cluster.Snapshot) (cluster.Change, error) {
	b, err := bindingOf(r)
	if err != nil || len(b.Labels) == 0 {
		return cluster.Change{}, err
	}
	pod, ok := before.Pod(r.Namespace, b.Name)
	if !ok {
		return cluster.Change{}, fmt.Errorf("pod %s/%s, which the Binding labels, is %w", r.Namespace, b.Name, errNotSeenYet)
	}
	merged := maps.Clone(pod.Labels)
	if merged == nil {
		merged = labels.Set{}
	}
	maps.Copy(merged, b.Labels)
	return cluster.Change{Before: pod, After: pod.BoundWith(merged)}, nil
}

var bindingKind = metav1.GroupVersionKind{Version: "v1", Kind: "Binding"}

func isBinding(r *admissionv1.AdmissionRequest) bool { return r.Kind == bindingKind }

// errNotSeenYet is for objects whose watch event is still on its way.
var errNotSeenYet = errors.New("not in the model yet")
