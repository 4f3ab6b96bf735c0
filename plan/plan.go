package plan

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/guardrail"
)

// MaxObjects is up to how many objects that matter a plan is sure to try all orders. A
// larger change still gets an order if one is found soon.
const MaxObjects = 12

// maxEvaluations bounds the search: it is more than all states of MaxObjects need.
const maxEvaluations = MaxObjects << (MaxObjects - 1)

// Evaluator judges a change; *guardrail.Engine is one.
type Evaluator interface {
	Evaluate(context.Context, guardrail.Review) (guardrail.Decision, error)
}

// Step is one change of one object: a review with Request, Change and Time set.
type Step struct {
	guardrail.Review
	// Wait is set for what nobody asks for and that follows by itself once the step Of is
	// done: its pods go, or are replaced. Then only Gone is read.
	Wait bool
	Of   int
	Gone []cluster.Change
}

// changes are what a step does to the model.
func (s *Step) changes() []cluster.Change {
	if s.Wait {
		return s.Gone
	}
	return []cluster.Change{s.Change}
}

// idle tells whether a step does nothing to the model.
func (s *Step) idle() bool { return !s.Wait && s.Change.Idle() }

// Plan is an order, or why there is none.
type Plan struct {
	// Waves are the steps in order, by their places in what was asked. Within a wave they
	// may go in any order: all states between were tried. Empty where no order was found.
	Waves [][]int
	// Free are the steps that change nothing in the model: they may go at any time.
	Free []int
	// Tried is how many evaluations it took, and GaveUp set when the bound ended them:
	// then that no order was found proves nothing.
	Tried  int
	GaveUp bool
	// Conflict says why there is no order, where all were tried.
	Conflict *Conflict
}

// Found tells whether there is an order.
func (p *Plan) Found() bool { return p.Conflict == nil && !p.GaveUp }

// Conflict is what cannot go in any order.
type Conflict struct {
	// Done are the steps that can go first, and Steps those of which each needs another
	// one of them to go before it: a pair, or a longer ring. Where no such ring explains
	// it, it is one step that is denied whenever it goes.
	Done, Steps []int
	// Denials are what is said to each of Steps when it goes next.
	Denials []guardrail.Decision
}

// New looks for an order of some steps.
func New(ctx context.Context, e Evaluator, before *cluster.Snapshot, steps []Step) (*Plan, error) {
	s := &search{ctx: ctx, evaluator: e, before: before, steps: steps, failed: map[string]bool{}, known: map[string]answer{}, first: homes(steps)}
	p := &Plan{}
	for i := range steps {
		if steps[i].idle() {
			p.Free = append(p.Free, i)
		} else {
			s.matter = append(s.matter, i)
		}
	}
	s.sort()
	done := newSet(len(steps))
	order, found, err := s.from(done, before)
	if err != nil {
		return nil, err
	}
	switch {
	case found:
		p.Waves, err = s.waves(order)
	case s.spent():
		p.GaveUp = true
	default:
		p.Conflict, err = s.conflict()
	}
	p.Tried = s.tried
	return p, err
}

// search looks for one order.
type search struct {
	ctx       context.Context
	evaluator Evaluator
	before    *cluster.Snapshot
	steps     []Step
	matter    []int // the steps that are ordered, those first that mostly go first
	failed    map[string]bool
	known     map[string]answer
	first     []map[int]string // for each step those that have to go first, and why
	tried     int
	furthest  set // the largest state that can be reached
}

type answer struct {
	allowed bool
	denial  guardrail.Decision
}

// set is which steps are done.
type set []byte

func newSet(n int) set { return make(set, (n+7)/8) }

func (s set) has(i int) bool { return s[i/8]&(1<<(i%8)) != 0 }

func (s set) with(more ...int) set {
	out := slices.Clone(s)
	for _, i := range more {
		out[i/8] |= 1 << (i % 8)
	}
	return out
}

func (s set) count() int {
	n := 0
	for _, b := range s {
		for ; b != 0; b &= b - 1 {
			n++
		}
	}
	return n
}

