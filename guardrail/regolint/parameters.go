package regolint

import (
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
)

// parameters looks for those that nobody reads, and those that are read and not declared. A
// misspelt input.parameters.x does not compile; object.get takes whatever it is given.
func (l *linter) parameters() {
	read := reading{fields: map[string]*ast.Location{}}
	read.module(l.written)
	for _, name := range l.libraries() {
		read.module(l.others[name])
	}
	for name, at := range read.fields {
		if at.File == l.file && !l.guardrail.Takes(name) {
			l.report("undeclared-parameter", at, "declare it below custom.parameters, or correct the name"+l.near(name), "parameter %s is read and not declared, so that it is never there", name)
		}
	}
	if read.all {
		return
	}
	for _, p := range l.guardrail.Parameters() {
		if _, ok := read.fields[p.Name]; !ok {
			l.report("unread-parameter", l.written.Package.Location, "read input.parameters."+p.Name+", or leave it out of # METADATA", "parameter %s is declared and never read", p.Name)
		}
	}
}

func (l *linter) near(name string) string {
	var all []string
	for _, p := range l.guardrail.Parameters() {
		all = append(all, p.Name)
	}
	if near := nearest(name, all); near != "" {
		return ": did you mean " + near + "?"
	}
	return ""
}

// libraries are the files of packages lib.* that the guardrail refers to, and those these do.
func (l *linter) libraries() []string {
	var out []string
	seen := map[string]bool{l.file: true}
	next := []*ast.Module{l.compiled}
	for len(next) > 0 {
		m := next[0]
		next = next[1:]
		ast.WalkRefs(m, func(ref ast.Ref) bool {
			for name, other := range l.all {
				if !seen[name] && len(ref) >= len(other.Package.Path) && ref.HasPrefix(other.Package.Path) {
					seen[name] = true
					out = append(out, name)
					next = append(next, other)
				}
			}
			return false
		})
	}
	return out
}

// reading is which parameters are read.
type reading struct {
	fields map[string]*ast.Location
	all    bool // or any of them may be
}

func (r *reading) module(m *ast.Module) {
	if m == nil {
		return
	}
	ast.NewGenericVisitor(func(x any) bool {
		switch x := x.(type) {
		case *ast.Expr:
			if call, ok := x.Terms.([]*ast.Term); ok {
				return r.get(call)
			}
		case ast.Call:
			return r.get(x)
		case *ast.Term:
			if ref, ok := x.Value.(ast.Ref); ok && isParameters(ref) {
				r.field(ref, x.Location)
			}
		}
		return false
	}).Walk(m)
}

// get is object.get(input.parameters, ...); it reports whether it was one.
func (r *reading) get(call []*ast.Term) bool {
	if len(call) < 3 || call[0].Value.String() != "object.get" {
		return false
	}
	ref, ok := call[1].Value.(ast.Ref)
	if !ok || !isParameters(ref) || len(ref) != 2 {
		return false
	}
	key := call[2]
	if path, ok := key.Value.(*ast.Array); ok && path.Len() > 0 {
		key = path.Elem(0)
	}
	name, ok := key.Value.(ast.String)
	if !ok {
		r.all = true
		return false
	}
	r.add(string(name), call[1].Location)
	if len(call) > 3 {
		ast.WalkTerms(call[3], func(t *ast.Term) bool {
			if ref, ok := t.Value.(ast.Ref); ok && isParameters(ref) {
				r.field(ref, t.Location)
			}
			return false
		})
	}
	return true
}

func (r *reading) field(ref ast.Ref, at *ast.Location) {
	if len(ref) > 2 {
		if name, ok := ref[2].Value.(ast.String); ok {
			r.add(string(name), at)
			return
		}
	}
	r.all = true
}

func (r *reading) add(name string, at *ast.Location) {
	if _, there := r.fields[name]; !there {
		r.fields[name] = at
	}
}

func isParameters(ref ast.Ref) bool {
	return len(ref) > 1 && ref[0].Equal(ast.InputRootDocument) && strings.Trim(ref[1].Value.String(), `"`) == "parameters"
}
