package guardrail

import (
	"maps"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
)

// form is which fields a part of a question has; nil is one that has any.
type form struct {
	fields map[string]*form
	// items is what a list of it holds, for what may be a list, too.
	items *form
}

var (
	selectorForm = &form{fields: map[string]*form{
		"matchLabels":      nil,
		"matchExpressions": {items: &form{fields: map[string]*form{"key": nil, "operator": nil, "values": nil}}},
	}}
	pairForm    = map[string]*form{"namespaceSelector": selectorForm, "podSelector": selectorForm}
	endForm     = &form{fields: besides(pairForm, map[string]*form{"cidr": nil, "outside": nil, "except": {items: &form{fields: besides(pairForm, map[string]*form{"cidr": nil})}}})}
	endsForm    = &form{fields: endForm.fields, items: endForm}
	portsForm   = &form{items: &form{fields: map[string]*form{"protocol": nil, "port": nil, "endPort": nil}}}
	unknownForm = &form{fields: map[string]*form{"blocked": nil}}
	pathForm    = map[string]*form{"from": endsForm, "to": endsForm, "ports": portsForm, "scope": nil, "unknown": unknownForm}
	closedForm  = besides(pathForm, map[string]*form{"otherAPIs": nil})
	pairsForm   = &form{items: &form{fields: pairForm}}
)

func besides(a, b map[string]*form) map[string]*form {
	out := maps.Clone(a)
	maps.Copy(out, b)
	return out
}

// literal is the question of a builtin: its form, and what reads it.
type literal struct {
	form *form
	read func(*ast.Term) error
}

// questionOf is that of a builtin; ok is false for those that are asked about no such.
func questionOf(builtin string) (literal, bool) {
	switch builtin {
	case "netpol.opened", "netpol.open", "netpol.barriers":
		return literal{&form{fields: pathForm}, func(t *ast.Term) error { _, err := parsePathQuestion(t); return err }}, true
	case "netpol.closed", "netpol.blocked":
		return literal{&form{fields: closedForm}, func(t *ast.Term) error { _, _, err := parseDemand(t); return err }}, true
	case "netpol.entrances":
		return literal{&form{fields: map[string]*form{
			"from": endsForm, "to": endsForm, "ports": portsForm, "through": nil, "controllers": endsForm, "unknown": unknownForm,
		}}, func(t *ast.Term) error { _, err := parseEntranceQuestion(t); return err }}, true
	case "netpol.exposed":
		return literal{&form{fields: besides(pairForm, map[string]*form{"directions": nil})}, func(t *ast.Term) error { _, err := parseExposureQuestion(t); return err }}, true
	case "netpol.wide":
		return literal{&form{fields: map[string]*form{"directions": nil, "manyPorts": nil, "except": pairsForm, "public": pairsForm}}, func(t *ast.Term) error { _, err := parseWideQuestion(t); return err }}, true
	case "netpol.unbounded":
		return literal{&form{fields: besides(pairForm, map[string]*form{"except": pairsForm, "directions": nil, "by": nil, "manyPorts": nil})}, func(t *ast.Term) error { _, err := parseUnboundedQuestion(t); return err }}, true
	case "netpol.isolation":
		return literal{&form{fields: map[string]*form{"namespace": nil, "podSelector": selectorForm, "labels": nil}}, nil}, true
	case "netpol.label_keys":
		return literal{&form{fields: map[string]*form{"of": nil, "namespace": nil, "keys": nil}}, nil}, true
	}
	return literal{}, false
}

// questionFaults are what is wrong in the questions that stand in the guardrails as they are
// asked: fields that there are not, and values that cannot be. Else that would be an error
// with the first change that somebody makes.
func questionFaults(modules map[string]*ast.Module) (faults Faults) {
	for _, file := range slices.Sorted(maps.Keys(modules)) {
		ast.WalkNodes(modules[file], func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.Term:
				if call, ok := n.Value.(ast.Call); ok {
					faults = append(faults, checkCall(call, n.Location)...)
				}
			case *ast.Expr:
				if call, ok := n.Terms.([]*ast.Term); ok {
					faults = append(faults, checkCall(call, n.Location)...)
				}
			}
			return false
		})
	}
	return faults
}

func checkCall(call []*ast.Term, at *ast.Location) Faults {
	if len(call) < 2 {
		return nil
	}
	name := call[0].Value.String()
	a, ok := questionOf(name)
	question, isObject := call[1].Value.(ast.Object)
	if !ok || !isObject {
		return nil
	}
	if faults := a.form.check(call[1], name, ""); len(faults) > 0 {
		return faults
	}
	if a.read == nil {
		return nil
	}
	if err := a.read(known(question)); err != nil {
		return Faults{faultAt(at, "%s: %s", name, inWords(err.Error()))}
	}
	return nil
}

// check looks for fields that there are not.
func (f *form) check(t *ast.Term, builtin, at string) (faults Faults) {
	if f == nil {
		return nil
	}
	switch v := t.Value.(type) {
	case ast.Object:
		if f.fields == nil {
			return nil
		}
		v.Foreach(func(k, value *ast.Term) {
			key, ok := k.Value.(ast.String)
			if !ok {
				return
			}
			below, known := f.field(string(key))
			if !known {
				faults = append(faults, faultAt(k.Location, "%s: %sunknown field %q%s", builtin, prefixed(at), string(key), meant(string(key), slices.Collect(maps.Keys(f.fields)))))
				return
			}
			faults = append(faults, below.check(value, builtin, strings.TrimPrefix(at+"."+string(key), "."))...)
		})
	case *ast.Array:
		v.Foreach(func(x *ast.Term) { faults = append(faults, f.items.check(x, builtin, at)...) })
	}
	return faults
}

func (f *form) field(key string) (*form, bool) {
	for name, below := range f.fields {
		if strings.EqualFold(name, key) { // as JSON is read
			return below, true
		}
	}
	return nil, false
}

func prefixed(at string) string {
	if at == "" {
		return ""
	}
	return at + ": "
}

// known is as much of a question as stands there: what is only known with a review is left
// out, or, of an end, everybody.
func known(question ast.Object) *ast.Term {
	out := ast.NewObject()
	question.Foreach(func(k, v *ast.Term) {
		switch list, isList := v.Value.(*ast.Array); {
		case !k.IsGround():
		case v.IsGround() && constant(v):
			out.Insert(k, v)
		case k.Equal(str("from")) || k.Equal(str("to")):
			out.Insert(k, ast.ObjectTerm())
		case isList:
			var left []*ast.Term
			list.Foreach(func(x *ast.Term) {
				if constant(x) {
					left = append(left, x)
				}
			})
			if len(left) > 0 {
				out.Insert(k, ast.ArrayTerm(left...))
			}
		}
	})
	return ast.NewTerm(out)
}

// constant reports whether a term is a value as it stands.
func constant(t *ast.Term) bool {
	is := true
	ast.WalkTerms(t, func(x *ast.Term) bool {
		switch x.Value.(type) {
		case ast.Var, ast.Ref, ast.Call, *ast.ArrayComprehension, *ast.SetComprehension, *ast.ObjectComprehension, *ast.TemplateString:
			is = false
		}
		return !is
	})
	return is
}
