package regolint

import (
	"fmt"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
)

// undefinedUnderNot looks for a `not` around a call whose operand may have no value. OPA works
// operands out before the `not`: where one is undefined so is the expression, it is not true,
// and a rule that was to report just that reports nothing.
func (l *linter) undefinedUnderNot() {
	for _, r := range l.compiled.Rules {
		for r := r; r != nil; r = r.Else {
			l.bodies(r, r.Body, []ast.Body{r.Body})
		}
	}
}

// bodies looks at a body and those within it; scopes are those around it, itself first.
func (l *linter) bodies(r *ast.Rule, b ast.Body, scopes []ast.Body) {
	for _, e := range b {
		if e.Negated {
			l.negated(r, e, scopes)
		}
	}
	within := func(inner ast.Body) bool {
		l.bodies(r, inner, slices.Insert(slices.Clone(scopes), 0, inner))
		return true
	}
	for _, e := range b {
		ast.NewGenericVisitor(func(x any) bool {
			switch x := x.(type) {
			case *ast.ArrayComprehension:
				return within(x.Body)
			case *ast.SetComprehension:
				return within(x.Body)
			case *ast.ObjectComprehension:
				return within(x.Body)
			case *ast.Every:
				return within(x.Body)
			}
			return false
		}).Walk(e)
	}
}

func (l *linter) negated(r *ast.Rule, e *ast.Expr, scopes []ast.Body) {
	call, ok := e.Terms.([]*ast.Term)
	if !ok {
		return
	}
	for _, operand := range call[1:] {
		v, ok := operand.Value.(ast.Var)
		if !ok {
			continue
		}
		for _, ref := range hoisted(v, scopes[0], 0) {
			origin, may := l.origin(r, ref, scopes, 0)
			if !may || l.handled(r, ref, origin, scopes) {
				continue
			}
			text := l.named(ref)
			l.report("undefined-under-not", e.Location,
				fmt.Sprintf("say what holds without it: `not %s` in a rule of its own, or %s", text, l.withDefault(ref)),
				"`%s` is undefined where %s is missing, and the rule then reports nothing", inALine(e.Location), text)
			return
		}
	}
}

// withDefault is the path with a value in any case.
func (l *linter) withDefault(ref ast.Ref) string {
	from := 1
	if ref[0].Equal(ast.InputRootDocument) && len(ref) > 4 {
		from = 4 // what is above that is there
	}
	var keys []string
	for _, t := range ref[from:] {
		key := t.Value.String()
		if v, ok := t.Value.(ast.Var); ok {
			key = l.library.Variable(v)
		}
		keys = append(keys, key)
	}
	key := strings.Join(keys, ", ")
	if len(keys) != 1 {
		key = "[" + key + "]"
	}
	return fmt.Sprintf("object.get(%s, %s, \"\")", l.named(ref[:from]), key)
}

func inALine(at *ast.Location) string {
	text := strings.Join(strings.Fields(string(at.Text)), " ")
	if runes := []rune(text); len(runes) > 80 {
		return string(runes[:79]) + "…"
	}
	return text
}

// hoisted are the paths that the compiler took out of an expression into a variable, those of
// the operands of a call, too.
func hoisted(v ast.Var, body ast.Body, depth int) []ast.Ref {
	if depth > maxBound {
		return nil
	}
	for _, e := range body {
		call, ok := e.Terms.([]*ast.Term)
		if !ok || !e.Generated || e.Negated || len(call) < 3 {
			continue
		}
		if e.IsEquality() {
			for i := 1; i < 3; i++ {
				ref, isRef := call[3-i].Value.(ast.Ref)
				if call[i].Value.Compare(v) == 0 && isRef {
					return []ast.Ref{ref}
				}
			}
			continue
		}
		if call[len(call)-1].Value.Compare(v) != 0 {
			continue
		}
		var out []ast.Ref
		for _, operand := range call[1 : len(call)-1] {
			switch x := operand.Value.(type) {
			case ast.Var:
				out = append(out, hoisted(x, body, depth+1)...)
			case ast.Ref:
				out = append(out, x)
			}
		}
		return out
	}
	return nil
}

