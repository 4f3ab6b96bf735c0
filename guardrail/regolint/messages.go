package regolint

import (
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
)

// messages looks at what rules report.
func (l *linter) messages() {
	for _, r := range l.written.Rules {
		name := strings.Trim(r.Head.Ref()[0].String(), `"`)
		if !reports(name) || r.Head.Key == nil {
			continue
		}
		entry := boundTo(r, r.Head.Key)
		if o, ok := entry.Value.(ast.Object); ok {
			if msg := o.Get(ast.StringTerm("msg")); msg != nil {
				l.message(r, boundTo(r, msg))
			}
			if strings.HasPrefix(name, "violation") && o.Get(ast.StringTerm("details")) == nil {
				l.report("no-details", r.Location, `{"msg": msg, "details": {...}} with what the message is made of`, "this violation has no details")
			}
			continue
		}
		if _, ok := entry.Value.(ast.String); ok && strings.HasPrefix(name, "violation") {
			l.report("no-details", r.Location, `{"msg": msg, "details": {...}}`, "this violation has no details")
		}
		l.message(r, entry)
	}
}

// message looks for one that is the same whatever is judged.
func (l *linter) message(r *ast.Rule, msg *ast.Term) {
	if depends(r, msg, 0) {
		return
	}
	l.report("unnamed-object", r.Location, `name what it is about: $"{input.request.name} ..."`, "the message is the same whatever is judged")
}

// maxBound bounds how far a variable is followed.
const maxBound = 20

// depends tells whether a term comes to something else for another review.
func depends(r *ast.Rule, t *ast.Term, depth int) bool {
	if depth > maxBound {
		return true
	}
	found := false
	ast.WalkTerms(t, func(x *ast.Term) bool {
		switch v := x.Value.(type) {
		case ast.Var:
			to := boundTo(r, x)
			found = found || to == x && !v.IsWildcard() || to != x && depends(r, to, depth+1)
		case ast.Ref:
			if isParameters(v) {
				return true
			}
			found = found || v[0].Equal(ast.InputRootDocument) || v[0].Equal(ast.DefaultRootDocument) || depends(r, v[0], depth+1)
			return true
		case ast.Call:
			name := v[0].Value.String()
			if strings.HasPrefix(name, "netpol.") || strings.HasPrefix(name, "cluster.") || strings.HasPrefix(name, "data.") {
				found = true
			}
			for _, operand := range v[1:] {
				found = found || depends(r, operand, depth+1)
			}
			if _, builtin := ast.BuiltinMap[name]; !builtin {
				found = true // a function of the author's
			}
			return true
		case *ast.ArrayComprehension, *ast.SetComprehension, *ast.ObjectComprehension:
			found = true
		}
		return found
	})
	return found
}

// boundTo is what a variable stands for in the body of a rule; the term itself where that is
// not said by := or =.
func boundTo(r *ast.Rule, t *ast.Term) *ast.Term {
	v, ok := t.Value.(ast.Var)
	if !ok {
		return t
	}
	var to []*ast.Term
	for _, e := range r.Body {
		call, ok := e.Terms.([]*ast.Term)
		if !ok || len(call) != 3 || e.Negated {
			continue
		}
		switch call[0].Value.String() {
		case "assign", "eq":
			if call[1].Value.Compare(v) == 0 {
				to = append(to, call[2])
			}
		}
	}
	if len(to) != 1 {
		return t
	}
	return to[0]
}
