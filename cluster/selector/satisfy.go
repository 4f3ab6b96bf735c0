package selector

import (
	"maps"
	"slices"
)

// Literal is a requirement of one of the objects whose labels are looked for.
type Literal struct {
	// Of says which object, counted from 0.
	Of int
	Requirement
}

// Not is the literal that holds exactly where l does not.
func (l Literal) Not() Literal { return Literal{l.Of, l.Requirement.Not()} }

// Equal reports whether both hold for the same objects.
func (l Literal) Equal(o Literal) bool {
	return l.Of == o.Of && l.Key == o.Key && l.Values.Equal(o.Values)
}

// Choice holds when all literals of one of its alternatives do. A choice without
// alternatives never holds; one with an empty alternative always does.
type Choice [][]Literal

// All is the choice that holds when every literal does.
func All(literals ...Literal) Choice { return Choice{literals} }

// None is the choice that holds when some literal does not.
func None(literals ...Literal) Choice {
	var c Choice
	for _, l := range literals {
		c = append(c, []Literal{l.Not()})
	}
	return c
}

// Of makes literals of requirements of one object.
func Of(object int, requirements []Requirement) []Literal {
	out := make([]Literal, 0, len(requirements))
	for _, r := range requirements {
		out = append(out, Literal{object, r})
	}
	return out
}

// Search bounds the work of Satisfy. The zero value does not.
type Search struct {
	// Steps, when positive, is how many alternatives may be tried.
	Steps int
	// Interrupted, when set, is asked at every step whether to give up.
	Interrupted func() bool
}

// Satisfy looks for the labels of some objects for which every choice holds.
// Yes comes with the labels, no more of them than are needed; No is a proof that
// there are none; Maybe says that the search was given up.
func (s Search) Satisfy(objects int, choices ...Choice) ([]map[string]string, Match) {
	p := &puzzle{Search: s, values: make([]map[string]Values, objects)}
	for i := range p.values {
		p.values[i] = map[string]Values{}
	}
	if m := p.solve(choices); m != Yes {
		return nil, m
	}
	out := make([]map[string]string, objects)
	for i, values := range p.values {
		out[i] = map[string]string{}
		for key, v := range values {
			if value, present := v.Example(); present {
				out[i][key] = value
			}
		}
	}
	return out, Yes
}

// puzzle is a search under way: what each label can still be. A key that is not
// there is free.
type puzzle struct {
	Search
	values []map[string]Values
	taken  int
}

// solve narrows the values until every choice holds. It takes what is without
// alternative first, and then tries the alternatives of the choice with the
// fewest. On No and Maybe the values are as they were.
func (p *puzzle) solve(choices []Choice) Match {
	before := p.copied()
	open := choices
	for {
		var next Choice
		var rest []Choice
		for _, c := range open {
			viable, holds := p.viable(c)
			switch {
			case holds:
				continue
			case len(viable) == 0:
				p.values = before
				return No
			}
			rest = append(rest, viable)
			if next == nil || len(viable) < len(next) {
				next = viable
			}
		}
		if next == nil {
			return Yes
		}
		open = rest
		if len(next) > 1 {
			return p.branch(next, open, before)
		}
		if !p.take(next[0]) {
			p.values = before
			return No
		}
	}
}

func (p *puzzle) branch(c Choice, open []Choice, before []map[string]Values) Match {
	slices.SortStableFunc(c, func(a, b []Literal) int { return p.cost(a) - p.cost(b) })
	here := p.copied()
	result := No
	for _, alternative := range c {
		if p.taken++; (p.Steps > 0 && p.taken > p.Steps) || (p.Interrupted != nil && p.Interrupted()) {
			result = Maybe
			break
		}
		m := No
		if p.take(alternative) {
			m = p.solve(open)
		}
		if m == Yes {
			return Yes
		}
		result = result.Or(m)
		p.values = here
		here = p.copied()
		if m == Maybe {
			break
		}
	}
	p.values = before
	return result
}

// viable are the alternatives of a choice that can still hold; holds reports
// that one does already, whatever is narrowed further.
func (p *puzzle) viable(c Choice) (viable Choice, holds bool) {
	for _, alternative := range c {
		possible, certain := true, true
		for _, l := range alternative {
			now := p.valuesOf(l)
			possible = possible && !now.And(l.Values).Empty()
			certain = certain && now.Within(l.Values)
		}
		if certain {
			return nil, true
		}
		if possible {
			viable = append(viable, alternative)
		}
	}
	return viable, false
}

// cost is how many labels an alternative brings that were not needed so far.
func (p *puzzle) cost(alternative []Literal) int {
	n := 0
	for _, l := range alternative {
		if now := p.valuesOf(l); now.missing && !now.And(l.Values).missing {
			n++
		}
	}
	return n
}

// take narrows the values to an alternative, and reports whether any are left.
func (p *puzzle) take(alternative []Literal) bool {
	for _, l := range alternative {
		now := p.valuesOf(l).And(l.Values)
		if now.Empty() {
			return false
		}
		p.values[l.Of][l.Key] = now
	}
	return true
}

func (p *puzzle) valuesOf(l Literal) Values {
	if v, ok := p.values[l.Of][l.Key]; ok {
		return v
	}
	return AnyValue()
}

func (p *puzzle) copied() []map[string]Values {
	out := make([]map[string]Values, len(p.values))
	for i, m := range p.values {
		out[i] = maps.Clone(m)
	}
	return out
}
