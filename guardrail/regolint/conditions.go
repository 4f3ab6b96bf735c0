package regolint

import (
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/podcullis/podcullis/guardrail"
)

func nearest(name string, all []string) string {
	if near := guardrail.Near(name, all); len(near) > 0 {
		return near[0]
	}
	return ""
}

// conditions looks for what no object of the guardrail's kinds can meet.
func (l *linter) conditions() {
	ast.WalkBodies(l.written, func(b ast.Body) bool {
		operation := ""
		for _, e := range b {
			if e.Negated || len(e.With) > 0 {
				continue
			}
			for _, c := range constantsOf(e) {
				l.condition(e, c)
				if c.path == "input.request.operation" && len(c.values) == 1 {
					operation = c.values[0]
				}
			}
		}
		l.objectOf(b, operation)
		return false
	})
	ast.WalkTerms(l.written, func(t *ast.Term) bool {
		if ref, ok := t.Value.(ast.Ref); ok {
			l.fieldOfAnyKind(ref, t.Location)
		}
		return false
	})
}

// objectOf looks for the object where there is none: of a DELETE it is oldObject, and of a
// CREATE there is no oldObject.
func (l *linter) objectOf(b ast.Body, operation string) {
	missing, there := "object", "oldObject"
	switch operation {
	case "DELETE":
	case "CREATE":
		missing, there = there, missing
	default:
		return
	}
	for _, e := range b {
		if e.Negated || len(e.With) > 0 {
			continue
		}
		ast.WalkTerms(e, func(t *ast.Term) bool {
			if ref, ok := t.Value.(ast.Ref); ok && len(ref) > 3 && path(ref[:3]) == "input.request."+missing {
				l.report("dead-condition", t.Location, "read input.request."+there, "on %s there is no input.request.%s", operation, missing)
			}
			return isClosure(t)
		})
	}
}

func isClosure(t *ast.Term) bool {
	switch t.Value.(type) {
	case *ast.ArrayComprehension, *ast.SetComprehension, *ast.ObjectComprehension:
		return true
	}
	return false
}

// comparison is a path of the input that has to be one of some constants.
type comparison struct {
	path   string
	values []string
}

// constantsOf are the comparisons that an expression consists of.
func constantsOf(e *ast.Expr) []comparison {
	call, ok := e.Terms.([]*ast.Term)
	if !ok || len(call) != 3 {
		return nil
	}
	ref, ok := call[1].Value.(ast.Ref)
	list := call[2]
	switch call[0].Value.String() {
	case "eq", "equal":
		if !ok {
			ref, ok = call[2].Value.(ast.Ref)
			list = call[1]
		}
		value, isString := list.Value.(ast.String)
		if !ok || !isString {
			return nil
		}
		return []comparison{{path(ref), []string{string(value)}}}
	case "internal.member_2":
		var values []string
		add := func(t *ast.Term) {
			if s, isString := t.Value.(ast.String); isString {
				values = append(values, string(s))
			} else {
				ok = false
			}
		}
		switch v := list.Value.(type) {
		case ast.Set:
			v.Foreach(add)
		case *ast.Array:
			v.Foreach(add)
		default:
			return nil
		}
		if !ok {
			return nil
		}
		return []comparison{{path(ref), values}}
	}
	return nil
}

// path is a path of the input, input.review as the same of input.request.
func path(ref ast.Ref) string {
	text := plain(ref)
	if rest, ok := strings.CutPrefix(text, "input.review."); ok {
		return "input.request." + rest
	}
	return text
}

var (
	operations = []string{"CREATE", "UPDATE", "DELETE", "CONNECT"}
	origins    = []string{"admission", "audit", "cli"}
)

func (l *linter) condition(e *ast.Expr, c comparison) {
	can := func(string) bool { return true }
	var all []string
	what := ""
	switch c.path {
	case "input.request.operation":
		all, what = operations, "no operation"
		can = func(v string) bool { return slices.Contains(operations, v) }
	case "input.origin":
		all, what = origins, "no origin"
		can = func(v string) bool { return slices.Contains(origins, v) }
	case "input.request.kind.kind", "input.request.object.kind", "input.request.oldObject.kind":
		all, what = l.guardrail.Kinds, "no kind of custom.kinds"
		can = l.guardrail.JudgesKind
	}
	for _, v := range c.values {
		if can(v) {
			return // one is enough
		}
	}
	fix := "one of " + strings.Join(all, ", ")
	if near := nearest(strings.ToUpper(c.values[0]), all); near != "" && what == "no operation" {
		fix = near
	} else if near := nearest(c.values[0], all); near != "" {
		fix = "did you mean " + near + "?"
	}
	l.report("dead-condition", e.Location, fix, "%q is %s, so that this is never true", strings.Join(c.values, `", "`), what)
}

// fieldOfAnyKind looks for fields that none of several kinds has; of a single kind that does
// not compile.
func (l *linter) fieldOfAnyKind(ref ast.Ref, at *ast.Location) {
	if len(ref) < 4 || len(l.guardrail.Kinds) == 0 || l.guardrail.JudgesKind("any of other APIs") {
		return
	}
	if p := path(ref[:3]); p != "input.request.object" && p != "input.request.oldObject" {
		return
	}
	var names []string
	for _, t := range ref[3:] {
		name, ok := t.Value.(ast.String)
		if !ok {
			break
		}
		names = append(names, string(name))
	}
	for _, kind := range l.guardrail.Kinds {
		if has, known := guardrail.Knows(kind, names); has || !known {
			return
		}
	}
	l.report("dead-condition", at, "correct the path", "none of the kinds %s has a field %s", strings.Join(l.guardrail.Kinds, ", "), strings.Join(names, "."))
}
