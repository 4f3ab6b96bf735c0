package guardrail

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync/atomic"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/cluster/selector"
	"github.com/podcullis/podcullis/connectivity"
)

// Engine judges changes by the guardrails of one configuration. It is safe for
// concurrent use; Reload replaces the guardrails between two evaluations.
type Engine struct {
	current atomic.Pointer[ruleset]
	lane    *lane
}

// ruleset is a configuration with everything compiled. It is immutable but for
// the questions that were read.
type ruleset struct {
	library   *Library
	config    *Config
	instances []*instance
	byUrgency []*instance // the same, those that may deny first
	fields    fieldSet    // of the request, that some of them read
	options   connectivity.Options
	asking    asking
	lookers   lookers
}

func (s *ruleset) world(t *turn, before, after *cluster.Snapshot) *world {
	w := newWorld(t, before, after, s.options)
	w.asking, w.lookers = &s.asking, &s.lookers
	return w
}

// instance is one use of a guardrail, ready to run.
type instance struct {
	Instance
	*Guardrail
	*program
	overdue atomic.Int64 // evaluations
	parts   func() parts // see InForce.Denying
	// constraint is set for one that is a Constraint of Gatekeeper.
	constraint *constraint
	// conftest is set for one that is a package of Conftest.
	conftest *conftest
}

// New prepares an engine. An error names the file, line and field that is wrong.
func New(l *Library, c *Config) (*Engine, error) {
	e := &Engine{lane: newLane()}
	if err := e.Reload(l, c); err != nil {
		return nil, err
	}
	return e, nil
}

// Reload replaces the guardrails. On an error those that were there stay.
func (e *Engine) Reload(l *Library, c *Config) error {
	set, err := prepare(l, c, e.current.Load())
	if err != nil {
		return err
	}
	e.current.Store(set)
	return nil
}

// ErrNeedsEntries is ReloadWithoutEntries' where a guardrail NeedsEntries.
var ErrNeedsEntries = errors.New("a guardrail asks what Services, Ingresses and routes lead to (exposed-to-outside, netpol.entrances), or a template reads them as data.inventory")

// ReloadWithoutEntries is Reload where Services, Ingresses and routes are not in the model.
func (e *Engine) ReloadWithoutEntries(l *Library, c *Config) error {
	set, err := prepare(l, c, e.current.Load())
	if err != nil {
		return err
	}
	if set.needsEntries() {
		return ErrNeedsEntries
	}
	e.current.Store(set)
	return nil
}

// prepare compiles what was not compiled before, by the same library.
func prepare(l *Library, c *Config, was *ruleset) (*ruleset, error) {
	set := &ruleset{library: l, config: c, options: connectivity.Options{PodNetwork: c.podNetwork}}
	v := &configValidator{file: c.validator.file, root: c.validator.root}
	for i, in := range c.Guardrails {
		if made := was.prepared(l, in); made != nil {
			set.instances = append(set.instances, made)
			continue
		}
		made, err := v.prepareInstance(l, c, in, []any{"guardrails", i})
		if err != nil {
			return nil, err
		}
		if made != nil {
			set.instances = append(set.instances, made)
		}
	}
	foreign, err := l.instancesOf(c)
	if err != nil {
		v.errs = append(v.errs, err)
	}
	tested, err2 := l.conftestInstances()
	if err2 != nil {
		return nil, err2
	}
	set.instances = append(append(set.instances, foreign...), tested...)
	set.checkForeign(v, err != nil)
	set.fields = fieldsOf(set.instances)
	set.lookers = lookersOf(c, set.instances, l)
	set.byUrgency = slices.Clone(set.instances)
	slices.SortStableFunc(set.byUrgency, func(a, b *instance) int { return urgency(a.Action) - urgency(b.Action) })
	return set, v.err()
}

