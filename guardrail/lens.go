package guardrail

import (
	"context"
	"errors"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/rego"
	"github.com/open-policy-agent/opa/v1/topdown"
	"github.com/open-policy-agent/opa/v1/topdown/print"
)

// Lens shows the author of a guardrail what an evaluation does. It goes with the context of
// Evaluate, so that the server, which gives none, evaluates as ever. Every part may be nil.
type Lens struct {
	// Tracer sees each step. Rules are then looked at one by one, without OPA's index of
	// rules, so that one which cannot fire is seen, too.
	Tracer topdown.QueryTracer
	// Print gets what print(...) is called with, of a library of LoadLibraryForAuthors.
	Print print.Hook
	// Asking is told which guardrail is asked, and its input document, with the object
	// whether it reads that or not.
	Asking func(guardrail string, input ast.Value)
	// Answered is told each question to a builtin of ours, once: a nil answer is undefined.
	Answered func(builtin string, args []*ast.Term, answer *ast.Term)
	// Reported is told what each rule that reports is, in order of their names.
	Reported func(rule string, value ast.Value)
}

type lensKey struct{}

// Through is a context in which guardrails are evaluated under a lens.
func Through(ctx context.Context, l *Lens) context.Context {
	return context.WithValue(ctx, lensKey{}, l)
}

func lensOf(ctx context.Context) *Lens {
	l, _ := ctx.Value(lensKey{}).(*Lens)
	return l
}

// options are those of an evaluation under the lens; of nil there are none.
func (l *Lens) options() []rego.EvalOption {
	if l == nil {
		return nil
	}
	var out []rego.EvalOption
	if l.Tracer != nil {
		out = append(out, rego.EvalQueryTracer(l.Tracer), rego.EvalRuleIndexing(false))
	}
	if l.Print != nil {
		out = append(out, rego.EvalPrintHook(l.Print))
	}
	return out
}

func (l *Lens) asking(name string, input ast.Value) {
	if l != nil && l.Asking != nil {
		l.Asking(name, input)
	}
}

func (l *Lens) reported(rules []string, values *ast.Array) {
	if l == nil || l.Reported == nil {
		return
	}
	for n, rule := range rules {
		l.Reported(rule, values.Elem(n).Value)
	}
}

func (l *Lens) answered(builtin string, args []*ast.Term, answer *ast.Term) {
	if l != nil && l.Answered != nil {
		l.Answered(builtin, args, answer)
	}
}

// ParserOptions are how guardrails and their tests are parsed.
func ParserOptions() ast.ParserOptions {
	return ast.ParserOptions{Capabilities: Capabilities(), ProcessAnnotation: true, RegoVersion: ast.RegoV1}
}

// Compiler compiles some modules as the loader does, with builtins besides: for tests. What
// is wrong in them is told first, and in the loader's words.
func Compiler(modules map[string]*ast.Module, more ...*ast.Builtin) (*ast.Compiler, error) {
	_, faults := compileAll(modules, true, more...)
	if len(faults) > 0 {
		return nil, faults.err()
	}
	return newCompiler(typeModules(modules), true, more...), nil
}

// Builtin is one of ours, for a query that is not about a review.
type Builtin struct {
	Decl     *ast.Builtin
	Register func(*rego.Rego)
}

// errMock is what a builtin says that has no review to answer about.
var errMock = errors.New("there is no change here to answer about: replace it by `with`, as in `with netpol.opened as []`, or ask podcullis.review about a change")

// Unasked are the builtins where there is no review: netpol.grouped needs none, netpol.fix
// has none, and the others must be replaced.
func Unasked() []Builtin {
	var out []Builtin
	for _, b := range builtins {
		answer := func(rego.BuiltinContext, []*ast.Term) (*ast.Term, error) { return nil, rego.NewHaltError(errMock) }
		switch b.name {
		case "netpol.fix":
			answer = func(rego.BuiltinContext, []*ast.Term) (*ast.Term, error) { return nil, nil }
		case "netpol.grouped":
			answer = func(_ rego.BuiltinContext, args []*ast.Term) (*ast.Term, error) {
				v, err := (&evaluation{world: &world{}}).grouped(args)
				return ast.NewTerm(v), err
			}
		}
		out = append(out, Builtin{b.decl(), rego.FunctionDyn(&rego.Function{Name: b.name, Decl: b.function()}, answer)})
	}
	return out
}
