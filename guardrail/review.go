package guardrail

import (
	"time"

	admissionv1 "k8s.io/api/admission/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/podcullis/podcullis/cluster"
)

// Origin is the door through which a review comes; guardrails see it as input.origin.
type Origin string

// The doors.
const (
	Admission Origin = "admission"
	Audit     Origin = "audit"
	CLI       Origin = "cli"
)

// Review is one change to be judged.
type Review struct {
	// Request is the AdmissionRequest as sent (admission.k8s.io/v1); audit and
	// CLI present each object as a CREATE.
	Request *admissionv1.AdmissionRequest
	// Change is what the request does to the model; zero when it does nothing.
	Change cluster.Change
	// Before and After are the cluster without and with the change. For audit
	// and CLI, Before is the empty cluster and After is all of it.
	Before, After *cluster.Snapshot
	Origin        Origin
	// Believed says that whoever makes the change may act for the owner of its
	// object, if that is one that the model does not hold (connectivity.Options).
	Believed bool
	// Time is when the review takes place: exemptions expire by it, and
	// guardrails see it as input.time.
	Time time.Time
	// Objects, if set, is what the templates of Gatekeeper see as data.inventory, in place of
	// what the model holds: a test says what there is.
	Objects map[string]any
}

// kind is the kind of the object that is judged: of a Binding, the Pod.
func (r *Review) kind() string {
	if c := r.Change; c.Before != nil || c.After != nil {
		return c.Ref().Kind
	}
	return r.Request.Kind.Kind
}

// Subject is how messages name the object: "NetworkPolicy shop/allow-all".
func (r *Review) Subject() string {
	kind, namespace, name := r.Request.Kind.Kind, r.Request.Namespace, r.Request.Name
	if c := r.Change; c.Before != nil || c.After != nil {
		ref := c.Ref()
		kind, name = ref.KindText(), ref.Name
	}
	if r.isNamespace() || namespace == "" {
		return kind + " " + name
	}
	return kind + " " + namespace + "/" + name
}

// namespace is where the object lives, of a Namespace itself.
func (r *Review) namespace() string {
	if r.isNamespace() {
		return r.Request.Name
	}
	return r.Request.Namespace
}

// isNamespace tells whether the object is a namespace: the Namespace of another API
// is in one.
func (r *Review) isNamespace() bool { return r.groupKind() == schema.GroupKind{Kind: "Namespace"} }