// sort puts first what mostly can go first: what makes room, then what is put into it,
// and what is taken away last.
func (s *search) sort() {
	rank := func(i int) int {
		if s.steps[i].Wait { // at once, unless that is what cannot be
			return 0
		}
		c := s.steps[i].Change
		_, isNetpol := c.After.(*cluster.Netpol)
		_, wasNetpol := c.Before.(*cluster.Netpol)
		switch {
		case c.After == nil && c.Ref().Kind == "Namespace":
			return 6
		case c.After == nil && wasNetpol:
			return 5
		case c.After == nil:
			return 4
		case c.Ref().Kind == "Namespace":
			return 0
		case isNetpol && c.Before == nil:
			return 1
		case isNetpol:
			return 2
		}
		return 3
	}
	slices.SortStableFunc(s.matter, func(a, b int) int { return rank(a) - rank(b) })
}

func (s *search) spent() bool { return s.tried >= maxEvaluations }

// from finds an order of what is not done yet.
func (s *search) from(done set, now *cluster.Snapshot) (order []int, found bool, err error) {
	if s.furthest == nil || done.count() > s.furthest.count() {
		s.furthest = done
	}
	if done.count() == len(s.matter) {
		return nil, true, nil
	}
	if s.failed[string(done)] {
		return nil, false, nil
	}
	for _, i := range s.matter {
		if done.has(i) {
			continue
		}
		if s.spent() {
			return nil, false, nil
		}
		a, after, err := s.ask(done, now, i)
		if err != nil {
			return nil, false, err
		}
		if !a.allowed {
			continue
		}
		rest, found, err := s.from(done.with(i), after)
		if err != nil || found {
			return append([]int{i}, rest...), found, err
		}
	}
	s.failed[string(done)] = true
	return nil, false, nil
}

// ask judges one step in one state.
func (s *search) ask(done set, now *cluster.Snapshot, i int) (answer, *cluster.Snapshot, error) {
	step := &s.steps[i]
	after, err := now.Apply(step.changes()...)
	if err != nil {
		return answer{}, nil, fmt.Errorf("%s: %w", step.subject(), err)
	}
	key := fmt.Sprintf("%s %d", done, i)
	if a, ok := s.known[key]; ok {
		return a, after, nil
	}
	if d, waits := s.waits(done, i); waits {
		return answer{denial: d}, after, nil
	}
	if step.Wait {
		return answer{allowed: true}, after, nil
	}
	s.tried++
	r := step.Review
	r.Before, r.After, r.Origin = now, after, guardrail.Admission
	d, err := s.evaluator.Evaluate(s.ctx, r)
	if err != nil {
		return answer{}, nil, fmt.Errorf("%s: %w", r.Subject(), err)
	}
	a := answer{allowed: !d.Denied()}
	if !a.allowed {
		a.denial = d
	}
	s.known[key] = a
	return a, after, nil
}

// homes are what the API server itself asks for: a namespace is there before what is in
// it, and goes after it.
func homes(steps []Step) []map[int]string {
	out := make([]map[int]string, len(steps))
	for i := range out {
		out[i] = map[int]string{}
	}
	for i := range steps {
		step := &steps[i]
		if step.Wait {
			out[i][step.Of] = "nothing makes its pods go yet"
			continue
		}
		for k := range steps {
			home := &steps[k]
			if home.Wait {
				continue
			}
			ref := home.Change.Ref()
			switch {
			case home.Change.Idle() || step.Change.Idle() || ref.Kind != "Namespace" || step.Change.Ref().Namespace != ref.Name:
			case home.Change.Before == nil:
				out[i][k] = fmt.Sprintf("namespace %s is not there yet", ref.Name)
			case home.Change.After == nil && step.Change.After == nil:
				out[k][i] = fmt.Sprintf("%s is still in it", step.Subject())
			}
		}
	}
	return out
}

// subject names a step in an error.
func (s *Step) subject() string {
	if s.Wait {
		return "what follows"
	}
	return s.Review.Subject()
}

// waits tells whether a step has to wait for its namespace.
func (s *search) waits(done set, i int) (d guardrail.Decision, waits bool) {
	d.Subject = s.steps[i].subject()
	for k, why := range s.first[i] {
		if !done.has(k) {
			d.Violations = append(d.Violations, guardrail.Violation{Guardrail: "namespace", Action: guardrail.Deny, Message: why})
		}
	}
	slices.SortFunc(d.Violations, func(a, b guardrail.Violation) int { return strings.Compare(a.Message, b.Message) })
	return d, len(d.Violations) > 0
}

// state is the cluster with some steps done.
func (s *search) state(done set) (*cluster.Snapshot, error) {
	var changes []cluster.Change
	for i := range s.steps {
		if done.has(i) {
			changes = append(changes, s.steps[i].changes()...)
		}
	}
	return s.before.Apply(changes...)
}
