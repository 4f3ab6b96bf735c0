package guardrail

import (
	"context"

	"go.yaml.in/yaml/v3"

	"github.com/podcullis/podcullis/guardrail/gatekeeper"
)

// NewOfGatekeeper prepares an engine of some templates and constraints and nothing else, for
// tests of them: each review brings what data.inventory is (Review.Objects), of whatever kinds.
func NewOfGatekeeper(set *gatekeeper.Set) (*Engine, error) {
	l := &Library{templates: map[string]*template{}}
	if err := l.addTemplates(set, true); err != nil {
		return nil, err
	}
	if err := l.checkConstraints(); err != nil {
		return nil, err
	}
	var err error
	if l.compiler, err = Compiler(nil); err != nil {
		return nil, err
	}
	return New(l, &Config{anyObject: true, validator: &configValidator{root: &yaml.Node{}}})
}

// Reported is what the guardrails report about a review, each time that they do: a decision
// names what is the same for its reader once.
func (e *Engine) Reported(ctx context.Context, r Review) ([]Violation, error) {
	set := e.current.Load()
	t := e.lane.newTurn(ctx)
	defer t.end()
	in := &input{review: &r, wanted: set.fields}
	eval := &evaluation{Review: &r, world: set.world(t, r.Before, r.After)}
	var out []Violation
	for _, i := range set.instances {
		applies, err := i.applies(&r, in)
		if err != nil {
			return nil, err
		}
		if !applies {
			continue
		}
		eval.begin(i, set.concerning(i, &r))
		found, err := i.run(ctx, eval, in)
		if err != nil {
			return nil, err
		}
		out = append(out, found...)
	}
	return out, nil
}

// Beyonds are the kinds that the templates of an engine read as data.inventory and that the
// model does not hold: outside of tests such a template does not load.
func (e *Engine) Beyonds() error {
	for _, i := range e.current.Load().instances {
		if i.constraint != nil {
			if err := i.constraint.template.inventory.refused(i.constraint.Kind); err != nil {
				return err
			}
		}
	}
	return nil
}
