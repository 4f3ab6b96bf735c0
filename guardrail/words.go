package guardrail

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/types"

	"github.com/podcullis/podcullis/guardrail/sandbox"
)

// inOurWords says what OPA found wrong in our words, with what may have been meant. The modules
// are what names can be of; without them only what is everywhere is known.
func inOurWords(list ast.Errors, modules map[string]*ast.Module) Faults {
	n := namesOf(modules)
	var out Faults
	for _, e := range list {
		n.place(e)
		out = append(out, faultAt(e.Location, "%s", n.words(e)))
	}
	return out.sorted()
}

// names are those that a file may use.
type names struct {
	functions []string // builtins, and functions of the modules by their whole path
	rules     []string // data.lib.paths.peer
	packages  []string // lib.paths
	modules   map[string]*ast.Module
}

func namesOf(modules map[string]*ast.Module) *names {
	n := &names{modules: modules}
	for _, b := range Capabilities().Builtins {
		if b.Infix == "" && !strings.HasPrefix(b.Name, "internal.") {
			n.functions = append(n.functions, b.Name)
		}
	}
	for _, m := range modules {
		n.packages = append(n.packages, strings.Join(packagePath(m), "."))
		for _, r := range m.Rules {
			path := pathOf(r)
			n.rules = append(n.rules, path)
			if len(r.Head.Args) > 0 {
				n.functions = append(n.functions, path)
			}
		}
	}
	return n
}

// pathOf is the whole path of a rule: data.lib.paths.peer.
func pathOf(r *ast.Rule) string { return r.Ref().GroundPrefix().String() }

func (n *names) words(e *ast.Error) string {
	switch details := e.Details.(type) {
	case *ast.RefErrInvalidDetail:
		return n.noField(details)
	case *ast.RefErrUnsupportedDetail:
		if !strings.HasPrefix(e.Message, "undefined ref") {
			break
		}
		return fmt.Sprintf("undefined ref: %s: %s is %s and has no fields", nice(details.Ref), nice(details.Ref[:details.Pos]), kindOf(details.Have))
	case *ast.ArgErrDetail:
		return arguments(e.Message, details)
	case *ast.UnificationErrDetail:
		return fmt.Sprintf("match error: %s on the left and %s on the right are never equal", kindOf(details.Left), kindOf(details.Right))
	}
	text := inWords(e.Message)
	if metadataYAML.MatchString(text) {
		text = metadataMore.ReplaceAllString(metadataYAML.ReplaceAllString(yamlWords(text), "# METADATA is not YAML: "), "; ")
	}
	if name, ok := strings.CutPrefix(text, "undefined function "); ok {
		return text + n.noFunction(name, e.Location)
	}
	for _, form := range []struct{ before, after, say string }{
		{"var ", " is unsafe", ": nothing gives it a value"},
		{"var ", " is undeclared", ": nothing gives it a value"},
	} {
		rest, ok := strings.CutPrefix(text, form.before)
		if name, ok2 := strings.CutSuffix(rest, form.after); ok && ok2 {
			return text + form.say + orMeant(name, n.within(e.Location))
		}
	}
	if strings.HasPrefix(text, "unexpected template-string expression type") {
		return "a template string takes values in its braces: no some, every, not or comparison"
	}
	for _, h := range advice {
		if strings.Contains(text, h.about) {
			return text + h.say
		}
	}
	return text
}

// advice is what would be right where OPA only says what is wrong.
var advice = []struct{ about, say string }{
	{"`if` keyword is required before rule body", ": write `violation contains ... if { ... }`; Rego before version 1 is another language, and `opa fmt --v0-v1` translates it"},
	{"`contains` keyword is required for partial set rules", ": write `violation contains ... if { ... }`"},
	{"package expected", ": the file begins with its # METADATA and `package guardrails.<id>`"},
	{"empty module", ": the file begins with its # METADATA and `package guardrails.<id>`"},
	{"unexpected eof token", ": the file ends within an expression; a bracket may be open"},
	{"is recursive", "; a rule cannot ask for itself: walk and some ... in ... go through what is nested"},
	{"annotation redeclared", "; one package, one # METADATA: two files may not describe the same"},
	{"conflicting rules", "; rules of one name are of one kind: all a set (contains), all a value, or all functions with as many arguments"},
	{"unexpected keyword", "; keywords (if, in, contains, every, not, some, with, ...) are no names"},
	{"used as value", "; it gives none: write it as an expression of its own"},
}