// prepareInstance compiles one guardrail; nil when it reported what is wrong.
func (v *configValidator) prepareInstance(l *Library, c *Config, in Instance, path []any) (*instance, error) {
	g, ok := l.guardrails[in.Guardrail]
	if !ok {
		v.at(under(path, "guardrail"), "no guardrail %q; there are: %s", in.Guardrail, strings.Join(slices.Sorted(maps.Keys(l.guardrails)), ", "))
		return nil, nil
	}
	for k, kind := range in.Match.Kinds {
		if len(g.Kinds) > 0 && !g.Kinds.covers(kind) && (!g.judgesWorkloads() || !c.knowsCustom(kind)) {
			known := strings.Join(g.Kinds, ", ")
			if g.judgesWorkloads() {
				known += "; and the kinds of extraWorkloads"
			}
			v.at(under(path, "match", "kinds", k), "%s does not judge %q, but: %s", g.ID, kind, known)
		}
	}
	parameters, wrong := g.schema.complete(in.Parameters)
	for _, w := range wrong {
		at := under(path, "parameters")
		for _, p := range w.path {
			at = append(at, p)
		}
		v.at(at, "%s", w.message)
	}
	if len(wrong) > 0 {
		return nil, nil
	}
	p, err := newProgram(l, g, parameters)
	if err != nil {
		return nil, fmt.Errorf("guardrail %s: %w", in.Name, err)
	}
	made := &instance{Instance: in, Guardrail: g, program: p}
	made.parts = partsOf(made, l, parameters)
	return made, nil
}

// urgency orders evaluations: all share one deadline, and one that only warns must
// not use up the time of one that denies.
func urgency(a Action) int {
	if a == Deny {
		return 0
	}
	return 1
}

// Guardrails lists the names of the configured guardrails, in order.
func (e *Engine) Guardrails() []string {
	var out []string
	for _, in := range e.current.Load().instances {
		if !slices.Contains(out, in.Name) { // a constraint may do one thing here and another there
			out = append(out, in.Name)
		}
	}
	return out
}

// Messages is what the configuration wants answers to tell; empty if it does not say.
func (e *Engine) Messages() Messages { return e.current.Load().config.Messages }

// Revision is that of the bundle in force; empty where there is none.
func (e *Engine) Revision() string { return e.current.Load().config.revision }

// Exemptions lists the configured exemptions.
func (e *Engine) Exemptions() []Exemption {
	return slices.Clone(e.current.Load().config.Exemptions)
}

// Evaluate judges one change. A violation is no error. An error means that a
// guardrail which may deny could not be evaluated, and names it; the decision
// then holds what the others said. ctx bounds the time.
func (e *Engine) Evaluate(ctx context.Context, r Review) (Decision, error) {
	set := e.current.Load()
	var t *turn
	defer func() {
		if t != nil {
			t.end()
		}
	}()
	return set.evaluate(ctx, &r, func() *world {
		t = e.lane.newTurn(ctx)
		w := set.world(t, r.Before, r.After)
		w.options.Believed = r.Believed
		return w
	})
}

// EvaluateAll judges many reviews about the same two snapshots, as audit and CLI
// do: what was computed for one serves the next. Nobody is Believed.
func (e *Engine) EvaluateAll(ctx context.Context, before, after *cluster.Snapshot, reviews []Review) ([]Decision, error) {
	return e.EvaluateEach(ctx, before, after, reviews, func() {})
}

// EvaluateEach is EvaluateAll, and tells after each review that it is judged.
func (e *Engine) EvaluateEach(ctx context.Context, before, after *cluster.Snapshot, reviews []Review, judged func()) ([]Decision, error) {
	set := e.current.Load()
	t := e.lane.newTurn(ctx)
	defer t.end()
	w := set.world(t, before, after)
	out := make([]Decision, 0, len(reviews))
	var errs Unanswered
	for i := range reviews {
		reviews[i].Before, reviews[i].After = before, after
		d, err := set.evaluate(ctx, &reviews[i], given(w))
		errs.Add(reviews[i].Subject(), err)
		out = append(out, d)
		judged()
	}
	return out, errs.Err()
}

func (s *ruleset) evaluate(ctx context.Context, r *Review, w func() *world) (Decision, error) {
	if slices.Contains(s.config.Exclude.Namespaces, r.namespace()) {
		return Decision{Subject: r.Subject(), Revision: s.config.revision}, nil
	}
	return s.ask(ctx, r, w, s.byUrgency)
}

// given is a world that is there already.
func given(w *world) func() *world { return func() *world { return w } }

