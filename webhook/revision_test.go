package webhook

import (
	"errors"
	"testing"

	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	"github.com/podcullis/podcullis/guardrail"
)

// Every denial says in the audit log of which bundle it is, also where what is of other namespaces is
// not told, and where nobody could judge.
func TestEveryDenialHasTheRevision(t *testing.T) {
	denied := guardrail.Decision{Subject: "Pod shop/web", Revision: "v7", Violations: []guardrail.Violation{{Guardrail: "isolated", Action: guardrail.Deny, Message: "no"}}}
	for name, v := range map[string]verdict{
		"Denied":    {decision: denied},
		"Concealed": verdict{decision: denied}.conceal(&admission.Request{}),
		"Unjudged":  {decision: guardrail.Decision{Revision: "v7"}, err: errors.New("no namespace"), code: 500},
	} {
		if got := annotations(v, Enforce)["revision"]; got != "v7" {
			t.Errorf("%s: the annotation revision is %q", name, got)
		}
	}
	if got, ok := annotations(verdict{decision: guardrail.Decision{Revision: "v7"}}, Enforce)["revision"]; ok {
		t.Errorf("what nobody objects to has an annotation: %s", got)
	}
	if got, ok := annotations(verdict{err: errors.New("x")}, Enforce)["revision"]; ok {
		t.Errorf("without a bundle there is a revision: %q", got)
	}
}
