package guardrail

import (
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
)

// generatedName is that of a variable which the compiler made.
var generatedName = regexp.MustCompile(`__local[0-9]+__`)

// compileAll compiles modules as the loader does. What is wrong is told of all of them, and of
// all that can be looked at: OPA stops at the first stage that finds something.
func compileAll(modules map[string]*ast.Module, prints bool, more ...*ast.Builtin) (*ast.Compiler, Faults) {
	faults := strayImports(modules)
	schemas := typeModules(modules)
	left := maps.Clone(modules)
	gone := goneNames{}
	for range maxRounds {
		c := newCompiler(schemas, prints, more...)
		c.Compile(left)
		if !c.Failed() {
			faults = append(faults, gone.untold(strayRefs(modules, c.Modules))...)
			return c, faults.sorted()
		}
		told := gone.untold(inOurWords(c.Errors, modules))
		faults = append(faults, told...)
		if len(c.Errors) == 0 || !gone.leaveOut(left, c.Errors) {
			break
		}
	}
	if len(faults) == 0 {
		faults = Faults{{Text: "the guardrails do not compile"}} // never: what is left out was told of
	}
	return nil, faults.sorted()
}

// maxRounds bounds how often what is wrong is left out, to see what else is.
const maxRounds = 8

func newCompiler(schemas *ast.SchemaSet, prints bool, more ...*ast.Builtin) *ast.Compiler {
	capabilities := Capabilities()
	capabilities.Builtins = append(capabilities.Builtins, more...)
	return ast.NewCompiler().
		SetErrorLimit(0).
		WithCapabilities(capabilities).
		WithSchemas(schemas).
		WithUseTypeCheckAnnotations(true).
		WithPathConflictsCheck(nil).
		WithEnablePrintStatements(prints)
}

// goneNames are the rules that were left out: what is said of their names afterwards is
// because they are not there.
type goneNames map[string]bool

// leaveOut takes the rules out in which errors are, and reports whether it could.
func (g goneNames) leaveOut(left map[string]*ast.Module, errs ast.Errors) bool {
	changed := false
	for _, e := range errs {
		if e.Location == nil {
			return false
		}
		m := left[e.Location.File]
		if m == nil {
			continue
		}
		r := ruleAt(m, e.Location.Row)
		if r == nil {
			return false // it is about the package or an import, on which all hangs
		}
		without := m.Copy()
		n := slices.IndexFunc(without.Rules, func(x *ast.Rule) bool { return x.Location != nil && x.Location.Row == r.Location.Row })
		if n < 0 {
			return false
		}
		g[strings.Trim(r.Head.Ref()[0].String(), `"`)] = true
		g[pathOf(r)] = true
		without.Rules = slices.Delete(without.Rules, n, n+1)
		left[e.Location.File], changed = without, true
	}
	return changed
}

// untold are the faults that are not about what was left out.
func (g goneNames) untold(list Faults) Faults {
	return slices.DeleteFunc(list, func(f Fault) bool {
		return slices.ContainsFunc(word.FindAllString(f.Text, -1), func(w string) bool { return g[w] })
	})
}

var word = regexp.MustCompile(`[A-Za-z_][A-Za-z0-9_.]*`)

// strayImports are imports of packages and rules that are not there.
func strayImports(modules map[string]*ast.Module) Faults {
	var out Faults
	paths := pathsOf(modules)
	for _, m := range modules {
		if !isGuardrail(packagePath(m)) {
			continue
		}
		for _, i := range m.Imports {
			if ref, ok := i.Path.Value.(ast.Ref); ok && ref[0].Equal(ast.DefaultRootDocument) {
				out = append(out, paths.stray(ref, i.Location, "import of nothing: ")...)
			}
		}
	}
	return out
}

// strayRefs are references to rules that are not there. Guardrails have no data but what
// packages define, so that they would be undefined for ever.
func strayRefs(written, compiled map[string]*ast.Module) Faults {
	var out Faults
	paths := pathsOf(written)
	for _, m := range compiled {
		if !isGuardrail(packagePath(m)) {
			continue
		}
		ast.WalkTerms(m, func(t *ast.Term) bool {
			if ref, ok := t.Value.(ast.Ref); ok && len(ref) > 1 && ref[0].Equal(ast.DefaultRootDocument) {
				out = append(out, paths.stray(ref, t.Location, "undefined ref: ")...)
			}
			return false
		})
	}
	return out
}

// paths are what is below data: rules, and what leads to them.
type paths struct {
	rules map[string]bool
	below map[string][]string // by path, the next elements
}

func pathsOf(modules map[string]*ast.Module) *paths {
	p := &paths{map[string]bool{}, map[string][]string{}}
	add := func(ref ast.Ref) {
		at := "data"
		for _, t := range ref[1:] {
			s, ok := t.Value.(ast.String)
			if !ok {
				return
			}
			if !slices.Contains(p.below[at], string(s)) {
				p.below[at] = append(p.below[at], string(s))
			}
			at += "." + string(s)
		}
	}
	for _, m := range modules {
		add(m.Package.Path)
		for _, r := range m.Rules {
			ref := r.Ref().GroundPrefix()
			add(ref)
			p.rules[plainPath(ref)] = true
		}
	}
	return p
}

func plainPath(ref ast.Ref) string {
	var parts []string
	for _, t := range ref {
		parts = append(parts, strings.Trim(t.Value.String(), `"`))
	}
	return strings.Join(parts, ".")
}

func (p *paths) stray(ref ast.Ref, at *ast.Location, what string) Faults {
	here := "data"
	for i, t := range ref[1:] {
		s, ok := t.Value.(ast.String)
		if !ok || p.rules[here] || len(p.below[here]) == 0 {
			return nil
		}
		if i == 0 && s == "inventory" {
			return nil
		}
		if !slices.Contains(p.below[here], string(s)) {
			return Faults{faultAt(at, "%s%s: there is no %s in %s%s", what, nice(ref), string(s), here, meant(string(s), p.below[here]))}
		}
		here += "." + string(s)
	}
	return nil
}