// ask asks some guardrails about one review. The world is made when one of them has to
// be asked: most reviews are of changes that mean nothing to any.
func (s *ruleset) ask(ctx context.Context, r *Review, w func() *world, instances []*instance) (Decision, error) {
	d := Decision{Subject: r.Subject(), Deletes: r.Change.After == nil, Revision: s.config.revision}
	in := &input{review: r, wanted: s.fields}
	var eval *evaluation
	var errs []error
	for _, i := range instances {
		applies, err := i.applies(r, in)
		var found []Violation
		if err == nil && applies {
			if eval == nil {
				eval = &evaluation{Review: r, world: w()}
			}
			d.Evaluated = append(d.Evaluated, i.Name)
			eval.begin(i, s.concerning(i, r))
			found, err = i.run(ctx, eval, in)
		}
		if err != nil {
			f := Failure{Guardrail: i.Name, Action: i.Action, Err: err}
			if i.Action == Deny {
				errs = append(errs, f)
			} else {
				d.Failures = append(d.Failures, f)
			}
			continue
		}
		for _, v := range found {
			if x, ok := s.exemption(i, r, &v); ok {
				d.Exempted = append(d.Exempted, Exempted{v, x.Name, x.Reason})
			} else {
				d.Violations = append(d.Violations, v)
			}
		}
	}
	d.settle()
	return d, errors.Join(errs...)
}

// applies tells whether a guardrail has to be asked about a review.
func (i *instance) applies(r *Review, in *input) (bool, error) {
	if i.constraint != nil {
		return i.constraint.applies(r, in)
	}
	if i.conftest != nil {
		return i.conftest.applies(r), nil
	}
	if !i.judgesReview(r) {
		return false, nil
	}
	matches, err := i.Match.matches(r)
	if err != nil || !matches {
		return false, err
	}
	return i.readsOccasion || !in.unchanged(i.readsObject), nil
}

// concerning tells which objects of the snapshot a guardrail judges. Audit and
// CLI report a path with one of the objects that open it, and that must be one
// that the guardrail gets to see.
func (s *ruleset) concerning(i *instance, r *Review) func(cluster.Ref) bool {
	return func(o cluster.Ref) bool {
		kind := groupKindOf(o.Kind)
		if slices.Contains(s.config.Exclude.Namespaces, o.Namespace) || !i.judges(kind) {
			return false
		}
		matches, err := i.Match.matchesObject(r, kind, o.Namespace)
		return err == nil && matches
	}
}

// matches reports whether a review is matched, or may be: of a namespace that is only
// named the labels are not known.
func (m *Match) matches(r *Review) (bool, error) {
	return m.matchesObject(r, r.groupKind(), r.namespace())
}

func (m *Match) matchesObject(r *Review, kind schema.GroupKind, namespace string) (bool, error) {
	match, err := m.match(r, kind, namespace)
	return match != selector.No, err
}

func (m *Match) match(r *Review, kind schema.GroupKind, namespace string) (selector.Match, error) {
	switch {
	case len(m.Kinds) > 0 && !m.Kinds.names(kind):
		return selector.No, nil
	case len(m.Namespaces) > 0 && !slices.Contains(m.Namespaces, namespace):
		return selector.No, nil
	case slices.Contains(m.ExcludedNamespaces, namespace):
		return selector.No, nil
	case len(m.NamespaceSelector) == 0 || namespace == "":
		return selector.Yes, nil
	}
	ns, ok := r.After.Namespace(namespace)
	if !ok || (ns.Implied && r.Origin == Admission) {
		return selector.No, fmt.Errorf("namespace %s is not known yet, so its labels cannot be matched", namespace)
	}
	return ns.Matches(m.selector), nil
}

// exemption finds the first exemption that covers a review and a violation, and
// has not expired. Whether a namespace is known plays no role for it: in doubt nothing is
// exempt.
func (s *ruleset) exemption(i *instance, r *Review, v *Violation) (Exemption, bool) {
	for _, x := range s.config.Exemptions {
		if x.home == "" && x.holds(i.Name, r) && x.Match.covers(r) {
			return x, true
		}
	}
	return s.granted(i, r, v)
}

// holds tells whether an exemption is one from a guardrail, has not expired, and matches the
// object.
func (x *Exemption) holds(name string, r *Review) bool {
	if !slices.Contains(x.Guardrails, name) || x.Expired(r.Time) {
		return false
	}
	match, err := x.Match.match(r, r.groupKind(), r.namespace())
	return err == nil && match == selector.Yes
}

// Judges reports whether a guardrail is about objects of a kind.
func (e *Engine) Judges(kind schema.GroupKind) bool {
	return slices.ContainsFunc(e.current.Load().instances, func(i *instance) bool {
		if i.constraint != nil {
			return i.constraint.Match.AboutKind(kind)
		}
		return (len(i.Kinds) == 0 || i.Kinds.names(kind)) && (len(i.Match.Kinds) == 0 || i.Match.Kinds.names(kind))
	})
}
