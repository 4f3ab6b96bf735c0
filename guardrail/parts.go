package guardrail

import (
	"slices"
	"strings"
	"sync"
)

// Denying are those that may deny a change, by their rules that do. What somebody has to be
// told of at once is among what they find.
func (f InForce) Denying() InForce {
	return f.part(func(i *instance) *instance { return i.parts().denying })
}

// Remarking is all the rest: the guardrails that warn or audit, and the rules that never
// deny. They are asked by themselves, because one that warns of very much takes as long.
func (f InForce) Remarking() InForce {
	return f.part(func(i *instance) *instance { return i.parts().remarking })
}

func (f InForce) part(of func(*instance) *instance) InForce {
	out := InForce{set: f.set, lane: f.lane, yields: f.yields}
	for _, i := range f.instances {
		if p := of(i); p != nil {
			out.instances = append(out.instances, p)
		}
	}
	return out
}

// parts are the two sides of a guardrail; one that has no such rules is nil.
type parts struct{ denying, remarking *instance }

// partsOf splits a guardrail when it is first asked for: most engines never are.
func partsOf(i *instance, l *Library, parameters map[string]any) func() parts {
	return sync.OnceValue(func() parts {
		if i.Action != Deny {
			return parts{remarking: i}
		}
		var deny, warn []string
		for _, rule := range i.rules {
			if strings.HasPrefix(rule, "warn") {
				warn = append(warn, rule)
			} else {
				deny = append(deny, rule)
			}
		}
		switch {
		case len(warn) == 0:
			return parts{denying: i}
		case len(deny) == 0:
			return parts{remarking: i}
		}
		one, errDeny := i.with(deny, l, parameters)
		other, errWarn := i.with(warn, l, parameters)
		if errDeny != nil || errWarn != nil { // the whole of it compiles, so that this cannot be
			return parts{denying: i}
		}
		return parts{one, other}
	})
}

// with is the guardrail with some of its rules only.
func (i *instance) with(rules []string, l *Library, parameters map[string]any) (*instance, error) {
	g := *i.Guardrail
	g.rules = slices.Clone(rules)
	p, err := newProgram(l, &g, parameters)
	if err != nil {
		return nil, err
	}
	out := &instance{Instance: i.Instance, Guardrail: &g, program: p}
	out.parts = func() parts { return parts{denying: out} }
	if strings.HasPrefix(rules[0], "warn") {
		out.parts = func() parts { return parts{remarking: out} }
	}
	return out, nil
}