// origin is where a path comes from, as one of the input, and whether there may be nothing.
// What is not known to come from an object or a parameter counts as there.
func (l *linter) origin(r *ast.Rule, ref ast.Ref, scopes []ast.Body, depth int) (from string, may bool) {
	if depth > maxBound {
		return "", false
	}
	if ref[0].Equal(ast.InputRootDocument) {
		from = path(ref)
		return from, l.optional(ref)
	}
	if ref[0].Equal(ast.DefaultRootDocument) {
		return l.ofRule(ref, depth)
	}
	v, ok := ref[0].Value.(ast.Var)
	if !ok {
		return "", false
	}
	for _, root := range l.sourcesOf(r, v, scopes, depth) {
		whole := root.Concat(ref[1:])
		if from, may := l.origin(r, whole, nil, depth+1); may {
			return from, true
		} else if from != "" {
			return from, false
		}
	}
	return "", false
}

// sourcesOf are the paths of the input that a variable stands for.
func (l *linter) sourcesOf(r *ast.Rule, v ast.Var, scopes []ast.Body, depth int) []ast.Ref {
	for _, body := range scopes {
		for _, e := range body {
			if every, ok := e.Terms.(*ast.Every); ok && every.Value.Value.Compare(v) == 0 {
				return l.below(r, every.Domain, scopes, depth)
			}
			if !e.IsEquality() || e.Negated {
				continue
			}
			for i := range 2 {
				if e.Operand(i).Value.Compare(v) == 0 {
					return l.below(r, e.Operand(1-i), scopes, depth, false)
				}
			}
		}
	}
	for n, arg := range r.Head.Args {
		if arg.Value.Compare(v) == 0 {
			return l.given(r, n, depth)
		}
	}
	return nil
}

// below is what a term stands for, and of a list, unless it is told otherwise, an element.
func (l *linter) below(r *ast.Rule, t *ast.Term, scopes []ast.Body, depth int, elements ...bool) []ast.Ref {
	var out []ast.Ref
	switch x := t.Value.(type) {
	case ast.Ref:
		if x[0].Equal(ast.InputRootDocument) {
			out = []ast.Ref{x}
		} else if v, ok := x[0].Value.(ast.Var); ok && depth < maxBound && !x[0].Equal(ast.DefaultRootDocument) {
			for _, root := range l.sourcesOf(r, v, scopes, depth+1) {
				out = append(out, root.Concat(x[1:]))
			}
		}
	case ast.Var:
		if depth < maxBound {
			out = l.sourcesOf(r, x, scopes, depth+1)
		}
	}
	if len(elements) > 0 {
		return out
	}
	for i := range out {
		out[i] = out[i].Append(ast.VarTerm("_"))
	}
	return out
}

// call is one of a function, in a rule.
type call struct {
	rule     *ast.Rule
	operands []*ast.Term
	scopes   []ast.Body
}

// callsOf are all calls of functions that are rules, by the path of these.
func callsOf(modules map[string]*ast.Module) map[string][]call {
	out := map[string][]call{}
	for _, m := range modules {
		for _, r := range m.Rules {
			ast.WalkBodies(r, func(b ast.Body) bool {
				for _, e := range b {
					if terms, ok := e.Terms.([]*ast.Term); ok && len(terms) > 1 {
						if name := plain(terms[0].Value.(ast.Ref)); strings.HasPrefix(name, "data.") {
							out[name] = append(out[name], call{r, terms[1:], []ast.Body{b, r.Body}})
						}
					}
				}
				return false
			})
		}
	}
	return out
}

// given are the paths that a function is called with, as its nth argument.
func (l *linter) given(r *ast.Rule, n, depth int) []ast.Ref {
	if depth > 6 {
		return nil
	}
	var out []ast.Ref
	for _, c := range l.calls[plain(r.Ref())] {
		if n < len(c.operands) && c.rule != r {
			out = append(out, l.below(c.rule, c.operands[n], c.scopes, depth+1, false)...)
		}
	}
	return out
}

// ofRule tells whether a rule with a value may have none.
func (l *linter) ofRule(ref ast.Ref, depth int) (string, bool) {
	for _, m := range l.all {
		for _, r := range m.Rules {
			if !r.Ref().Equal(ref) || r.Head.RuleKind() != ast.SingleValue || len(r.Head.Args) > 0 {
				continue
			}
			if total(m, ref) {
				return "", false
			}
			for _, e := range r.Body {
				for _, x := range []int{0, 1} {
					if e.IsEquality() {
						if inner, ok := e.Operand(x).Value.(ast.Ref); ok {
							if _, may := l.origin(r, inner, []ast.Body{r.Body}, depth+1); may {
								return plain(ref), true
							}
						}
					}
				}
			}
		}
	}
	return "", false
}

