package guardrail

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	admissionv1 "k8s.io/api/admission/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/guardrail/gatekeeper"
)

// constraint is what an instance that comes from Gatekeeper has beside others.
type constraint struct {
	*gatekeeper.Constraint
	template *template
	// origins are those at which the instance is asked: one constraint may do something else at each.
	origins []Origin
}

// origins are the doors behind Gatekeeper's points of enforcement.
var origins = map[gatekeeper.Point]Origin{gatekeeper.AtAdmission: Admission, gatekeeper.AtAudit: Audit, gatekeeper.AtGator: CLI}

var foreignActions = map[string]Action{gatekeeper.Deny: Deny, gatekeeper.Warn: Warn, gatekeeper.Dryrun: AuditOnly}

// instancesOf are those of the constraints of a library: of one constraint as many as it has
// actions.
func (l *Library) instancesOf(config *Config) ([]*instance, error) {
	var out []*instance
	var errs []error
	for _, c := range l.constraints {
		if config.only != nil && *config.only != c.Title() {
			continue
		}
		t := l.templates[c.Kind]
		parameters, wrong := t.guardrail.schema.complete(withDefaults(c.Parameters, t.guardrail.schema.document).(map[string]any))
		for _, w := range wrong {
			path := []any{"spec", "parameters"}
			for _, p := range w.path {
				path = append(path, p)
			}
			errs = append(errs, &invalid{c.Errorf(path, "%s", w.message)})
		}
		if !config.anyObject {
			errs = append(errs, t.inventory.refused(c.Kind))
		}
		if len(wrong) > 0 {
			continue
		}
		for _, action := range []string{gatekeeper.Deny, gatekeeper.Warn, gatekeeper.Dryrun} {
			made := &constraint{Constraint: c, template: t}
			for _, p := range gatekeeper.Points() {
				if c.Actions[p] == action {
					made.origins = append(made.origins, origins[p])
				}
			}
			if len(made.origins) == 0 {
				continue
			}
			p, err := newForeignProgram(t.compiler, t.guardrail, parameters, inventoryStore{})
			if err != nil {
				return nil, fmt.Errorf("constraint %s: %w", c.Title(), err)
			}
			i := &instance{
				Instance:  Instance{Name: c.Title(), Guardrail: c.Kind, Action: foreignActions[action], Parameters: c.Parameters},
				Guardrail: t.guardrail, program: p, constraint: made,
			}
			i.parts = partsOf(i, l, parameters)
			out = append(out, i)
		}
	}
	return out, errors.Join(errs...)
}

// invalid is the error of a constraint that its template's schema refuses.
type invalid struct{ error }

// Invalid reports whether an error is that a template's schema refuses a constraint's parameters.
func Invalid(err error) bool {
	var i *invalid
	return errors.As(err, &i)
}

// applies tells whether the constraint is about a review.
func (c *constraint) applies(r *Review, in *input) (bool, error) {
	if !slices.Contains(c.origins, r.Origin) || !c.judgesOperation(r.Request.Operation) {
		return false, nil
	}
	if !c.Match.AboutKind(requestedKind(r)) {
		return false, nil
	}
	for n, raw := range [][]byte{r.Request.Object.Raw, r.Request.OldObject.Raw} {
		if len(raw) == 0 {
			continue
		}
		o, err := in.metadata(n, raw)
		if err != nil {
			return false, err
		}
		matches, err := c.matches(r, o)
		if err != nil || matches {
			return matches, err
		}
	}
	if len(r.Request.Object.Raw)+len(r.Request.OldObject.Raw) == 0 {
		return false, fmt.Errorf("the request holds neither object nor oldObject")
	}
	return false, nil
}

func (c *constraint) judgesOperation(o admissionv1.Operation) bool {
	list := c.template.Operations
	return len(list) == 0 || o == "" || slices.Contains(list, "*") || slices.Contains(list, string(o))
}

func requestedKind(r *Review) schema.GroupKind {
	return schema.GroupKind{Group: r.Request.Kind.Group, Kind: r.Request.Kind.Kind}
}

func (c *constraint) matches(r *Review, o *metav1.ObjectMeta) (bool, error) {
	object := gatekeeper.Object{GroupKind: requestedKind(r), Name: o.Name, GenerateName: o.GenerateName, Namespace: o.Namespace, Labels: o.Labels}
	if object.Name == "" {
		object.Name = r.Request.Name
	}
	if object.Namespace == "" && !r.isNamespace() {
		object.Namespace = r.Request.Namespace
	}
	return c.Match.Matches(object, func() (labels.Set, error) {
		ns, ok := r.After.Namespace(object.Namespace)
		if !ok || ns.Implied && (r.Origin == Admission || r.Objects != nil) {
			return nil, errors.New("it is not known")
		}
		return ns.Labels, nil
	})
}

