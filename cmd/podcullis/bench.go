package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"time"

	admissionv1 "k8s.io/api/admission/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/guardrail"
	"github.com/podcullis/podcullis/policies"
	"github.com/podcullis/podcullis/webhook"
)

// bench is where an author looks at one guardrail: test and eval ask it.
type bench struct {
	library *guardrail.Library
	config  *guardrail.Config // nil where none is given
	file    string            // of the configuration
	engines map[string]*single
}

// newBench reads guardrails that may print, and the configuration, if one is named.
func newBench(sources []guardrail.Source, config string) (*bench, error) {
	l, err := guardrail.LoadLibraryForAuthors(sources...)
	if err != nil {
		return nil, hint(err, "correct the Rego")
	}
	b := &bench{library: l, file: config, engines: map[string]*single{}}
	if config == "" {
		return b, nil
	}
	text, err := os.ReadFile(config)
	if err != nil {
		return nil, hint(readable(err), "--config names a file of kind Guardrails")
	}
	if b.config, err = guardrail.ParseConfig(config, text); err == nil {
		_, err = guardrail.New(l, b.config) // whose errors name the line
	}
	if err != nil {
		return nil, hint(err, "correct the configuration")
	}
	return b, nil
}

// authored are the guardrails that ship, and those of some folders. A folder that holds a
// guardrail that ships, or what they share, takes its place.
func authored(dirs []string) ([]guardrail.Source, error) {
	out := []guardrail.Source{{Name: guardrail.Embedded, FS: policies.FS}}
	for _, d := range dirs {
		if info, err := os.Stat(d); err != nil {
			return nil, hint(readable(err), "guardrails and their tests are in a directory with *.rego files")
		} else if !info.IsDir() {
			return nil, hint(errors.New(d+": is not a directory"), "guardrails and their tests are in a directory with *.rego files")
		}
		out = append(out, guardrail.Source{Name: d, FS: os.DirFS(d)})
	}
	out[0] = out[0].Without(out[1:]...)
	return out, nil
}

// single is an engine of one guardrail.
type single struct {
	*guardrail.Engine
	name   string
	custom []cluster.Custom
}

// single finds a guardrail by the configuration's name, or by its own with parameters; from
// says in which file those are.
func (b *bench) single(name string, parameters map[string]any, from string) (*single, error) {
	text, err := json.Marshal(map[string]any{
		"apiVersion": guardrail.ConfigAPIVersion, "kind": guardrail.ConfigKind,
		"guardrails": []any{map[string]any{"name": name, "guardrail": name, "action": guardrail.Deny, "parameters": parameters}},
	})
	if err != nil {
		return nil, err
	}
	if s, ok := b.engines[string(text)]; ok {
		return s, nil
	}
	config, err := b.configOf(name, parameters, from, text)
	if err != nil {
		return nil, err
	}
	engine, err := guardrail.New(b.library, config)
	if err != nil {
		return nil, ofParameters(err, from)
	}
	s := &single{engine, name, config.Custom()}
	b.engines[string(text)] = s
	return s, nil
}

// configOf is a configuration with that guardrail alone.
func (b *bench) configOf(name string, parameters map[string]any, from string, text []byte) (*guardrail.Config, error) {
	var names []string
	if b.config != nil {
		for _, in := range b.config.Guardrails {
			if in.Name == name && len(parameters) > 0 {
				return nil, fmt.Errorf("parameters: %s has those of %s: leave them out, or name the guardrail %s itself", name, b.file, in.Guardrail)
			}
			if in.Name == name {
				only := *b.config
				only.Guardrails = []guardrail.Instance{in}
				return &only, nil
			}
			names = append(names, in.Name)
		}
	}
	if _, ok := b.library.Guardrail(name); !ok {
		for _, g := range b.library.Guardrails() {
			names = append(names, g.ID)
		}
		slices.Sort(names)
		known := strings.Join(slices.Compact(names), ", ")
		if near := nearest(name, names); len(near) > 0 {
			return nil, fmt.Errorf("no guardrail %q: did you mean %s? There are: %s", name, near[0], known)
		}
		return nil, fmt.Errorf("no guardrail %q; there are: %s", name, known)
	}
	return guardrail.ParseConfig(from, text)
}

