package guardrail

import (
	"encoding/json"
	"fmt"
	"reflect"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	admissionv1 "k8s.io/api/admission/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// input builds the input document of one review, at most once with the objects
// and once without: most guardrails read the model and not the object, and then
// its conversion is saved.
type input struct {
	review *Review
	wanted fieldSet

	requests [2]*ast.Term
	object   ast.Value // the object alone, as Conftest has it
	foreign  *ast.Term // input.review as Gatekeeper makes it
	metas    [2]*metav1.ObjectMeta
	// idle is whether the model stays as it is, same whether the objects do.
	idle, same *bool
}

// value is the input document for one guardrail.
func (in *input) value(withObjects bool, parameters *ast.Term) (ast.Value, error) {
	request, err := in.request(withObjects)
	if err != nil {
		return nil, err
	}
	return objectTerm(
		"request", request,
		"review", request,
		"parameters", parameters,
		"origin", str(string(in.review.Origin)),
		"time", str(in.review.Time.UTC().Format(time.RFC3339)),
	).Value, nil
}

func (in *input) request(withObjects bool) (*ast.Term, error) {
	slot := 0
	if withObjects {
		slot = 1
	}
	if in.requests[slot] != nil {
		return in.requests[slot], nil
	}
	request := *in.review.Request
	if c := in.review.Change; request.Name == "" && (c.Before != nil || c.After != nil) {
		// The API server leaves the name out for one object of a collection and for
		// a generated name; a guardrail must not speak of an undefined one.
		request.Name = c.Ref().Name
	}
	if !withObjects {
		request.Object, request.OldObject, request.Options = runtime.RawExtension{}, runtime.RawExtension{}, runtime.RawExtension{}
	}
	term, err := requestTerm(&request, in.wanted)
	if err != nil {
		return nil, err
	}
	in.requests[slot] = term
	return in.requests[slot], nil
}

// metadata is that of the object, at 0, or of the oldObject, at 1, read once for all constraints.
func (in *input) metadata(n int, raw []byte) (*metav1.ObjectMeta, error) {
	if in.metas[n] == nil {
		var o metav1.PartialObjectMetadata
		if err := json.Unmarshal(raw, &o); err != nil {
			return nil, fmt.Errorf("the object cannot be read: %w", err)
		}
		in.metas[n] = &o.ObjectMeta
	}
	return in.metas[n], nil
}

// unchanged reports whether an update leaves everything as it was that a
// guardrail reads: the model, and the object too if it reads that.
func (in *input) unchanged(readsObject bool) bool {
	if in.idle == nil {
		r := in.review
		c := r.Change
		in.idle = new(r.Origin == Admission && r.Request.Operation == admissionv1.Update && c.Before != nil && c.After != nil && c.Idle())
	}
	return *in.idle && (!readsObject || in.sameObjects())
}

// sameObjects compares the objects as sent, but for what every write touches.
func (in *input) sameObjects() bool {
	if in.same == nil {
		r := in.review.Request
		before, errBefore := withoutBookkeeping(r.OldObject.Raw)
		after, errAfter := withoutBookkeeping(r.Object.Raw)
		in.same = new(errBefore == nil && errAfter == nil && reflect.DeepEqual(before, after))
	}
	return *in.same
}

func withoutBookkeeping(raw []byte) (map[string]any, error) {
	var o map[string]any
	if err := json.Unmarshal(raw, &o); err != nil {
		return nil, err
	}
	if meta, ok := o["metadata"].(map[string]any); ok {
		delete(meta, "managedFields")
		delete(meta, "resourceVersion")
		delete(meta, "generation")
	}
	return o, nil
}
