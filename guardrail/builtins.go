package guardrail

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/rego"
	"github.com/open-policy-agent/opa/v1/types"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/guardrail/sandbox"
)

// builtin is a function that guardrails can call. They are registered with each
// prepared query, never globally, and answer about the review that is in the
// evaluation's context.
type builtin struct {
	name        string
	description string
	args        []types.Type
	result      types.Type
	answer      func(*evaluation, []*ast.Term) (ast.Value, error)
}

var (
	object      = types.NewObject(nil, types.NewDynamicProperty(types.S, types.A))
	listOfAny   = types.NewArray(nil, types.A)
	listOfPeers = types.NewArray(nil, object)
)

// builtins are the questions that a guardrail can ask; docs/guardrails.md
// describes them for authors.
var builtins = []builtin{
	{
		name: "netpol.opened", args: []types.Type{object}, result: listOfAny,
		description: "The connections that this change opens from some peers to others: {from, to, ports?, scope?, unknown?}.",
		answer:      (*evaluation).opened,
	},
	{
		name: "netpol.open", args: []types.Type{object}, result: listOfAny,
		description: "The connections that are open after this change: {from, to, ports?, scope?, unknown?}.",
		answer:      (*evaluation).open,
	},
	{
		name: "netpol.entrances", args: []types.Type{object}, result: listOfAny,
		description: "The ways from outside the cluster to workloads that this change opens: {to?, ports?, through?, controllers?, unknown?}.",
		answer:      (*evaluation).entrances,
	},
	{
		name: "netpol.closed", args: []types.Type{object}, result: listOfAny,
		description: "The paths that this change closes, or leaves shut for a new workload: {from, to, ports?, otherAPIs?}.",
		answer:      (*evaluation).closed,
	},
	{
		name: "netpol.blocked", args: []types.Type{object}, result: listOfAny,
		description: "The paths that are not proved open after this change: {from, to, ports?, otherAPIs?}.",
		answer:      (*evaluation).blocked,
	},
	{
		name: "netpol.barriers", args: []types.Type{object}, result: listOfAny,
		description: "The paths that this change takes from two barriers to one, blocked by both sides before and by one after: {from, to, ports?}.",
		answer:      (*evaluation).barriers,
	},
	{
		name: "netpol.grouped", args: []types.Type{listOfAny}, result: listOfAny,
		description: "Connections, those with the same cause and target as one: {from, to, ports, because, connections, ...} with all peers of a side as one in words.",
		answer:      (*evaluation).grouped,
	},
	{
		name: "netpol.fix", args: []types.Type{object}, result: object,
		description: "The edit of a NetworkPolicy that shuts a connection at the least cost, tried: {text, cost}. Undefined where there is none, and outside admission.",
		answer:      (*evaluation).fix,
	},
	{
		name: "netpol.exposed", args: []types.Type{object}, result: listOfAny,
		description: "The workloads that this change leaves without isolation, new or isolated before: {namespaceSelector?, podSelector?, directions?}.",
		answer:      (*evaluation).exposed,
	},
	{
		name: "netpol.wide", args: []types.Type{object}, result: listOfAny,
		description: "The rules of a NetworkPolicy that this change makes wide, with what the destinations show and who is known to be on the other end: {directions?, manyPorts?, except?, public?}.",
		answer:      (*evaluation).wide,
	},
	{
		name: "netpol.unbounded", args: []types.Type{object}, result: listOfAny,
		description: "The workloads that this change opens to more than somebody has named: {namespaceSelector?, podSelector?, except?, directions?, by?, manyPorts?}.",
		answer:      (*evaluation).unbounded,
	},
	{
		name: "netpol.isolation", args: []types.Type{object}, result: listOfAny,
		description: "Per workload after the change, whether netpols isolate it and which: {namespace, podSelector? or labels?}.",
		answer:      (*evaluation).isolation,
	},
	{
		name: "netpol.selects", args: []types.Type{types.A}, result: object,
		description: "The workloads that a NetworkPolicy object selects, and per rule what its peers and ports match.",
		answer:      (*evaluation).selects,
	},
	{
		name: "netpol.label_keys", args: []types.Type{object}, result: listOfPeers,
		description: "The label keys that NetworkPolicies, guardrails and exemptions look at: {of: pods or namespaces, namespace?, keys?}.",
		answer:      (*evaluation).labelKeys,
	},
	{
		name: "cluster.labels", result: object,
		description: "The labels by which selectors choose what is changed, of a workload those of its pods: {of, before?, after?}. Undefined of other objects.",
		answer:      (*evaluation).labels,
	},
	{
		name: "cluster.namespaces", result: listOfPeers,
		description: "The namespaces after the change: {name, labels}.",
		answer:      (*evaluation).namespaces,
	},
	{
		name: "cluster.workloads", args: []types.Type{types.S}, result: listOfPeers,
		description: "The workloads of a namespace after the change: {namespace, kind, name, labels}.",
		answer:      (*evaluation).workloads,
	},
	{
		name: "cluster.netpols", args: []types.Type{types.S}, result: listOfPeers,
		description: "The netpols of a namespace after the change: {namespace, name, podSelector, isolates, ingressRules, egressRules}.",
		answer:      (*evaluation).netpols,
	},
}

