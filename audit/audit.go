package audit

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	admissionv1 "k8s.io/api/admission/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/guardrail"
)

// ErrNothing is returned when no guardrail applies to any of the objects: that
// nothing was found then says nothing.
var ErrNothing = errors.New("no guardrail applies to any of the objects")

// Evaluator judges many objects of one snapshot: a *guardrail.Engine.
type Evaluator interface {
	EvaluateAll(ctx context.Context, before, after *cluster.Snapshot, reviews []guardrail.Review) ([]guardrail.Decision, error)
}

// Item is one object to be judged.
type Item struct {
	schema.GroupVersionKind
	// Namespace is empty for an object without one.
	Namespace string
	Name      string
	// JSON is the object as the API server would send it.
	JSON json.RawMessage
	// Object is what it is in the model.
	Object cluster.Object
}

// Finding is a violation, and the object with which it is reported.
type Finding struct {
	guardrail.Violation
	Object cluster.Ref
}

// Run judges every item. The findings are sorted by object, guardrail and
// message. On an error, which names each object and guardrail that could not be
// judged, they are what the others say.
func Run(ctx context.Context, e Evaluator, items []Item, snapshot *cluster.Snapshot, origin guardrail.Origin, now time.Time) ([]Finding, error) {
	reviews := make([]guardrail.Review, 0, len(items))
	for i := range items {
		reviews = append(reviews, guardrail.Review{
			Request: items[i].request(),
			Change:  cluster.Change{After: items[i].Object},
			Origin:  origin,
			Time:    now,
		})
	}
	decisions, err := e.EvaluateAll(ctx, &cluster.Snapshot{}, snapshot, reviews)
	errs := []error{err}
	var findings []Finding
	evaluated := false
	for i, d := range decisions {
		evaluated = evaluated || len(d.Evaluated) > 0
		for _, f := range d.Failures {
			errs = append(errs, fmt.Errorf("%s: %w", d.Subject, f))
		}
		for _, v := range d.Violations {
			findings = append(findings, Finding{v, items[i].Object.Ref()})
		}
	}
	if err := errors.Join(errs...); err != nil {
		return sorted(findings), err
	}
	if !evaluated {
		return nil, ErrNothing
	}
	return sorted(findings), nil
}

// request presents the item as a CREATE.
func (i *Item) request() *admissionv1.AdmissionRequest {
	kind := metav1.GroupVersionKind(i.GroupVersionKind)
	plural, _ := meta.UnsafeGuessKindToResource(i.GroupVersionKind)
	resource := metav1.GroupVersionResource(plural)
	namespace := i.Namespace
	if i.Kind == "Namespace" && i.Group == "" {
		namespace = i.Name // as the API server sends it
	}
	return &admissionv1.AdmissionRequest{
		UID:             types.UID(i.Object.Ref().String()),
		Kind:            kind,
		Resource:        resource,
		RequestKind:     &kind,
		RequestResource: &resource,
		Namespace:       namespace,
		Name:            i.Name,
		Operation:       admissionv1.Create,
		Object:          runtime.RawExtension{Raw: i.JSON},
	}
}

func sorted(findings []Finding) []Finding {
	slices.SortStableFunc(findings, func(a, b Finding) int {
		return cmp.Or(a.Object.Compare(b.Object), cmp.Compare(a.Guardrail, b.Guardrail), cmp.Compare(a.Message, b.Message))
	})
	return findings
}