// input is the input document as Gatekeeper makes it: the request, of a deletion with what is
// deleted as its object, and the parameters.
func (c *constraint) input(in *input, parameters *ast.Term) (ast.Value, error) {
	if in.foreign == nil {
		term, err := foreignReview(in.review)
		if err != nil {
			return nil, err
		}
		in.foreign = term
	}
	return objectTerm("review", in.foreign, "parameters", parameters).Value, nil
}

func foreignReview(r *Review) (*ast.Term, error) {
	request := *r.Request
	if request.Operation == admissionv1.Delete {
		if len(request.OldObject.Raw) == 0 {
			return nil, errors.New("a deletion without oldObject cannot be judged")
		}
		request.Object = request.OldObject
	}
	term, err := requestTerm(&request, nil)
	if err != nil {
		return nil, err
	}
	review, ok := term.Value.(ast.Object)
	if !ok || r.isNamespace() || request.Namespace == "" {
		return term, nil
	}
	if ns, ok := r.After.Namespace(request.Namespace); ok && (!ns.Implied || r.Origin != Admission) {
		v, err := ast.InterfaceToValue(namespaceObject(ns))
		if err != nil {
			return nil, err
		}
		review.Insert(str("namespaceObject"), ast.NewTerm(v))
		review.Insert(str("_unstable"), ast.ObjectTerm([2]*ast.Term{str("namespace"), ast.NewTerm(v)}))
	}
	return term, nil
}

// namespaceObject is a namespace as it was written, or what the model has of it.
func namespaceObject(ns *cluster.Namespace) map[string]any {
	if fields := ns.Document.Fields(); fields != nil {
		return fields
	}
	of := map[string]any{}
	for k, v := range ns.Labels {
		of[k] = v
	}
	return map[string]any{"apiVersion": "v1", "kind": "Namespace", "metadata": map[string]any{"name": ns.Name, "labels": of}}
}

// Constraints lists the constraints of the library by name, and the kinds of their templates.
func (l *Library) Constraints() (names, kinds []string) {
	for _, c := range l.constraints {
		names = append(names, c.Title())
	}
	slices.Sort(names)
	return names, slices.Sorted(maps.Keys(l.templates))
}

// Idle are the templates that no constraint uses, each with its place.
func (l *Library) Idle() []string {
	var out []string
	for _, kind := range slices.Sorted(maps.Keys(l.templates)) {
		if !slices.ContainsFunc(l.constraints, func(c *gatekeeper.Constraint) bool { return c.Kind == kind }) {
			out = append(out, fmt.Sprintf("%s: no constraint uses the template %s: it judges nothing", l.templates[kind].Place(), kind))
		}
	}
	return out
}

// Beyond are the constraints that match kinds about which nobody asks a webhook that is
// registered for some kinds only: one line for each.
func (e *Engine) Beyond(sent func(schema.GroupKind) bool) []string {
	var out []string
	for _, i := range e.current.Load().instances {
		if i.constraint == nil || !slices.Contains(i.constraint.origins, Admission) {
			continue
		}
		kinds, all := i.constraint.Match.Named()
		var beyond []string
		for _, k := range kinds {
			if !sent(k) {
				beyond = append(beyond, k.String())
			}
		}
		switch {
		case all:
			out = append(out, fmt.Sprintf("%s: constraint %s matches kinds of any name, and is asked only about those that the webhook is registered for", i.constraint.Place(), i.Name))
		case len(beyond) > 0:
			out = append(out, fmt.Sprintf("%s: constraint %s matches %s, about which the chart's webhook is not asked: it is enforced for these only with a rule of its own", i.constraint.Place(), i.Name, strings.Join(beyond, ", ")))
		}
	}
	return out
}

// checkForeign looks at what of the configuration depends on constraints: that there is
// anything at all, and that those of which something is exempt are there.
func (s *ruleset) checkForeign(v *configValidator, broken bool) {
	if len(s.instances) == s.config.beside && len(v.errs) == 0 && v.file != "" && !s.config.toExtend {
		v.at([]any{"guardrails"}, "is empty, and there is no constraint either; without a guardrail everything would pass")
	}
	if s.config.only != nil {
		return
	}
	for i, x := range s.config.Exemptions {
		if x.home != "" {
			continue // no constraint is exemptible by objects: one object must not keep all else out
		}
		for n, name := range x.Guardrails {
			is := func(i *instance) bool { return i.Name == name }
			if strings.Contains(name, "/") && !broken && !slices.ContainsFunc(s.instances, is) {
				v.at([]any{"exemptions", i, "guardrails", n}, "no constraint is named %q", name)
			}
		}
	}
}

// OnlyConstraint is the configuration for who looks at one guardrail: of the constraints it has
// the one of a name, or none.
func (c *Config) OnlyConstraint(title string) *Config {
	out := *c
	out.only = &title
	if title != "" {
		out.Guardrails = nil
	}
	return &out
}
