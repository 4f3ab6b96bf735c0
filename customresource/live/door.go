package live

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"reflect"
	"slices"
	"strings"

	admissionv1 "k8s.io/api/admission/v1"
	authenticationv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	"github.com/podcullis/podcullis/customresource"
	"github.com/podcullis/podcullis/customresource/v1alpha1"
	"github.com/podcullis/podcullis/guardrail"
)

// Rights knows who may do what.
type Rights interface {
	May(ctx context.Context, user authenticationv1.UserInfo, verb, resource, namespace, name string) (bool, error)
}

// DoorOptions are what a Door needs.
type DoorOptions struct {
	// Base is what the objects come beside, and Instances are the guardrails that are in force
	// of objects.
	Base      func() customresource.Base
	Instances func() []guardrail.Instance
	Rights    Rights
	Log       *slog.Logger
}

// Door is the admission.Handler for Guardrail and Exemption objects. It refuses in every mode:
// nothing of it is about paths.
type Door struct{ DoorOptions }

// NewDoor makes a Door.
func NewDoor(o DoorOptions) *Door { return &Door{o} }

// Handle implements admission.Handler.
func (d *Door) Handle(ctx context.Context, r admission.Request) admission.Response {
	var why refusal
	switch r.Resource.Resource + "/" + r.SubResource {
	case "guardrails/":
		why = d.guardrail(ctx, &r.AdmissionRequest)
	case "exemptions/":
		why = d.exemption(&r.AdmissionRequest)
	case "exemptions/status":
		why = d.approval(ctx, &r.AdmissionRequest)
	case "guardrails/status":
	default:
		why = forbidden("%s is nothing that is judged here", r.Resource.Resource)
	}
	if why.text == "" {
		return admission.Allowed("")
	}
	d.Log.InfoContext(ctx, "custom resource refused", "kind", r.Kind.Kind, "namespace", r.Namespace, "name", r.Name, "operation", r.Operation, "user", r.UserInfo.Username, "why", why.text)
	return admission.Response{AdmissionResponse: admissionv1.AdmissionResponse{Result: &metav1.Status{
		Status: metav1.StatusFailure, Code: why.code, Reason: why.reason, Message: why.text,
	}}}
}

// refusal is why something is refused; without text it is not.
type refusal struct {
	text   string
	code   int32
	reason metav1.StatusReason
}

func forbidden(format string, args ...any) refusal {
	return refusal{fmt.Sprintf(format, args...), http.StatusForbidden, metav1.StatusReasonForbidden}
}

func invalid(format string, args ...any) refusal {
	return refusal{fmt.Sprintf(format, args...), http.StatusUnprocessableEntity, metav1.StatusReasonInvalid}
}

func wrong(faults []guardrail.FieldFault) refusal {
	if len(faults) == 0 {
		return refusal{}
	}
	texts := make([]string, 0, len(faults))
	for _, f := range faults {
		texts = append(texts, f.Error())
	}
	return invalid("%s", guardrail.Cut(strings.Join(texts, "; "), maxMessage))
}

const maxMessage = 4096

// read decodes the objects of a request; one that is not there is left as it is.
func read(r *admissionv1.AdmissionRequest, old, object any) refusal {
	for _, part := range []struct {
		field string
		raw   []byte
		into  any
	}{{"request.oldObject", r.OldObject.Raw, old}, {"request.object", r.Object.Raw, object}} {
		if len(part.raw) == 0 {
			continue
		}
		if err := json.Unmarshal(part.raw, part.into); err != nil {
			return refusal{fmt.Sprintf("%s: is no %s: %v", part.field, r.Kind.Kind, err), http.StatusBadRequest, metav1.StatusReasonBadRequest}
		}
	}
	return refusal{}
}

func (d *Door) guardrail(ctx context.Context, r *admissionv1.AdmissionRequest) refusal {
	var old, object v1alpha1.Guardrail
	if why := read(r, &old, &object); why.text != "" {
		return why
	}
	if r.Operation == admissionv1.Delete {
		return d.mayLoosen(ctx, r, old.Name, "delete it")
	}
	if r.Operation == admissionv1.Update && same(old.Spec, object.Spec) {
		return refusal{}
	}
	base := d.Base()
	if slices.ContainsFunc(base.Config.Guardrails, func(in guardrail.Instance) bool { return in.Name == object.Name }) {
		return invalid("metadata.name: the configuration file has a guardrail %s, and that is the one in force: choose another name", object.Name)
	}
	in, faults := customresource.Instance(&object)
	if len(faults) == 0 {
		faults = base.Check(&in)
	}
	if len(faults) > 0 {
		return wrong(faults)
	}
	if r.Operation == admissionv1.Update {
		if what := loosens(&old.Spec, &object.Spec); what != "" {
			return d.mayLoosen(ctx, r, old.Name, what)
		}
	}
	return refusal{}
}