// ofParameters is an error about a configuration that nobody wrote, as one about the
// parameters in it.
func ofParameters(err error, from string) error {
	at := ""
	if from != "" {
		at = from + ": "
	}
	return errors.New(strings.ReplaceAll(err.Error(), from+":1: guardrails[0].", at))
}

// said is what one guardrail said to one change.
type said struct {
	found    []guardrail.Violation
	exempted []guardrail.Exempted
	asked    bool
	why      string // it was not asked
}

// ask has the guardrail judge a request to a cluster, under the lens of ctx, if there is one.
// at is the time of the review, in RFC 3339; empty is now.
func (s *single) ask(ctx context.Context, snapshot *cluster.Snapshot, r *admissionv1.AdmissionRequest, at string) (said, error) {
	review, err := s.reviewOf(ctx, snapshot, r)
	if err != nil || review == nil {
		return said{why: s.whyNot(r)}, err
	}
	if at != "" {
		if review.Time, err = time.Parse(time.RFC3339, at); err != nil {
			return said{}, fmt.Errorf("time %q: want one such as 2026-11-27T12:00:00Z", at)
		}
	}
	d, err := s.Evaluate(ctx, *review)
	if err == nil && len(d.Failures) > 0 {
		err = d.Failures[0]
	}
	if err != nil {
		return said{}, err
	}
	out := said{found: d.Violations, exempted: d.Exempted, asked: slices.Contains(d.Evaluated, s.name)}
	if !out.asked {
		out.why = s.whyNot(r)
	}
	return out, nil
}

// whyNot says why a guardrail is not asked about a request.
func (s *single) whyNot(r *admissionv1.AdmissionRequest) string {
	use, _ := s.Use(s.name)
	kind := schema.GroupKind{Group: r.Kind.Group, Kind: r.Kind.Kind}
	if !s.Judges(kind) && len(use.Of.Kinds) > 0 {
		return fmt.Sprintf("it judges %s, and this is a %s", strings.Join(use.Of.Kinds, ", "), kind.Kind)
	}
	if r.Operation == admissionv1.Update {
		return "match or exclude of the configuration leaves it out, or the update changes nothing that it reads"
	}
	return "match or exclude of the configuration leaves it out"
}

// reviewOf has the webhook's own judge read a request, and takes what it would ask the
// engine; nil where it would ask nothing.
func (s *single) reviewOf(ctx context.Context, snapshot *cluster.Snapshot, r *admissionv1.AdmissionRequest) (*guardrail.Review, error) {
	taker := &taker{engine: s.Engine}
	judge := webhook.NewJudge(webhook.JudgeOptions{
		Evaluator: taker, Model: &door{snapshot: snapshot}, Mode: webhook.Enforce, Custom: s.custom, Entries: s.NeedsEntries,
		OwnNamespace:   func() bool { return false },
		EvaluationTime: reviewTime, Log: slog.New(slog.DiscardHandler),
	})
	response := judge.Handle(ctx, admission.Request{AdmissionRequest: *r}).AdmissionResponse
	if taker.review == nil && !response.Allowed {
		return nil, errors.New(answered{request: r, response: response}.message())
	}
	return taker.review, nil
}

// taker is a webhook.Evaluator that lets everything pass, and keeps what it was asked first.
type taker struct {
	engine *guardrail.Engine
	review *guardrail.Review
}

func (t *taker) Evaluate(_ context.Context, r guardrail.Review) (guardrail.Decision, error) {
	if t.review == nil {
		t.review = &r
	}
	return guardrail.Decision{Subject: r.Subject()}, nil
}

func (t *taker) Judges(kind schema.GroupKind) bool { return t.engine.Judges(kind) }
