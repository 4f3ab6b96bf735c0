package live

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"testing"

	admissionv1 "k8s.io/api/admission/v1"
	authenticationv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	"github.com/podcullis/podcullis/customresource"
	"github.com/podcullis/podcullis/customresource/v1alpha1"
	"github.com/podcullis/podcullis/guardrail"
	"github.com/podcullis/podcullis/policies"
)

// rights are what is answered about who may do what.
type rights struct {
	may   bool
	err   error
	asked []string
}

func (r *rights) May(_ context.Context, user authenticationv1.UserInfo, verb, resource, namespace, name string) (bool, error) {
	r.asked = append(r.asked, strings.Join([]string{user.Username, verb, resource, namespace, name}, " "))
	return r.may, r.err
}

func newDoor(t *testing.T, r Rights) *Door {
	t.Helper()
	l, err := guardrail.LoadLibrary(guardrail.Source{Name: guardrail.Embedded, FS: policies.FS})
	if err != nil {
		t.Fatal(err)
	}
	c, err := guardrail.ParseConfig("default", guardrail.DefaultConfig)
	if err != nil {
		t.Fatal(err)
	}
	return NewDoor(DoorOptions{
		Base:      func() customresource.Base { return customresource.Base{Library: l, Config: c} },
		Instances: func() []guardrail.Instance { return []guardrail.Instance{{Name: "web", Exemptible: true}} },
		Rights:    r, Log: slog.New(slog.DiscardHandler),
	})
}

func request(t *testing.T, user, resource string, operation admissionv1.Operation, old, object any) admission.Request {
	t.Helper()
	raw := func(o any) (out runtime.RawExtension) {
		if o != nil {
			var err error
			if out.Raw, err = json.Marshal(o); err != nil {
				t.Fatal(err)
			}
		}
		return out
	}
	name, sub, _ := strings.Cut(resource, "/")
	return admission.Request{AdmissionRequest: admissionv1.AdmissionRequest{
		Resource: metav1.GroupVersionResource{Group: "podcullis.io", Version: "v1alpha1", Resource: name}, SubResource: sub,
		Operation: operation, Namespace: "shop", Name: "move", UserInfo: authenticationv1.UserInfo{Username: user}, OldObject: raw(old), Object: raw(object),
	}}
}

func asked(by string, approval *v1alpha1.Approval) *v1alpha1.Exemption {
	return &v1alpha1.Exemption{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "move", Generation: 2},
		Spec:       v1alpha1.ExemptionSpec{Guardrails: []string{"web"}, Reason: "the move", Expires: "2099-01-31", RequestedBy: by},
		Status:     v1alpha1.ExemptionStatus{Approval: approval},
	}
}

// Who may approve is asked of the API server, and only when an approval changes; without an
// answer it is refused.
func TestApprovals(t *testing.T) {
	bob := &v1alpha1.Approval{By: "bob", Generation: 2}
	for name, test := range map[string]struct {
		rights rights
		user   string
		old    *v1alpha1.Approval
		new    *v1alpha1.Approval
		want   string // of the refusal
		asks   int
	}{
		"May":             {rights{may: true}, "bob", nil, bob, "", 1},
		"MayNot":          {rights{}, "bob", nil, bob, "needs the verb approve", 1},
		"NobodyAnswers":   {rights{may: true, err: errors.New("timeout")}, "bob", nil, bob, "could not be found out, so it is refused: timeout", 1},
		"Unchanged":       {rights{}, "podcullis", bob, bob, "", 0},
		"TakenBack":       {rights{}, "carol", bob, nil, "", 0},
		"InAnothersName":  {rights{may: true}, "carol", nil, bob, `status.approval.by: got "bob"`, 0},
		"AnothersRenewed": {rights{may: true}, "carol", bob, &v1alpha1.Approval{By: "bob", Generation: 3}, `status.approval.by: got "bob"`, 0},
		"OfWhatWasBefore": {rights{may: true}, "bob", nil, &v1alpha1.Approval{By: "bob", Generation: 1}, "is at generation 2", 0},
		"OwnRequest":      {rights{may: true}, "alice", nil, &v1alpha1.Approval{By: "alice", Generation: 2}, "somebody else has to approve it", 0},
	} {
		t.Run(name, func(t *testing.T) {
			r := test.rights
			answer := newDoor(t, &r).Handle(t.Context(), request(t, test.user, "exemptions/status", admissionv1.Update, asked("alice", test.old), asked("alice", test.new)))
			judge(t, answer, test.want)
			if len(r.asked) != test.asks || test.asks > 0 && r.asked[0] != test.user+" approve exemptions shop move" {
				t.Errorf("asked: %q", r.asked)
			}
		})
	}
}