func (b builtin) function() *types.Function { return types.NewFunction(b.args, b.result) }

func (b builtin) decl() *ast.Builtin {
	return &ast.Builtin{Name: b.name, Description: b.description, Decl: b.function()}
}

// options register the builtins with one query.
func builtinOptions() []func(*rego.Rego) {
	var out []func(*rego.Rego)
	for _, b := range builtins {
		decl := &rego.Function{Name: b.name, Description: b.description, Decl: b.function()}
		out = append(out, rego.FunctionDyn(decl, func(bctx rego.BuiltinContext, args []*ast.Term) (*ast.Term, error) {
			e, ok := bctx.Context.Value(evaluationKey{}).(*evaluation)
			if !ok {
				return nil, errors.New("no review to answer about")
			}
			return e.call(bctx.Context, b, args)
		}))
	}
	return out
}

// evaluationKey is the context key of the review that the builtins answer about.
type evaluationKey struct{}

// evaluation is the review that is being judged, and what was already asked about it.
type evaluation struct {
	*Review
	*world
	// concerns tells whether the guardrail that is asking judges an object.
	concerns func(cluster.Ref) bool
	asker    *instance
	answers  map[int][]answered // by the hash of the question
	fixing   fixing
}

// answered is a call of a builtin in this evaluation.
type answered struct {
	builtin string
	args    []*ast.Term
	answer  *ast.Term // nil is undefined
}

func (a *answered) is(builtin string, args []*ast.Term) bool {
	return a.builtin == builtin && slices.EqualFunc(a.args, args, func(x, y *ast.Term) bool { return x == y || x.Value.Compare(y.Value) == 0 })
}

// maxOperands bounds what a builtin may be asked about. A NetworkPolicy that the API
// server takes has less.
var maxOperands = sandbox.Size{Values: 5_000_000, Text: 32 << 20}

// begin readies the evaluation for the next guardrail. At admission the answers
// do not depend on who asks, and are kept.
func (e *evaluation) begin(asker *instance, concerns func(cluster.Ref) bool) {
	e.asker, e.concerns = asker, concerns
	if e.answers == nil || e.Origin != Admission {
		e.answers = map[int][]answered{}
	}
}

func (e *evaluation) call(ctx context.Context, b builtin, args []*ast.Term) (*ast.Term, error) {
	if err := context.Cause(ctx); err != nil {
		return nil, halt(b.name, err)
	}
	if n := sandbox.SizeOf(maxOperands, args...); n.Values > maxOperands.Values || n.Text > maxOperands.Text {
		return nil, halt(b.name, fmt.Errorf("asked about more than %d values or %d bytes of text", maxOperands.Values, maxOperands.Text))
	}
	hash := 0
	for _, a := range args {
		hash = 31*hash + a.Value.Hash()
	}
	for i := range e.answers[hash] {
		if a := &e.answers[hash][i]; a.is(b.name, args) {
			return a.answer, nil
		}
	}
	v, err := b.answer(e, args)
	if err != nil {
		return nil, halt(b.name, err)
	}
	if err := context.Cause(ctx); err != nil {
		return nil, halt(b.name, err) // an interrupted answer is not the whole one
	}
	var t *ast.Term // nil is undefined
	if v != nil {
		t = ast.NewTerm(v)
	}
	e.answers[hash] = append(e.answers[hash], answered{b.name, args, t})
	lensOf(ctx).answered(b.name, args[:len(b.args)], t)
	return t, nil
}

// halt stops the evaluation: an unanswered question must not become "undefined",
// which would read as "no violation".
func halt(name string, err error) error {
	return rego.NewHaltError(fmt.Errorf("%s: %w", name, err))
}