// total tells whether a rule has a value in every case: by a default, or an else without a
// condition.
func total(m *ast.Module, ref ast.Ref) bool {
	for _, r := range m.Rules {
		if !r.Ref().Equal(ref) {
			continue
		}
		for last := r; last != nil; last = last.Else {
			if last.Default || last.Else == nil && len(last.Body) == 1 && last.Body[0].Equal(ast.NewExpr(ast.BooleanTerm(true))) {
				return true
			}
		}
	}
	return false
}

// certain are fields that objects have, wherever they are in one.
var certain = []string{
	"metadata", "spec", "name", "namespace", "kind", "apiVersion", "containers", "image", "template", "podSelector", "policyTypes", "key", "operator",
	"containerPort", "protocol", "effect", "mountPath", "cidr", "uid", "rules", "backend", "service", "port", "http", "paths", "selector",
}

// optional tells whether a path of the input may have nothing at its end.
func (l *linter) optional(ref ast.Ref) bool {
	if len(ref) < 3 {
		return false
	}
	if isParameters(ref) {
		name, ok := ref[2].Value.(ast.String)
		if !ok || l.guardrail == nil || len(ref) > 3 {
			return false
		}
		for _, p := range l.guardrail.Parameters() {
			if p.Name == string(name) {
				return !p.Required && p.Default == ""
			}
		}
		return false
	}
	switch p := path(ref[:3]); p {
	case "input.request.subResource", "input.request.requestSubResource", "input.request.dryRun":
		return len(ref) == 3
	case "input.request.object", "input.request.oldObject":
		if len(ref) == 3 {
			return false // it is null at least
		}
		last, ok := ref[len(ref)-1].Value.(ast.String)
		return ok && !slices.Contains(certain, string(last))
	}
	return false
}

// handled tells whether the author knows that there may be nothing: something else in the
// rule needs a value, or another rule of the package says `not` of it.
func (l *linter) handled(r *ast.Rule, ref ast.Ref, origin string, scopes []ast.Body) bool {
	for _, body := range scopes {
		if l.needs(body, ref) {
			return true
		}
	}
	for _, other := range l.compiled.Rules {
		handled := false
		ast.WalkBodies(other, func(b ast.Body) bool {
			for _, e := range b {
				t, ok := e.Terms.(*ast.Term)
				if !ok || !e.Negated {
					continue
				}
				if x, ok := t.Value.(ast.Ref); ok {
					if x.Equal(ref) {
						handled = true
					}
					if from, _ := l.origin(other, x, []ast.Body{b, other.Body}, 0); from != "" && from == origin {
						handled = true
					}
				}
			}
			return false
		})
		if handled {
			return true
		}
	}
	return false
}

// needs tells whether an expression of a body has a value only where a path has one.
func (l *linter) needs(body ast.Body, ref ast.Ref) bool {
	for _, e := range body {
		if e.Negated || e.IsEvery() {
			continue
		}
		if e.Generated && e.IsCall() && len(e.Operands()) > 0 && !asked(body, e) {
			continue // taken out of a `not`, or of the head
		}
		found := false
		ast.NewGenericVisitor(func(x any) bool {
			switch x := x.(type) {
			case ast.Ref:
				found = found || x.HasPrefix(ref)
			case *ast.ArrayComprehension, *ast.SetComprehension, *ast.ObjectComprehension:
				return true
			}
			return found
		}).Walk(e)
		if found {
			return true
		}
	}
	return false
}

// asked tells whether what the compiler took out is part of an expression that has to hold.
func asked(body ast.Body, out *ast.Expr) bool {
	operands := out.Operands()
	v, ok := operands[len(operands)-1].Value.(ast.Var)
	if out.IsEquality() {
		v, ok = operands[0].Value.(ast.Var)
	}
	for _, e := range body {
		if !ok || e == out || e.Negated || !e.Vars(ast.VarVisitorParams{}).Contains(v) {
			continue
		}
		if !e.Generated || asked(body, e) {
			return true
		}
	}
	return false
}

// named is a path as the author wrote it.
func (l *linter) named(ref ast.Ref) string {
	out := ref.Copy()
	for i, t := range out {
		if v, ok := t.Value.(ast.Var); ok {
			out[i] = ast.VarTerm(l.library.Variable(v))
		}
	}
	return out.String()
}
