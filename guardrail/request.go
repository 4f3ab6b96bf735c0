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
// directly: encoding and decoding them took longer than judging them.
func requestTerm(r *admissionv1.AdmissionRequest) (*ast.Term, error) {
	if r.Object.Raw == nil && r.OldObject.Raw == nil && r.Options.Raw == nil &&
		r.Object.Object == nil && r.OldObject.Object == nil && r.Options.Object == nil {
		return envelopeTerm(r), nil
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

// envelopeTerm is a request without objects. Fields that JSON leaves out when
// they are empty are left out.
func envelopeTerm(r *admissionv1.AdmissionRequest) *ast.Term {
	var dryRun *ast.Term
	if r.DryRun != nil {
		dryRun = ast.BooleanTerm(*r.DryRun)
	}
	return objectTerm(
		"uid", str(string(r.UID)),
		"kind", kindTerm(&r.Kind),
		"resource", resourceTerm(&r.Resource),
		"subResource", unlessEmpty(r.SubResource),
		"requestKind", kindTerm(r.RequestKind),
		"requestResource", resourceTerm(r.RequestResource),
		"requestSubResource", unlessEmpty(r.RequestSubResource),
		"name", unlessEmpty(r.Name),
		"namespace", unlessEmpty(r.Namespace),
		"operation", str(string(r.Operation)),
		"userInfo", userTerm(&r.UserInfo),
		"object", ast.NullTerm(),
		"oldObject", ast.NullTerm(),
		"dryRun", dryRun,
		"options", ast.NullTerm(),
	)
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
