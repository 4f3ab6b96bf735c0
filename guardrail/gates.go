package guardrail

import (
	"context"
	"slices"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/rego"
)

// gate is a question that a guardrail asks in the same words whatever the review, and
// without an answer to which some of its rules report nothing.
type gate struct {
	builtin builtin
	args    []*ast.Term
}

// gated are the questions whose answers are lists, and which may be gates.
var gated = []string{"netpol.opened", "netpol.open", "netpol.closed", "netpol.blocked", "netpol.barriers", "netpol.exposed", "netpol.entrances", "netpol.wide", "netpol.unbounded"}

// gatesTime bounds how long finding the gates of one guardrail may take; one whose gates
// are not found is evaluated each time.
const gatesTime = time.Second

// gatesOf are questions of a guardrail of which it is certain, whatever the review, that
// it reports nothing when none has an answer. ok is false when there are no such: it is
// so for one that judges the object itself.
//
// A rule that adds to a set does so only where each expression of its body holds, and one
// that looks into an empty list does not. So a rule reports nothing if one expression
// looks into the answer to a question that has none, or into what is made of it: a
// comprehension over it, netpol.grouped, or a set of which the same is true. What is
// negated, changed by with, or within another comprehension proves nothing.
func gatesOf(ctx context.Context, c *ast.Compiler, g *Guardrail, parameters *ast.Term) (gates []gate, ok bool) {
	ctx, cancel := context.WithTimeout(ctx, gatesTime)
	defer cancel()
	f := &gateFinder{ctx: ctx, compiler: c, parameters: parameters, open: map[*ast.Rule]bool{}}
	for _, name := range g.rules {
		more, ok := f.ofRules(c.GetRulesExact(ast.MustParseRef(g.ref(name))))
		if !ok {
			return nil, false
		}
		gates = append(gates, more...)
	}
	return distinctGates(gates), true
}

func distinctGates(all []gate) []gate {
	var out []gate
	for _, g := range all {
		if !slices.ContainsFunc(out, func(o gate) bool { return o.builtin.name == g.builtin.name && o.args[0].Equal(g.args[0]) }) {
			out = append(out, g)
		}
	}
	return out
}

// shut reports whether no gate has an answer. What could not be answered is asked again by
// the guardrail, which says where.
func (e *evaluation) shut(ctx context.Context, gates []gate) bool {
	for _, g := range gates {
		answer, err := e.call(ctx, g.builtin, g.args)
		if err != nil || answer == nil {
			return false
		}
		if list, ok := answer.Value.(*ast.Array); !ok || list.Len() > 0 {
			return false
		}
	}
	return true
}

// gateFinder looks for gates in compiled rules: their variables have names of their own,
// and calls write what they return to one.
type gateFinder struct {
	ctx        context.Context
	compiler   *ast.Compiler
	parameters *ast.Term
	open       map[*ast.Rule]bool // being looked at
}

func (f *gateFinder) ofRules(rules []*ast.Rule) (gates []gate, ok bool) {
	for _, r := range rules {
		if r.Default || r.Else != nil || r.Head.RuleKind() != ast.MultiValue || f.open[r] {
			return nil, false
		}
		f.open[r] = true
		more, ok := f.ofBody(r.Body, nil)
		delete(f.open, r)
		if !ok {
			return nil, false
		}
		gates = append(gates, more...)
	}
	return gates, true
}

// ofBody are gates of which one has to have an answer for the body to hold. around are
// the bodies that it stands in, the innermost first.
func (f *gateFinder) ofBody(body ast.Body, around []ast.Body) ([]gate, bool) {
	scopes := slices.Insert(slices.Clone(around), 0, body)
	of := map[ast.Var][]gate{} // the variables that are empty without an answer
	for _, e := range body {
		if e.Negated || len(e.With) > 0 || e.IsEvery() {
			continue
		}
		if gates, ok := f.lookedInto(e, of); ok {
			return gates, true
		}
		if f.never(e, scopes) {
			return nil, true
		}
		if x, gates, ok := f.made(e, of, scopes); ok {
			of[x] = gates
		}
	}
	return nil, false
}

// lookedInto are the gates of something that an expression looks into.
func (f *gateFinder) lookedInto(e *ast.Expr, of map[ast.Var][]gate) (gates []gate, ok bool) {
	for _, ref := range refsOf(e) {
		if ok {
			break
		}
		if x, isVar := ref[0].Value.(ast.Var); isVar && len(ref) > 1 {
			gates, ok = of[x]
		}
		if !ok && ref.HasPrefix(ast.DefaultRootRef) {
			if prefix := ruleRef(f.compiler, ref); prefix != nil && len(prefix) < len(ref) {
				gates, ok = f.ofRules(f.compiler.GetRulesExact(prefix))
			}
		}
	}
	return gates, ok
}

