package guardrail

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/podcullis/podcullis/guardrail/gatekeeper"
)

// foreignSeverity is that of what has none: a Constraint, and what is written for Conftest.
const foreignSeverity = "medium"

// template is a ConstraintTemplate, compiled by itself: the packages of two may have the same
// names, and those of their libraries do.
type template struct {
	*gatekeeper.Template
	guardrail *Guardrail
	compiler  *ast.Compiler
	inventory inventoryUse
}

// loadTemplates reads what the sources hold of Gatekeeper. All that is wrong is reported together.
func (l *Library) loadTemplates(sources []Source, prints bool) error {
	var errs []error
	l.templates = map[string]*template{}
	for _, s := range sources {
		if s.Name == Embedded {
			continue
		}
		set, err := gatekeeper.Read(s.Name, s.FS)
		errs = append(errs, err)
		errs = append(errs, l.addTemplates(set, prints))
	}
	return errors.Join(append(errs, l.checkConstraints())...)
}

func (l *Library) addTemplates(set *gatekeeper.Set, prints bool) error {
	var errs []error
	for _, t := range set.Templates {
		if other, ok := l.templates[t.Kind]; ok {
			errs = append(errs, t.Errorf([]any{"metadata", "name"}, "there is a template of kind %s already, at %s", t.Kind, other.Place()))
			continue
		}
		compiled, err := compileTemplate(t, prints)
		if err != nil {
			errs = append(errs, err)
		}
		l.templates[t.Kind] = compiled
	}
	l.constraints = append(l.constraints, set.Constraints...)
	return errors.Join(errs...)
}

// checkConstraints looks for constraints without a template and for those of one name.
func (l *Library) checkConstraints() error {
	var errs []error
	seen := map[string]*gatekeeper.Constraint{}
	for _, c := range l.constraints {
		if other, ok := seen[c.Title()]; ok {
			errs = append(errs, c.Errorf([]any{"metadata", "name"}, "there is a constraint %s already, at %s", c.Title(), other.Place()))
		}
		seen[c.Title()] = c
		if _, ok := l.templates[c.Kind]; !ok {
			known := strings.Join(slices.Sorted(maps.Keys(l.templates)), ", ")
			errs = append(errs, c.Errorf([]any{"kind"}, "there is no ConstraintTemplate of kind %s beside it; there are: %s", c.Kind, cmp.Or(known, "none")))
		}
	}
	return errors.Join(errs...)
}

// compileTemplate parses and compiles one template inside the sandbox. Of what is wrong with
// it the place is that in the file.
func compileTemplate(t *gatekeeper.Template, prints bool) (*template, error) {
	modules := map[string]*ast.Module{}
	var errs []error
	main := ""
	for n, s := range append([]gatekeeper.Source{t.Main}, t.Libs...) {
		m, err := parseForeign(s)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		name := strings.Join(packagePath(m), ".")
		switch {
		case n > 0 && !strings.HasPrefix(name, "lib."):
			errs = append(errs, fmt.Errorf("%s:%d: package %s: a library of a template is in a package lib.<name>", s.File, m.Package.Location.Row, name))
		case n == 0:
			main = name
		}
		errs = append(errs, unboundedFormats(m).err())
		errs = append(errs, ownData(m)...)
		modules[fmt.Sprintf("%s#%d", s.File, n)] = m
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	compiler := ast.NewCompiler().WithCapabilities(Capabilities()).WithPathConflictsCheck(nil).WithEnablePrintStatements(prints)
	compiler.Compile(modules)
	if compiler.Failed() {
		return nil, foreignErrors(compiler.Errors)
	}
	rules := compiler.GetRulesExact(ast.MustParseRef("data." + main + ".violation"))
	if len(rules) == 0 {
		return nil, t.Errorf([]any{"spec", "targets", 0}, "%s reports nothing: its Rego has no rule violation in package %s", t.Kind, main)
	}
	if rules[0].Head.RuleKind() != ast.MultiValue {
		return nil, fmt.Errorf("%s:%d: rule violation must be a set: violation[{\"msg\": msg}] { ... } in Rego v0", t.File, rules[0].Location.Row)
	}
	use, err := inventoryOf(compiler)
	if err != nil {
		return nil, err
	}
	schema, err := foreignSchema(t)
	if err != nil {
		return nil, t.Errorf([]any{"spec", "crd", "spec", "validation", "openAPIV3Schema"}, "%v", err)
	}
	return &template{
		Template: t, compiler: compiler, inventory: use,
		guardrail: &Guardrail{
			ID: t.Kind, Title: cmp.Or(t.Title, t.Kind), Description: cmp.Or(t.Description, "A ConstraintTemplate of Gatekeeper."),
			Severity: foreignSeverity, File: t.File, schema: schema, rules: []string{"violation"}, path: main,
			// It reads the object as it was sent, and is asked about each request as Gatekeeper is.
			readsObject: true, readsRequest: true, readsOccasion: true, requestFields: envelopeFields,
		},
	}, nil
}

// parseForeign parses Rego of the version that it is written in.
func parseForeign(s gatekeeper.Source) (*ast.Module, error) {
	o := ParserOptions()
	o.ProcessAnnotation = false // what it says is nobody's business here
	if s.Version == "v0" {
		o.RegoVersion = ast.RegoV0
	}
	m, err := ast.ParseModuleWithOpts(s.File, s.Text, o)
	if err != nil {
		return nil, foreignErrors(err)
	}
	if m == nil {
		return nil, fmt.Errorf("%s:%d: want Rego, with a package", s.File, s.Line)
	}
	return m, nil
}

// foreignErrors are errors of Rego that was written for another engine, which has builtins
// that are none of the sandbox.
func foreignErrors(err error) error {
	var list ast.Errors
	if !errors.As(err, &list) {
		return err
	}
	for _, e := range list {
		name, ok := strings.CutPrefix(e.Message, "undefined function ")
		if !ok {
			continue
		}
		switch {
		case name == "external_data":
			e.Message = "external_data is not in the sandbox: no provider is asked, as no evaluation reaches the network"
		case ast.BuiltinMap[name] != nil:
			e.Message = name + " is not in the sandbox: no evaluation reaches the network, a clock or the process, or takes unbounded time (docs/capabilities.json lists what there is)"
		}
	}
	return inOurWords(list, nil).err()
}

// ownData refuses references to data that is not there: Gatekeeper has data.inventory, what the
// template itself defines, and its libraries.
func ownData(m *ast.Module) []error {
	var errs []error
	own := m.Package.Path[1]
	ast.WalkRefs(m, func(r ast.Ref) bool {
		if !r[0].Equal(ast.DefaultRootDocument) || len(r) > 1 && (r[1].Equal(own) || r[1].Equal(ast.StringTerm("lib")) || r[1].Equal(ast.StringTerm("inventory"))) {
			return false
		}
		if r.Equal(m.Package.Path) {
			return false
		}
		errs = append(errs, fmt.Errorf("%s:%d: %s: a template can read data.inventory, data.lib and its own package", m.Package.Location.File, line(r, m), r))
		return false
	})
	return errs
}

// line is that of a reference.
func line(r ast.Ref, m *ast.Module) int {
	for _, t := range r {
		if t.Location != nil && t.Location.Row > 0 {
			return t.Location.Row
		}
	}
	return m.Package.Location.Row
}
