package regotest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/cover"
	"github.com/open-policy-agent/opa/v1/rego"
	"github.com/open-policy-agent/opa/v1/topdown/print"
	"github.com/open-policy-agent/opa/v1/types"

	"github.com/podcullis/podcullis/guardrail"
)

// Question is what a test asks podcullis.review: what one guardrail says of one change to a
// cluster. What is JSON text is the name of a file, or else an object.
type Question struct {
	Cluster    json.RawMessage `json:"cluster"` // a file or folder, or a list of objects and files
	Create     json.RawMessage `json:"create"`
	Update     json.RawMessage `json:"update"`
	Delete     json.RawMessage `json:"delete"` // may be KIND/NAMESPACE/NAME, too
	Guardrail  string          `json:"guardrail"`
	Parameters map[string]any  `json:"parameters"`
	Time       string          `json:"time"` // of the review, RFC 3339; empty is now
	// File is where the question stands: files are looked for beside it.
	File string `json:"-"`
}

// Change is which change is asked about: create, update or delete, and of what.
func (q *Question) Change() (operation string, object json.RawMessage, err error) {
	for _, c := range []struct {
		operation string
		object    json.RawMessage
	}{{"create", q.Create}, {"update", q.Update}, {"delete", q.Delete}} {
		if c.object == nil {
			continue
		}
		if operation != "" {
			return "", nil, fmt.Errorf("%s and %s are two changes: want one", operation, c.operation)
		}
		operation, object = c.operation, c.object
	}
	if operation == "" {
		return "", nil, errors.New("no change: want create, update or delete with a file or an object")
	}
	return operation, object, nil
}

// Answer is what the engine found.
type Answer struct {
	Violations []guardrail.Violation
	// Asked is whether the guardrail was asked at all; Why says why it was not.
	Asked bool
	Why   string
}

// review is the builtin podcullis.review, which tests have and guardrails do not.
type review struct {
	ask   func(context.Context, *Question) (Answer, error)
	lines *cover.Cover
}

const reviewName = "podcullis.review"

func (r *review) function() *types.Function {
	question := types.NewObject(nil, types.NewDynamicProperty(types.S, types.A))
	return types.NewFunction([]types.Type{question}, types.NewArray(nil, types.A))
}

func (r *review) decl() *ast.Builtin {
	return &ast.Builtin{
		Name: reviewName, Decl: r.function(),
		Description: "In tests: what a guardrail reports for a change to a cluster: {guardrail, parameters?, cluster?, time?, create | update | delete}.",
	}
}

func (r *review) register() func(*rego.Rego) {
	return rego.FunctionDyn(&rego.Function{Name: reviewName, Decl: r.function()}, func(bctx rego.BuiltinContext, args []*ast.Term) (*ast.Term, error) {
		answer, err := r.answer(bctx, args[0])
		if err != nil {
			// It ends the test: "undefined" would read as "no violation" under not.
			return nil, rego.NewHaltError(err)
		}
		return answer, nil
	})
}

func (r *review) answer(bctx rego.BuiltinContext, question *ast.Term) (*ast.Term, error) {
	q, err := questionOf(question)
	if err != nil {
		return nil, err
	}
	if r.ask == nil || bctx.Location == nil {
		return nil, errors.New("there is no engine here to ask")
	}
	q.File = bctx.Location.File
	trail := NewTrail()
	lens := &guardrail.Lens{Tracer: tracers{trail}, Print: bctx.PrintHook}
	if r.lines != nil {
		lens.Tracer = tracers{r.lines, trail}
	}
	a, err := r.ask(guardrail.Through(bctx.Context, lens), q)
	if err != nil {
		return nil, guardrail.Readable(err)
	}
	say := func(format string, args ...any) error {
		if bctx.PrintHook == nil {
			return nil
		}
		return bctx.PrintHook.Print(print.Context{Context: bctx.Context, Location: bctx.Location}, fmt.Sprintf("line %d: %s: ", bctx.Location.Row, reviewName)+fmt.Sprintf(format, args...))
	}
	switch {
	case !a.Asked:
		err = say("%s was not asked: %s", q.Guardrail, a.Why)
	case len(a.Violations) == 0 && len(trail.Undefined()) > 0:
		err = say("no rule reported anything: %s", trail.Undefined()[0])
	}
	if err != nil {
		return nil, err
	}
	return found(a.Violations)
}

func questionOf(t *ast.Term) (*Question, error) {
	v, err := ast.JSON(t.Value)
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	q := &Question{}
	var mistyped *json.UnmarshalTypeError
	if err := d.Decode(q); errors.As(err, &mistyped) {
		return nil, fmt.Errorf("%s: is a %s, want guardrail and time as strings, and parameters as an object", mistyped.Field, mistyped.Value)
	} else if err != nil {
		var field string
		if n, _ := fmt.Sscanf(err.Error(), "json: unknown field %q", &field); n == 1 {
			return nil, fmt.Errorf("there is no field %s: want guardrail, parameters, cluster, time and one of create, update and delete", field)
		}
		return nil, errors.New("the question cannot be read")
	}
	if q.Guardrail == "" {
		return nil, errors.New("guardrail: missing: the name of the one that is asked, such as default-deny")
	}
	return q, nil
}

// found is a list of {guardrail, rule, action, msg, details}.
func found(list []guardrail.Violation) (*ast.Term, error) {
	out := []any{}
	for _, v := range list {
		o := map[string]any{"guardrail": v.Rule, "action": string(v.Action), "msg": v.Message}
		if v.Details != nil {
			o["details"] = v.Details
		}
		out = append(out, o)
	}
	v, err := ast.InterfaceToValue(out)
	return ast.NewTerm(v), err
}
