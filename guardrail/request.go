package guardrail

import (
	"bytes"
	"encoding/json"

	"github.com/open-policy-agent/opa/v1/ast"
	admissionv1 "k8s.io/api/admission/v1"
	authenticationv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// requestTerm is an AdmissionRequest as Rego sees it: the document that it is in
// JSON. Most requests come here without their objects, and are then written
// directly, and only the fields that are wanted: all that takes as long as judging them.
func requestTerm(r *admissionv1.AdmissionRequest, wanted fieldSet) (*ast.Term, error) {
	if r.Object.Raw == nil && r.OldObject.Raw == nil && r.Options.Raw == nil &&
		r.Object.Object == nil && r.OldObject.Object == nil && r.Options.Object == nil {
		return envelopeTerm(r, wanted), nil
	}
	raw, err := json.Marshal(r)
	if err != nil {
		return nil, err
	}
	v, err := ast.ValueFromReader(bytes.NewReader(raw))
	if err != nil {
		return nil, err
	}
	return ast.NewTerm(v), nil
}

// fieldSet is a set of fields of the request; nil is all of them.
type fieldSet map[string]bool

func (s fieldSet) has(field string) bool { return s == nil || s[field] }

// fieldsOf are those that one of the guardrails reads.
func fieldsOf(instances []*instance) fieldSet {
	out := fieldSet{}
	for _, i := range instances {
		for _, field := range i.requestFields {
			out[field] = true
		}
	}
	return out
}

// envelopeFields are those of a request, in its order.
var envelopeFields = []string{
	"uid", "kind", "resource", "subResource", "requestKind", "requestResource", "requestSubResource", "name", "namespace", "operation",
	"userInfo", "object", "oldObject", "dryRun", "options",
}

// envelopeTerm is a request without objects. Fields that JSON leaves out when
// they are empty are left out.
func envelopeTerm(r *admissionv1.AdmissionRequest, wanted fieldSet) *ast.Term {
	o := ast.NewObject()
	for _, field := range envelopeFields {
		if !wanted.has(field) {
			continue
		}
		if t := envelopeField(r, field); t != nil {
			o.Insert(str(field), t)
		}
	}
	return ast.NewTerm(o)
}

func envelopeField(r *admissionv1.AdmissionRequest, field string) *ast.Term {
	switch field {
	case "uid":
		return str(string(r.UID))
	case "kind":
		return kindTerm(&r.Kind)
	case "resource":
		return resourceTerm(&r.Resource)
	case "subResource":
		return unlessEmpty(r.SubResource)
	case "requestKind":
		return kindTerm(r.RequestKind)
	case "requestResource":
		return resourceTerm(r.RequestResource)
	case "requestSubResource":
		return unlessEmpty(r.RequestSubResource)
	case "name":
		return unlessEmpty(r.Name)
	case "namespace":
		return unlessEmpty(r.Namespace)
	case "operation":
		return str(string(r.Operation))
	case "userInfo":
		return userTerm(&r.UserInfo)
	case "dryRun":
		if r.DryRun == nil {
			return nil
		}
		return ast.BooleanTerm(*r.DryRun)
	}
	return ast.NullTerm() // an object
}

func unlessEmpty(s string) *ast.Term {
	if s == "" {
		return nil
	}
	return str(s)
}

func kindTerm(k *metav1.GroupVersionKind) *ast.Term {
	if k == nil {
		return nil
	}
	return objectTerm("group", str(k.Group), "version", str(k.Version), "kind", str(k.Kind))
}

func resourceTerm(r *metav1.GroupVersionResource) *ast.Term {
	if r == nil {
		return nil
	}
	return objectTerm("group", str(r.Group), "version", str(r.Version), "resource", str(r.Resource))
}

func userTerm(u *authenticationv1.UserInfo) *ast.Term {
	var groups, extra *ast.Term
	if len(u.Groups) > 0 {
		groups = stringsTerm(u.Groups)
	}
	if len(u.Extra) > 0 {
		o := ast.NewObject()
		for k, v := range u.Extra {
			values := ast.NullTerm() // as a nil slice is in JSON
			if v != nil {
				values = stringsTerm(v)
			}
			o.Insert(str(k), values)
		}
		extra = ast.NewTerm(o)
	}
	return objectTerm("username", unlessEmpty(u.Username), "uid", unlessEmpty(u.UID), "groups", groups, "extra", extra)
}

func stringsTerm(list []string) *ast.Term {
	terms := make([]*ast.Term, 0, len(list))
	for _, s := range list {
		terms = append(terms, str(s))
	}
	return ast.ArrayTerm(terms...)
}
