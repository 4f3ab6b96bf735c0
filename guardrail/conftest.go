package guardrail

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/storage"
	"github.com/open-policy-agent/opa/v1/storage/inmem"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Conftest is Rego that was written for Conftest.
type Conftest struct {
	Sources []Source
	// Data is what files say beside the Rego, as the document data.
	Data map[string]any
	// Packages are those whose rules are asked; empty is main, as Conftest's namespaces are.
	Packages []string
}

// conftest is what an instance that comes from Conftest has beside others.
type conftest struct {
	guardrail *Guardrail
	compiler  *ast.Compiler
	store     storage.Store
}

// conftestRule is what Conftest asks: a name, or one with an underscore and anything after it.
var conftestRule = regexp.MustCompile(`^(deny|violation|warn)(_[a-zA-Z0-9_]+)?$`)

// AddConftest compiles Rego of Conftest, inside the sandbox, all of it together. What its
// packages report is found beside what guardrails do, under the name conftest/<package>.
// Others are the packages that have such rules, too, and were not asked for.
func (l *Library) AddConftest(c Conftest) (others []string, err error) {
	modules := map[string]*ast.Module{}
	var errs []error
	for _, s := range c.Sources {
		errs = append(errs, parseConftest(s, modules))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	compiler := ast.NewCompiler().WithCapabilities(Capabilities()).WithPathConflictsCheck(nil)
	compiler.Compile(modules)
	if compiler.Failed() {
		return nil, foreignErrors(compiler.Errors)
	}
	rules, err := conftestRules(compiler.Modules)
	if err != nil {
		return nil, err
	}
	wanted := c.Packages
	if len(wanted) == 0 {
		wanted = []string{"main"}
	}
	store := inmem.NewFromObject(c.Data)
	for _, name := range wanted {
		of := rules[name]
		if of == nil {
			there := strings.Join(slices.Sorted(maps.Keys(rules)), ", ")
			if there == "" {
				there = "none"
			}
			errs = append(errs, fmt.Errorf("conftest: no package %s with rules deny, violation or warn; packages with such rules: %s", name, there))
			continue
		}
		empty, err := newParameterSchema(nil)
		if err != nil {
			return nil, err
		}
		l.conftest = append(l.conftest, &conftest{compiler: compiler, store: store, guardrail: &Guardrail{
			ID: "conftest/" + name, Title: "Conftest's package " + name, Description: "Rego of Conftest.", Severity: foreignSeverity,
			File: of.file, schema: empty, rules: slices.Sorted(maps.Keys(of.names)), path: name,
			readsObject: true, readsRequest: true, readsOccasion: true, requestFields: envelopeFields,
		}})
	}
	for _, name := range slices.Sorted(maps.Keys(rules)) {
		if !slices.Contains(wanted, name) {
			others = append(others, name)
		}
	}
	return others, errors.Join(errs...)
}

// parseConftest parses the Rego of a source, each file in the version that it is written in.
func parseConftest(s Source, modules map[string]*ast.Module) error {
	var errs []error
	err := s.Each(func(name string, text []byte) {
		if strings.HasSuffix(name, "_test.rego") {
			return
		}
		o := ParserOptions()
		o.ProcessAnnotation = false
		m, err := ast.ParseModuleWithOpts(name, string(text), o)
		if err != nil {
			o.RegoVersion = ast.RegoV0
			if old, oldErr := ast.ParseModuleWithOpts(name, string(text), o); oldErr == nil {
				m, err = old, nil
			}
		}
		if err != nil {
			errs = append(errs, foreignErrors(err))
			return
		}
		errs = append(errs, unboundedFormats(m).err())
		modules[name] = m
	})
	if err == nil && len(modules) == 0 && len(errs) == 0 {
		err = fmt.Errorf("%s: holds no Rego", s.Name)
	}
	return errors.Join(append(errs, err)...)
}

// conftestRules are the rules that report, by package.
func conftestRules(modules map[string]*ast.Module) (map[string]*reporting, error) {
	out := map[string]*reporting{}
	var errs []error
	for _, file := range slices.Sorted(maps.Keys(modules)) {
		m := modules[file]
		name := strings.Join(packagePath(m), ".")
		for _, r := range m.Rules {
			rule := strings.Trim(r.Head.Ref()[0].String(), `"`)
			if rule == "exception" {
				errs = append(errs, fmt.Errorf("%s:%d: exception: what Conftest calls so is an exemption here, in the configuration: docs/gatekeeper.md", file, r.Location.Row))
			}
			if !conftestRule.MatchString(rule) || len(r.Head.Args) > 0 {
				continue
			}
			if r.Head.RuleKind() != ast.MultiValue || len(r.Head.Ref()) != 1 {
				errs = append(errs, fmt.Errorf("%s:%d: rule %s must be a set: %s contains msg if { ... }, or %s[msg] { ... } in Rego v0", file, r.Location.Row, rule, rule, rule))
			}
			if out[name] == nil {
				out[name] = &reporting{file: file, names: map[string]bool{}}
			}
			out[name].names[rule] = true
		}
	}
	return out, errors.Join(errs...)
}

// reporting are the rules of one package that report.
type reporting struct {
	file  string
	names map[string]bool
}

func (l *Library) conftestInstances() ([]*instance, error) {
	var out []*instance
	for _, c := range l.conftest {
		p, err := newForeignProgram(c.compiler, c.guardrail, map[string]any{}, c.store)
		if err != nil {
			return nil, err
		}
		i := &instance{Instance: Instance{Name: c.guardrail.ID, Guardrail: c.guardrail.ID, Action: Deny}, Guardrail: c.guardrail, program: p, conftest: c}
		i.parts = partsOf(i, l, map[string]any{})
		out = append(out, i)
	}
	return out, nil
}

// applies tells whether there is an object to be judged: what is deleted is none.
func (c *conftest) applies(r *Review) bool { return len(r.Request.Object.Raw) > 0 }

// input is the object itself.
func (c *conftest) input(in *input) (ast.Value, error) {
	if in.object == nil {
		v, err := ast.ValueFromReader(bytes.NewReader(in.review.Request.Object.Raw))
		if err != nil {
			return nil, err
		}
		in.object = v
	}
	return in.object, nil
}

// Foreign reports whether objects of a kind are judged by what was written for another engine:
// the model has no place for most of these.
func (e *Engine) Foreign(k schema.GroupKind) bool {
	return slices.ContainsFunc(e.current.Load().instances, func(i *instance) bool {
		return i.conftest != nil || i.constraint != nil && i.constraint.Match.AboutKind(k)
	})
}

// restOf is what an object of Conftest says beside its message.
func restOf(entry map[string]any) any {
	rest := maps.Clone(entry)
	delete(rest, "msg")
	if len(rest) == 0 {
		return nil
	}
	return rest
}
