package guardrail

import (
	"slices"

	"github.com/open-policy-agent/opa/v1/ast"
)

// choosers are the functions with which a question is made of parameters. Nothing else is
// called while a guardrail is loaded.
var choosers = []string{
	"eq", "equal", "internal.member_2", "is_array", "is_boolean", "is_null", "is_object", "is_string", "neq", "object.filter", "object.get", "object.remove",
}

// maxDecidedParts bounds of how many parts such a question is made: values that share
// their parts double with each.
const maxDecidedParts = 24

// decided is what the parameters alone decide, and is quickly found out.
type decided struct {
	compiler *ast.Compiler
	rules    map[*ast.Rule]bool // seen
	parts    int
	// parameters is set when they have a say; open, when something in it is decided by more.
	parameters, open bool
}

// holds reports whether something belongs to it, with all that it depends on.
func (c *decided) holds(x any) bool {
	bare := ast.NewVarVisitor().WithParams(ast.VarVisitorParams{SkipRefHead: true})
	bare.Walk(x)
	for _, root := range []*ast.Term{ast.InputRootDocument, ast.DefaultRootDocument} {
		c.open = c.open || bare.Vars().Contains(root.Value.(ast.Var))
	}
	v := ast.NewGenericVisitor(func(x any) bool {
		switch x := x.(type) {
		case *ast.ArrayComprehension, *ast.SetComprehension, *ast.ObjectComprehension, *ast.Every:
			c.open = true
		case *ast.Expr:
			c.open = c.open || len(x.With) > 0 || (x.IsCall() && !slices.Contains(choosers, x.Operator().String()))
		case ast.Call:
			c.open = c.open || !slices.Contains(choosers, x[0].String())
		case *ast.Array:
			x.Foreach(c.part)
		case ast.Set:
			x.Foreach(c.part)
		case ast.Object:
			x.Foreach(func(_, value *ast.Term) { c.part(value) })
		case ast.Ref:
			c.follow(x)
		}
		return c.open
	})
	v.Walk(x)
	return !c.open
}

func (c *decided) part(t *ast.Term) {
	if !ast.IsScalar(t.Value) {
		c.parts++
	}
	c.open = c.open || c.parts > maxDecidedParts
}

func (c *decided) follow(ref ast.Ref) {
	switch {
	case ref[0].Equal(ast.InputRootDocument):
		c.parameters = true
		c.open = c.open || len(ref) < 2 || !ref[1].Equal(ast.StringTerm("parameters"))
	case ref[0].Equal(ast.DefaultRootDocument):
		rules := c.compiler.GetRulesExact(ruleRef(c.compiler, ref))
		c.open = c.open || len(rules) == 0
		for _, r := range rules {
			if !c.rules[r] {
				c.rules[r] = true
				c.open = c.open || len(r.Head.Args) > 0 || !c.holds(r)
			}
		}
	}
}
