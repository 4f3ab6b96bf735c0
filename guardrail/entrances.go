package guardrail

import (
	"fmt"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/connectivity"
)

// entranceQuestion is that of netpol.entrances, an element for each part of its to.
type entranceQuestion []connectivity.EntranceQuery

func parseEntranceQuestion(t *ast.Term) (entranceQuestion, error) {
	var in struct {
		From        *endpoints             `json:"from"`
		To          *endpoints             `json:"to"`
		Ports       []portQuestion         `json:"ports"`
		Through     []connectivity.Through `json:"through"`
		Controllers *endpoints             `json:"controllers"`
		Unknown     struct {
			Blocked []connectivity.Uncertainty `json:"blocked"`
		} `json:"unknown"`
	}
	if err := decodeTerm(t, &in); err != nil {
		return nil, err
	}
	q := connectivity.EntranceQuery{Through: in.Through, Blocked: in.Unknown.Blocked}
	for i, k := range in.Through {
		if !slices.Contains(connectivity.Throughs(), k) {
			return nil, fmt.Errorf("through[%d]: %q is not supported; use %s", i, k, joined(connectivity.Throughs()))
		}
	}
	for i, u := range in.Unknown.Blocked {
		if !slices.Contains(connectivity.Uncertainties(), u) {
			return nil, fmt.Errorf("unknown.blocked[%d]: %q is no reason; the reasons are %s", i, u, joined(connectivity.Uncertainties()))
		}
	}
	for i, p := range in.Ports {
		r, err := p.portRange()
		if err != nil {
			return nil, fmt.Errorf("ports[%d].%w", i, err)
		}
		q.Ports = q.Ports.Union(connectivity.Ports(r))
	}
	if in.Controllers != nil {
		parts, err := in.Controllers.selections("controllers")
		if err != nil {
			return nil, err
		}
		q.Controllers = slices.Concat(parts...)
	}
	if in.From != nil {
		parts, err := in.From.selections("from")
		if err != nil {
			return nil, err
		}
		for _, s := range slices.Concat(parts...) {
			if !s.Block.IsValid() {
				return nil, fmt.Errorf("from: want outside or a cidr; pods are not outside")
			}
			q.From = append(q.From, s.Block)
		}
	}
	to := in.To
	if to == nil {
		to = &endpoints{list: []endpoint{{}}}
	}
	parts, err := to.selections("to")
	if err != nil {
		return nil, err
	}
	var out entranceQuestion
	for _, s := range slices.Concat(parts...) {
		if s.Block.IsValid() {
			return nil, fmt.Errorf("to: want selectors; what is outside is not reached from outside")
		}
		q.To = s
		out = append(out, q)
	}
	if len(out) > maxQueries {
		return nil, fmt.Errorf("to: with its lists and exceptions it comes to %d questions, and at most %d are asked; let except name fewer labels", len(out), maxQueries)
	}
	return out, nil
}

// entranceQuestionOf reads parameters as netpol.entrances would.
func entranceQuestionOf(parameters map[string]any) (entranceQuestion, error) {
	question := map[string]any{}
	for _, key := range []string{"from", "to", "ports", "through", "controllers"} {
		if value, ok := parameters[key]; ok {
			question[key] = value
		}
	}
	term, err := ast.InterfaceToValue(question)
	if err != nil {
		return nil, err
	}
	return parseEntranceQuestion(ast.NewTerm(term))
}

func joined[T ~string](list []T) string {
	var out []string
	for _, x := range list {
		out = append(out, string(x))
	}
	return strings.Join(out, ", ")
}

// entrances is netpol.entrances(question).
func (e *evaluation) entrances(args []*ast.Term) (ast.Value, error) {
	q, err := e.world.asking.entrances.read(args[0], parseEntranceQuestion)
	if err != nil {
		return nil, err
	}
	all := e.world.entrances(q.key, q.parsed)
	if len(all) > maxConnections {
		return nil, errTooMany
	}
	var out []*ast.Term
	for _, x := range own(e, e.homes.entrances, q.key, all, e.homeOfEntrance) {
		out = append(out, entranceTerm(x))
	}
	return ast.NewArray(out...), nil
}

func (w *world) entrances(key string, queries entranceQuestion) []connectivity.Entrance {
	return remember(w.entrancesBy, key, func() []connectivity.Entrance {
		var out []connectivity.Entrance
		for _, q := range queries {
			out = append(out, connectivity.OpenedEntrances(w.before, w.after, q, w.options)...)
		}
		return out
	})
}

// homeOfEntrance is the object with which audit and CLI report it: the first one on its
// way, else what lets it in.
func (e *evaluation) homeOfEntrance(x connectivity.Entrance) cluster.Ref {
	for _, way := range x.Ways {
		for _, s := range way.Steps {
			ref := s.Ref
			if ref.Kind == "Service" {
				ref = (&cluster.Service{Namespace: ref.Namespace, Name: ref.Name}).Ref()
			}
			if e.After.Object(ref) != nil && e.concerns(ref) {
				return ref
			}
		}
	}
	return e.homeOf(x.Connection, e.concerns)
}

// entranceTerm is a connection with what it leads through.
func entranceTerm(x connectivity.Entrance) *ast.Term {
	t := connectionTerm(x.Connection)
	o := t.Value.(ast.Object)
	o.Insert(str("through"), str(string(x.Through)))
	if len(x.Ways) == 0 {
		return t
	}
	var steps []*ast.Term
	for _, s := range x.Ways[0].Steps {
		steps = append(steps, objectTerm("kind", str(s.Kind), "namespace", str(s.Namespace), "name", str(s.Name), "as", str(s.As), "text", str(s.Text)))
	}
	o.Insert(str("way"), ast.ArrayTerm(steps...))
	if x.Controller != "" {
		o.Insert(str("controller"), str(x.Controller))
	}
	if n := len(x.Ways) - 1; n > 0 {
		o.Insert(str("moreWays"), ast.IntNumberTerm(n))
	}
	return t
}

// NeedsEntries reports whether a guardrail in force asks what Services, Ingresses or routes
// lead to: only then they have to be in the model. One that asks netpol.entrances with
// parameters in the form of that question says in through whether it does.
func (e *Engine) NeedsEntries() bool { return e.current.Load().needsEntries() }

func (s *ruleset) needsEntries() bool {
	return slices.ContainsFunc(s.instances, (*instance).needsEntries)
}

func (i *instance) needsEntries() bool {
	if i.constraint != nil {
		return i.constraint.template.inventory.needsEntries()
	}
	if !i.asksEntrances || !i.schema.asksEntrances {
		return i.asksEntrances
	}
	parameters, err := ast.JSON(i.parameters.Value)
	if err != nil {
		return true
	}
	given, _ := parameters.(map[string]any)
	q, err := entranceQuestionOf(given)
	return err != nil || slices.ContainsFunc(q, connectivity.EntranceQuery.NeedsEntries)
}

// asksEntrances reports whether a module calls netpol.entrances.
func asksEntrances(m *ast.Module) bool {
	asks := false
	ast.WalkRefs(m, func(r ast.Ref) bool {
		asks = asks || r.String() == "netpol.entrances"
		return asks
	})
	return asks
}