// loosens says by what a change may let more through; empty when it cannot. What a guardrail
// asks is not compared with what it asked: another question is another protection.
func loosens(old, object *v1alpha1.GuardrailSpec) string {
	strictness := []v1alpha1.Action{"audit", "warn", "deny"}
	switch {
	case slices.Index(strictness, object.Action) < slices.Index(strictness, old.Action):
		return "change spec.action from " + string(old.Action) + " to " + string(object.Action)
	case object.Exemptible && !old.Exemptible:
		return "make it exemptible"
	case old.Guardrail != object.Guardrail:
		return "change spec.guardrail"
	case !same(old.Match, object.Match):
		return "change spec.match"
	case !same(old.Parameters, object.Parameters):
		return "change spec.parameters"
	}
	return ""
}

// same compares what two objects say, not how it is written.
func same(a, b any) bool {
	plain := func(x any) (out any) {
		text, err := json.Marshal(x)
		if err == nil {
			err = json.Unmarshal(text, &out)
		}
		if err != nil {
			return err
		}
		return out
	}
	return reflect.DeepEqual(plain(a), plain(b))
}

func (d *Door) mayLoosen(ctx context.Context, r *admissionv1.AdmissionRequest, name, what string) refusal {
	may, err := d.Rights.May(ctx, r.UserInfo, v1alpha1.VerbLoosen, v1alpha1.Guardrails().Resource, "", name)
	switch {
	case err != nil:
		return refusal{fmt.Sprintf("whether user %s may loosen guardrail %s could not be found out, so it is refused: %v", r.UserInfo.Username, name, err), http.StatusInternalServerError, metav1.StatusReasonInternalError}
	case !may:
		return forbidden("guardrail %s protects something: to %s, user %s needs the verb %s for %s", name, what, r.UserInfo.Username, v1alpha1.VerbLoosen, v1alpha1.Guardrails().GroupResource())
	}
	return refusal{}
}

func (d *Door) exemption(r *admissionv1.AdmissionRequest) refusal {
	var old, object v1alpha1.Exemption
	if why := read(r, &old, &object); why.text != "" {
		return why
	}
	if r.Operation == admissionv1.Delete || r.Operation == admissionv1.Update && same(old.Spec, object.Spec) {
		return refusal{}
	}
	object.Namespace = r.Namespace
	if object.Name == "" {
		object.Name = object.GenerateName + "x"
	}
	if by := object.Spec.RequestedBy; by != r.UserInfo.Username {
		return invalid("spec.requestedBy: got %q; whoever writes an exemption asks for it, so that somebody else approves it: want %q", by, r.UserInfo.Username)
	}
	made, faults := customresource.Exemption(&object)
	if len(faults) == 0 {
		faults = customresource.CheckExemption(&made, slices.Concat(d.Base().Config.Guardrails, d.Instances()))
	}
	return wrong(faults)
}

// approval judges a change of status.approval: it is of the one who makes it, of the spec as
// it is, and takes the right to. To take one back takes none beside that to write the status.
func (d *Door) approval(ctx context.Context, r *admissionv1.AdmissionRequest) refusal {
	var old, object v1alpha1.Exemption
	if why := read(r, &old, &object); why.text != "" {
		return why
	}
	a, user := object.Status.Approval, r.UserInfo.Username
	switch {
	case a == nil || old.Status.Approval != nil && *old.Status.Approval == *a:
		return refusal{}
	case a.By != user:
		return invalid("status.approval.by: got %q; nobody approves in the name of others: want %q", a.By, user)
	case a.Generation != object.Generation:
		return invalid("status.approval.generation: got %d; the exemption is at generation %d: look at what it says now", a.Generation, object.Generation)
	case user == object.Spec.RequestedBy:
		return forbidden("user %s has asked for this exemption, and somebody else has to approve it", user)
	}
	may, err := d.Rights.May(ctx, r.UserInfo, v1alpha1.VerbApprove, v1alpha1.Exemptions().Resource, r.Namespace, r.Name)
	switch {
	case err != nil:
		return refusal{fmt.Sprintf("whether user %s may approve exemptions in namespace %s could not be found out, so it is refused: %v", user, r.Namespace, err), http.StatusInternalServerError, metav1.StatusReasonInternalError}
	case !may:
		return forbidden("user %s needs the verb %s for %s in namespace %s", user, v1alpha1.VerbApprove, v1alpha1.Exemptions().GroupResource(), r.Namespace)
	}
	return refusal{}
}