// noField says which fields there are where one is read that is not.
func (n *names) noField(d *ast.RefErrInvalidDetail) string {
	at := nice(d.Ref[:d.Pos])
	var there []string
	for _, v := range d.OneOf {
		if s, ok := v.(ast.String); ok && string(s) != noParameter {
			there = append(there, string(s))
		}
	}
	part := d.Ref[d.Pos]
	name, ok := part.Value.(ast.String)
	if !ok {
		want := "another key"
		if d.Want != nil {
			want = kindOf(d.Want)
		}
		have := part.Value.String()
		if d.Have != nil {
			have = kindOf(d.Have)
		}
		return fmt.Sprintf("undefined ref: %s: %s is no key of %s; want %s", nice(d.Ref), have, at, want)
	}
	if d.Want != nil && len(d.OneOf) == 0 {
		return fmt.Sprintf("undefined ref: %s: %s has no field %s: it is a list; say `some x in %s`, or an index", nice(d.Ref), at, string(name), at)
	}
	if len(there) == 0 && strings.HasSuffix(at, "input.parameters") {
		return fmt.Sprintf("undefined ref: %s: this guardrail takes no parameters; custom.parameters of its # METADATA declares them", nice(d.Ref))
	}
	return fmt.Sprintf("undefined ref: %s: there is no %s in %s%s", nice(d.Ref), string(name), at, meant(string(name), there))
}

// orMeant is what may have been meant; empty where nothing is near.
func orMeant(name string, all []string) string {
	if near := nearest(name, all); len(near) > 0 {
		return "; did you mean " + strings.Join(near, " or ") + "?"
	}
	return ""
}

// within are the names that an expression at a place may use: rules of the package, imports,
// variables of the rule, and what is everywhere.
func (n *names) within(at *ast.Location) []string {
	out := []string{"input", "data"}
	if at == nil {
		return out
	}
	m := n.modules[at.File]
	if m == nil {
		return out
	}
	for _, i := range m.Imports {
		out = append(out, string(i.Name()))
	}
	for _, other := range n.modules {
		if other.Package.Equal(m.Package) {
			out = append(out, ruleNames(other)...)
		}
	}
	if r := ruleAt(m, at.Row); r != nil {
		out = append(out, variables(r)...)
	}
	return out
}

func ruleNames(m *ast.Module) []string {
	var out []string
	for _, r := range m.Rules {
		out = append(out, strings.Trim(r.Head.Ref()[0].String(), `"`))
	}
	return out
}

// ruleAt is the rule in whose lines a line is.
func ruleAt(m *ast.Module, line int) *ast.Rule {
	var at *ast.Rule
	for _, r := range m.Rules {
		if r.Location != nil && r.Location.Row <= line && (at == nil || r.Location.Row >= at.Location.Row) {
			at = r
		}
	}
	return at
}

// variables are those that occur more than once in a rule, and those that it binds.
func variables(r *ast.Rule) []string {
	bound := ast.NewVarVisitor().WithParams(ast.VarVisitorParams{SkipRefHead: true})
	bound.Walk(r)
	var out []string
	for v := range bound.Vars() {
		if !v.IsGenerated() && !v.IsWildcard() {
			out = append(out, string(v))
		}
	}
	return out
}

