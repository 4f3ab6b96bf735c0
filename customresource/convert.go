package customresource

import (
	"encoding/json"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/podcullis/podcullis/customresource/v1alpha1"
	"github.com/podcullis/podcullis/guardrail"
)

// Instance is what a Guardrail object says. A fault is of the object alone; what the Rego
// guardrail wants is for Base.Check.
func Instance(g *v1alpha1.Guardrail) (guardrail.Instance, []guardrail.FieldFault) {
	s := &g.Spec
	in := guardrail.Instance{
		Name: g.Name, Guardrail: s.Guardrail, Action: guardrail.Action(s.Action), Exemptible: s.Exemptible,
		Description: s.Description, Owner: s.Owner, Link: s.Link,
		Match: guardrail.Match{Namespaces: s.Match.Namespaces, ExcludedNamespaces: s.Match.ExcludedNamespaces, Kinds: s.Match.Kinds},
	}
	faults := tooLarge(s)
	if len(faults) > 0 {
		return in, faults
	}
	if s.Parameters != nil && len(s.Parameters.Raw) > 0 {
		if err := json.Unmarshal(s.Parameters.Raw, &in.Parameters); err != nil {
			faults = append(faults, guardrail.FieldFault{Field: "spec.parameters", Message: "is no object with parameters"})
		}
	}
	var err error
	if in.Match.NamespaceSelector, err = selectorOf(s.Match.NamespaceSelector); err != nil {
		faults = append(faults, guardrail.FieldFault{Field: "spec.match.namespaceSelector", Message: err.Error()})
	}
	return in, faults
}

// Exemption is what an Exemption object says, granted in its namespace.
func Exemption(x *v1alpha1.Exemption) (guardrail.Exemption, []guardrail.FieldFault) {
	s := &x.Spec
	m := s.Match
	made := guardrail.Exemption{
		Name: x.Namespace + "/" + x.Name, Guardrails: s.Guardrails, Reason: s.Reason, Expires: s.Expires,
		Match: guardrail.Match{Kinds: m.Kinds, Workloads: m.Workloads, Netpols: m.Netpols, Users: m.Users, Groups: m.Groups},
	}
	faults := tooLarge(s)
	if s.RequestedBy == "" {
		faults = append(faults, guardrail.FieldFault{Field: "spec.requestedBy", Message: "missing; who asks for an exemption says so"})
	}
	return made.Granted(x.Namespace), faults
}

func tooLarge(spec any) []guardrail.FieldFault {
	text, err := json.Marshal(spec)
	switch {
	case err != nil:
		return []guardrail.FieldFault{{Field: "spec", Message: err.Error()}}
	case len(text) > MaxSpecBytes:
		return []guardrail.FieldFault{{Field: "spec", Message: fmt.Sprintf("has %d bytes, and may have %d", len(text), MaxSpecBytes)}}
	}
	return nil
}

func selectorOf(s *metav1.LabelSelector) (map[string]any, error) {
	if s == nil {
		return nil, nil
	}
	text, err := json.Marshal(s)
	if err != nil {
		return nil, err
	}
	var out map[string]any
	return out, json.Unmarshal(text, &out)
}