// ruleRef is the part of a reference that names rules, nil if there are none.
func ruleRef(c *ast.Compiler, ref ast.Ref) ast.Ref {
	for n := 1; n <= len(ref); n++ {
		if prefix := ref[:n]; prefix.IsGround() && len(c.GetRulesExact(prefix)) > 0 {
			return prefix
		}
	}
	return nil
}

// made is a variable that an expression makes empty when some gates have no answer.
func (f *gateFinder) made(e *ast.Expr, of map[ast.Var][]gate, scopes []ast.Body) (x ast.Var, gates []gate, ok bool) {
	if e.IsEquality() {
		for i := range 2 {
			x, isVar := e.Operand(i).Value.(ast.Var)
			if !isVar {
				continue
			}
			switch v := e.Operand(1 - i).Value.(type) {
			case *ast.ArrayComprehension:
				gates, ok = f.ofBody(v.Body, scopes)
			case *ast.SetComprehension:
				gates, ok = f.ofBody(v.Body, scopes)
			case ast.Var:
				gates, ok = of[v]
			}
			if ok {
				return x, gates, true
			}
		}
		return "", nil, false
	}
	if !e.IsCall() || len(e.Operands()) != 2 {
		return "", nil, false
	}
	x, isVar := e.Operand(1).Value.(ast.Var)
	name := e.Operator().String()
	switch {
	case !isVar:
	case name == "netpol.grouped":
		if v, isVar := e.Operand(0).Value.(ast.Var); isVar {
			gates, ok = of[v]
		}
	case slices.Contains(gated, name):
		if question, known := f.constant(e.Operand(0), scopes); known {
			i := slices.IndexFunc(builtins, func(b builtin) bool { return b.name == name })
			return x, []gate{{builtins[i], []*ast.Term{question}}}, true
		}
	}
	return x, gates, ok
}

// never reports whether an expression about the parameters, and nothing else, does not hold.
func (f *gateFinder) never(e *ast.Expr, scopes []ast.Body) bool {
	answers, by, ok := f.solve(ast.NewBody(e), ast.BooleanTerm(true), scopes)
	return ok && by.parameters && len(answers) == 0
}

// constant is what a term comes to in every review.
func (f *gateFinder) constant(t *ast.Term, scopes []ast.Body) (*ast.Term, bool) {
	answers, _, ok := f.solve(nil, t, scopes)
	if !ok || len(answers) != 1 {
		return nil, false
	}
	return answers[0], true
}

const answerVar = ast.Var("answer")

// solve asks for a term where some expressions hold, together with those of the scopes that
// bind their variables. ok is false when that depends on more than the parameters.
func (f *gateFinder) solve(query ast.Body, t *ast.Term, scopes []ast.Body) (answers []*ast.Term, by *decided, ok bool) {
	query = append(slices.Clone(query), ast.Equality.Expr(ast.NewTerm(answerVar), t))
	bound := map[*ast.Expr]bool{}
	by = &decided{compiler: f.compiler, rules: map[*ast.Rule]bool{}}
	for i := 0; i < len(query); i++ {
		if !by.holds(query[i]) {
			return nil, nil, false
		}
		bound[query[i]] = true
		for x := range query[i].Vars(ast.VarVisitorParams{SkipRefCallHead: true, SkipClosures: false}) {
			if e := binderOf(x, scopes); e != nil && !bound[e] {
				bound[e] = true
				query = append(query, e)
			}
		}
	}
	results, err := rego.New(
		rego.ParsedQuery(query.Copy()), rego.Compiler(f.compiler), rego.StrictBuiltinErrors(true),
		rego.ParsedInput(objectTerm("parameters", f.parameters).Value),
		rego.GenerateJSON(func(t *ast.Term, _ *rego.EvalContext) (any, error) { return t, nil }),
	).Eval(f.ctx)
	if err != nil {
		return nil, nil, false
	}
	for _, r := range results {
		answer, ok := r.Bindings[string(answerVar)].(*ast.Term)
		if !ok {
			return nil, nil, false
		}
		if !slices.ContainsFunc(answers, answer.Equal) {
			answers = append(answers, answer)
		}
	}
	return answers, by, true
}

// binderOf is the first expression that says something of a variable.
func binderOf(x ast.Var, scopes []ast.Body) *ast.Expr {
	for _, body := range scopes {
		for _, e := range body {
			if !e.Negated && len(e.With) == 0 && e.Vars(ast.VarVisitorParams{SkipClosures: true}).Contains(x) {
				return e
			}
		}
	}
	return nil
}

// refsOf are the references of an expression that have to be there for it to hold: none
// within a comprehension.
func refsOf(e *ast.Expr) []ast.Ref {
	var out []ast.Ref
	v := ast.NewGenericVisitor(func(x any) bool {
		switch x := x.(type) {
		case ast.Ref:
			out = append(out, x)
		case *ast.ArrayComprehension, *ast.SetComprehension, *ast.ObjectComprehension, *ast.Every:
			return true
		}
		return false
	})
	v.Walk(e)
	return out
}