func judge(t *testing.T, answer admission.Response, want string) {
	t.Helper()
	switch {
	case want == "" && !answer.Allowed:
		t.Errorf("refused: %s", answer.Result.Message)
	case want != "" && (answer.Allowed || !strings.Contains(answer.Result.Message, want)):
		t.Errorf("got %v %v, want a refusal that says %q", answer.Allowed, answer.Result, want)
	}
}

// Whoever writes an exemption asks for it; a change of nothing that it says passes, so that a
// broken one can be labelled and let go.
func TestWhoAsks(t *testing.T) {
	d := newDoor(t, &rights{})
	judge(t, d.Handle(t.Context(), request(t, "alice", "exemptions", admissionv1.Create, nil, asked("alice", nil))), "")
	judge(t, d.Handle(t.Context(), request(t, "bob", "exemptions", admissionv1.Create, nil, asked("alice", nil))), `want "bob"`)
	longer := asked("alice", nil)
	longer.Spec.Expires = "2099-12-31"
	judge(t, d.Handle(t.Context(), request(t, "bob", "exemptions", admissionv1.Update, asked("alice", nil), longer)), `want "bob"`)
	broken := asked("alice", nil)
	broken.Spec.Guardrails = []string{"gone"}
	labelled := broken.DeepCopy()
	labelled.Labels = map[string]string{"a": "b"}
	judge(t, d.Handle(t.Context(), request(t, "bob", "exemptions", admissionv1.Update, broken, labelled)), "")
	judge(t, d.Handle(t.Context(), request(t, "alice", "exemptions", admissionv1.Update, asked("alice", nil), broken)), `no guardrail is named "gone"`)
	judge(t, d.Handle(t.Context(), request(t, "alice", "exemptions", admissionv1.Create, nil, "no object")), "request.object: is no")
}

// What may let more through takes the right to.
func TestLoosening(t *testing.T) {
	spec := func(change func(*v1alpha1.GuardrailSpec)) *v1alpha1.Guardrail {
		g := &v1alpha1.Guardrail{ObjectMeta: metav1.ObjectMeta{Name: "move"}, Spec: v1alpha1.GuardrailSpec{Guardrail: "default-deny", Action: "warn"}}
		change(&g.Spec)
		return g
	}
	was := spec(func(*v1alpha1.GuardrailSpec) {})
	for name, test := range map[string]struct {
		loosens bool
		change  func(*v1alpha1.GuardrailSpec)
	}{
		"Stricter":  {false, func(s *v1alpha1.GuardrailSpec) { s.Action = "deny" }},
		"Described": {false, func(s *v1alpha1.GuardrailSpec) { s.Owner, s.Description = "team-net", "why" }},
		"Audit":     {true, func(s *v1alpha1.GuardrailSpec) { s.Action = "audit" }},
		"Match":     {true, func(s *v1alpha1.GuardrailSpec) { s.Match.ExcludedNamespaces = []string{"mine"} }},
		"Parameters": {true, func(s *v1alpha1.GuardrailSpec) {
			s.Parameters = &runtime.RawExtension{Raw: []byte(`{"directions":["Egress"]}`)}
		}},
		"Exemptible":  {true, func(s *v1alpha1.GuardrailSpec) { s.Exemptible = true }},
		"AnotherRego": {true, func(s *v1alpha1.GuardrailSpec) { s.Guardrail = "least-privilege" }},
	} {
		t.Run(name, func(t *testing.T) {
			for _, r := range []*rights{{}, {may: true}, {may: true, err: errors.New("timeout")}} {
				want := ""
				if test.loosens && (!r.may || r.err != nil) {
					want = "loosen"
				}
				judge(t, newDoor(t, r).Handle(t.Context(), request(t, "erin", "guardrails", admissionv1.Update, was, spec(test.change))), want)
				if (len(r.asked) > 0) != test.loosens {
					t.Errorf("asked: %q", r.asked)
				}
			}
		})
	}
	t.Run("Deleted", func(t *testing.T) {
		judge(t, newDoor(t, &rights{}).Handle(t.Context(), request(t, "erin", "guardrails", admissionv1.Delete, was, nil)), "to delete it, user erin needs the verb loosen")
		judge(t, newDoor(t, &rights{may: true}).Handle(t.Context(), request(t, "erin", "guardrails", admissionv1.Delete, was, nil)), "")
	})
}
