package regotest

import (
	"fmt"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/topdown"
)

// Spot is an expression of a guardrail that ended a rule.
type Spot struct {
	File string
	Line int
	// Undefined is what has no value, as the author wrote it; empty where the expression has
	// one and is not true.
	Undefined string
	// Text is the expression.
	Text string
}

func (s Spot) String() string {
	if s.Undefined == "" {
		return fmt.Sprintf("%s:%d is not true: %s", s.File, s.Line, s.Text)
	}
	return fmt.Sprintf("%s:%d is undefined: %s", s.File, s.Line, s.Undefined)
}

// Trail is a tracer that keeps what ended the rules of an evaluation, so that an author
// learns why none reported.
type Trail struct {
	asking map[uint64]*ast.Expr // the expression that each query is at
	// aside are queries under a not, or in a comprehension or print: what is undefined there
	// ends no rule. A test may well ask a guardrail in one.
	aside map[uint64]bool
	// inner are queries of comprehensions: what is undefined there ends no rule, and an element
	// that somebody waits for is missing.
	inner map[uint64]bool
	lost  []Spot
	every map[uint64]bool // queries that run through the domain of an every
	spots []Spot
	seen  map[Spot]bool
}

// NewTrail makes one for one evaluation.
func NewTrail() *Trail {
	return &Trail{asking: map[uint64]*ast.Expr{}, aside: map[uint64]bool{}, inner: map[uint64]bool{}, every: map[uint64]bool{}, seen: map[Spot]bool{}}
}

// Enabled implements topdown.QueryTracer.
func (t *Trail) Enabled() bool { return true }

// Config implements topdown.QueryTracer: the variables say whether a path has a value.
func (t *Trail) Config() topdown.TraceConfig { return topdown.TraceConfig{PlugLocalVars: true} }

// TraceEvent implements topdown.QueryTracer.
func (t *Trail) TraceEvent(e topdown.Event) {
	switch e.Op {
	case topdown.EnterOp:
		parent := t.asking[e.ParentID]
		_, within := e.Node.(ast.Body) // and not a rule or a function that is called
		t.every[e.QueryID] = parent != nil && parent.IsEvery()
		part := t.every[e.QueryID] || t.every[e.ParentID] || parent != nil && parent.Location != nil && isTest(parent.Location.File)
		t.inner[e.QueryID] = t.inner[e.ParentID] || parent != nil && !parent.Negated && within && !part && !shown(parent)
		t.aside[e.QueryID] = t.aside[e.ParentID] || parent != nil && (parent.Negated || within && !part && shown(parent))
	case topdown.EvalOp:
		if expr, ok := e.Node.(*ast.Expr); ok {
			t.asking[e.QueryID] = expr
		}
	case topdown.FailOp:
		if expr, ok := e.Node.(*ast.Expr); ok && !t.aside[e.QueryID] {
			t.failed(&e, expr)
		}
	}
}

// maxSpots bounds what is kept: a rule may fail for each of many containers.
const maxSpots = 100

func (t *Trail) failed(e *topdown.Event, expr *ast.Expr) {
	at := expr.Location
	if at == nil || at.File == "" || len(t.spots) >= maxSpots {
		return
	}
	s := Spot{File: at.File, Line: at.Row, Text: source(at), Undefined: undefined(e, expr)}
	switch {
	case t.seen[s]:
	case !t.inner[e.QueryID]:
		t.seen[s] = true
		t.spots = append(t.spots, s)
	case s.Undefined != "" && len(t.lost) < maxSpots:
		t.seen[s] = true
		t.lost = append(t.lost, s)
	}
}

// shown tells whether an expression is what the compiler makes of the operands of print, and
// of what stands in a template: there it is no matter whether they have a value.
func shown(e *ast.Expr) bool {
	if !e.Generated || !e.IsEquality() {
		return false
	}
	for i := range 2 {
		if c, ok := e.Operand(i).Value.(*ast.SetComprehension); ok && len(c.Body) == 1 {
			return true
		}
	}
	return false
}

// Lost are what had no value within comprehensions, which left elements out.
func (t *Trail) Lost() []Spot { return t.lost }

// Spots are what ended the rules, those first that were met first.
func (t *Trail) Spots() []Spot { return t.spots }

// Undefined are those of Spots that had no value.
func (t *Trail) Undefined() []Spot {
	var out []Spot
	for _, s := range t.spots {
		if s.Undefined != "" {
			out = append(out, s)
		}
	}
	return out
}

// undefined is the part of a failed expression that has no value; empty where all have one.
func undefined(e *topdown.Event, expr *ast.Expr) string {
	if expr.Negated {
		return "" // what it denies is true
	}
	missing := ""
	ast.WalkTerms(expr, func(term *ast.Term) bool {
		ref, ok := term.Value.(ast.Ref)
		if !ok || missing != "" {
			return missing != ""
		}
		missing = unresolved(e, ref)
		return false
	})
	return missing
}

// unresolved is as much of a path as it takes to see that it has no value.
func unresolved(e *topdown.Event, ref ast.Ref) string {
	root, name := rootOf(e, ref)
	if root == nil {
		return ""
	}
	for i, part := range ref[1:] {
		key := part.Value
		if v, ok := key.(ast.Var); ok {
			bound := local(e, v)
			if bound == nil {
				return "" // it runs through all there are
			}
			key = bound
		}
		next, err := root.Find(ast.Ref{ast.NewTerm(key)})
		if set, ok := root.(ast.Set); ok && set.Contains(ast.NewTerm(key)) {
			next, err = key, nil
		}
		if err != nil {
			return written(name, ref[1:i+2], e)
		}
		root = next
	}
	return ""
}

// rootOf is the value that a path begins at, and how it is called: the input, or a variable.
func rootOf(e *topdown.Event, ref ast.Ref) (ast.Value, string) {
	v, ok := ref[0].Value.(ast.Var)
	if !ok {
		return nil, ""
	}
	if ref[0].Equal(ast.InputRootDocument) {
		if e.Input() == nil {
			return nil, ""
		}
		return e.Input().Value, "input"
	}
	return local(e, v), varName(e, v)
}

func local(e *topdown.Event, v ast.Var) ast.Value {
	if e.Locals == nil {
		return nil
	}
	bound := e.Locals.Get(v)
	if _, isVar := bound.(ast.Var); isVar {
		return nil
	}
	return bound
}

// varName is how the author calls a variable.
func varName(e *topdown.Event, v ast.Var) string {
	if meta, ok := e.LocalMetadata[v]; ok && meta.Name != "" {
		return string(meta.Name)
	}
	return string(v)
}

// written is a path as it is written in Rego.
func written(root string, parts ast.Ref, e *topdown.Event) string {
	var b strings.Builder
	b.WriteString(root)
	for _, part := range parts {
		switch v := part.Value.(type) {
		case ast.String:
			if plain := (ast.Ref{ast.VarTerm("x"), part}).String(); strings.HasPrefix(plain, "x.") {
				b.WriteString(plain[1:])
				continue
			}
			b.WriteString("[" + v.String() + "]")
		case ast.Var:
			b.WriteString("[" + varName(e, v) + "]")
		default:
			b.WriteString("[" + v.String() + "]")
		}
	}
	return b.String()
}

// tracers are several as one.
type tracers []topdown.QueryTracer

func (l tracers) Enabled() bool { return true }

func (l tracers) Config() topdown.TraceConfig { return topdown.TraceConfig{PlugLocalVars: true} }

func (l tracers) TraceEvent(e topdown.Event) {
	for _, t := range l {
		t.TraceEvent(e)
	}
}