// noFunction says why a function cannot be called, or which may have been meant.
func (n *names) noFunction(name string, at *ast.Location) string {
	if _, ok := ast.BuiltinMap[name]; ok && !sandbox.Allowed(name) {
		return ": guardrails cannot call it: " + why(name)
	}
	all := slices.Clone(n.functions)
	if !strings.HasPrefix(name, "data.") {
		all = append(all, n.within(at)...)
		if at != nil {
			if m := n.modules[at.File]; m != nil {
				for _, path := range n.functions {
					for _, i := range m.Imports {
						if rest, ok := strings.CutPrefix(path, i.Path.String()+"."); ok {
							all = append(all, string(i.Name())+"."+rest)
						}
					}
				}
			}
		}
	}
	if near := orMeant(name, all); near != "" {
		return near
	}
	head, _, dotted := strings.Cut(name, ".")
	var family []string
	for _, f := range n.functions {
		if dotted && strings.HasPrefix(f, head+".") && head != "data" {
			family = append(family, f)
		}
	}
	if len(family) > 0 {
		return meant(name, family)
	}
	return ": there is no such builtin and no such rule; docs/capabilities.json lists the builtins"
}

// place finds the template string in which a call is that an error is about: OPA takes the
// place of calls in templates away.
func (n *names) place(e *ast.Error) {
	if e.Location != nil && e.Location.File != "" {
		return
	}
	said := word.FindAllString(e.Message, -1)
	for _, file := range slices.Sorted(maps.Keys(n.modules)) {
		ast.WalkTerms(n.modules[file], func(t *ast.Term) bool {
			template, ok := t.Value.(*ast.TemplateString)
			if !ok || located(e.Location) != nil || t.Location == nil {
				return false
			}
			for _, w := range word.FindAllString(template.String(), -1) {
				root, _, _ := strings.Cut(w, ".")
				if len(said) > 1 && (w == said[1] || root == said[1] || w == said[len(said)-1]) {
					e.Location = t.Location
				}
			}
			return false
		})
	}
}

// why is the reason that a builtin of OPA is not in the sandbox.
func why(name string) string {
	family, _, _ := strings.Cut(name, ".")
	switch {
	case name == "time.now_ns":
		return "the same review gets the same answer; input.time is the time of the review"
	case family == "rand" || family == "uuid":
		return "the same review gets the same answer"
	case family == "http" || family == "net" || family == "opa" || family == "providers" || name == "rego.parse_module" || name == "trace":
		return "they see the review and the model of the cluster, and nothing else of the host or the network"
	}
	return "its cost has no bound, or nobody needed it yet; docs/capabilities.json lists what can be called"
}

// nice is a path as it is written, without the names that the compiler gives.
func nice(ref ast.Ref) string {
	text := ref.String()
	return generatedName.ReplaceAllString(text, "_")
}

// arguments says which arguments a function was called with, and which it takes.
func arguments(message string, d *ast.ArgErrDetail) string {
	var have, want []string
	for _, t := range d.Have {
		have = append(have, kindOf(t))
	}
	for _, t := range d.Want.Args {
		want = append(want, kindOf(t))
	}
	function, _, _ := strings.Cut(message, ":")
	if n, ok := arityOf(function); ok && n < len(want) && n < len(have) {
		want = want[:n] // the rest is where the answer may go
		if !strings.Contains(message, "too many") {
			return fmt.Sprintf("%s: got %d arguments, want %d: (%s)", function, len(have), n, strings.Join(want, ", "))
		}
	}
	return fmt.Sprintf("%s: got (%s), want (%s)", inWords(message), strings.Join(have, ", "), strings.Join(want, ", "))
}

// arityOf is how many arguments a builtin takes.
func arityOf(name string) (int, bool) {
	for _, b := range Capabilities().Builtins {
		if b.Name == name {
			return b.Decl.Arity(), true
		}
	}
	return 0, false
}

// kindOf is a type in a word or two.
func kindOf(t types.Type) string {
	switch t := t.(type) {
	case nil:
		return "nothing"
	case types.Null:
		return "null"
	case types.Boolean:
		return "a boolean"
	case types.Number:
		return "a number"
	case types.String:
		return "a string"
	case *types.Array:
		return "a list"
	case *types.Set:
		return "a set"
	case *types.Object:
		return "an object"
	case *types.Function:
		return "a function"
	case *types.NamedType:
		return kindOf(t.Type)
	case *types.Recursive:
		return kindOf(t.Unwrap())
	case types.Any:
		if len(t) == 0 {
			return "anything"
		}
		var parts []string
		for _, x := range t {
			parts = append(parts, kindOf(x))
		}
		return strings.Join(parts, " or ")
	}
	return "something else"
}
