package guardrail

import (
	"maps"
	"slices"

	"github.com/open-policy-agent/opa/v1/ast"
)

// Modules are the files of a library as they were written and as they were compiled, by name.
func (l *Library) Modules() (written, compiled map[string]*ast.Module) {
	return l.written, l.compiler.Modules
}

// Variable is how the author calls a variable of a compiled module.
func (l *Library) Variable(v ast.Var) string {
	if name, ok := l.compiler.RewrittenVars[v]; ok {
		return string(name)
	}
	return string(v)
}

// StrictFaults are what OPA's strict mode finds in the files of a library: variables,
// arguments and imports that are not used, and the like.
func (l *Library) StrictFaults() Faults {
	c := newCompiler(typeModules(l.written), true).WithStrict(true)
	c.Compile(maps.Clone(l.written))
	return inOurWords(c.Errors, l.written)
}

// Knows tells whether the objects of a kind have a field, given by the names that lead to it;
// known is false where the fields of the kind, or from there on, are not known.
func Knows(kind string, path []string) (has, known bool) {
	schema, ok := objectType(kind)
	if !ok {
		return false, false
	}
	for _, name := range path {
		properties, ok := schema["properties"].(map[string]any)
		if !ok {
			return true, false
		}
		next, ok := properties[name].(map[string]any)
		if !ok {
			return false, true
		}
		schema = next
	}
	return true, true
}

// JudgesKind tells whether an object of a bare kind can be under its review: one that METADATA
// names, the Binding of a pod, or the workload of another API.
func (g *Guardrail) JudgesKind(kind string) bool {
	if len(g.Kinds) == 0 || g.judgesWorkloads() {
		return true
	}
	return slices.ContainsFunc(g.Kinds, func(entry string) bool {
		bare, _, _ := kindAndGroup(entry)
		return bare == kind || bare == "Pod" && kind == "Binding"
	})
}

// Takes tells whether the guardrail takes a parameter, or may.
func (g *Guardrail) Takes(parameter string) bool {
	properties, _ := g.schema.document["properties"].(map[string]any)
	_, declared := properties[parameter]
	return declared || g.schema.document["additionalProperties"] != false
}

// Near are those of some words that may be meant by another one.
func Near(text string, all []string) []string { return nearest(text, all) }
