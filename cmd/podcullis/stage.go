package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	admissionv1 "k8s.io/api/admission/v1"
	authenticationv1 "k8s.io/api/authentication/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/cluster/manifest"
	"github.com/podcullis/podcullis/guardrail"
	"github.com/podcullis/podcullis/guardrail/suite"
	"github.com/podcullis/podcullis/remedy"
	"github.com/podcullis/podcullis/webhook"
)

// stages judge the tests of suites.
type stages struct {
	bench   *bench
	asker   *asker             // reads clusters
	engines map[string]*staged // by what chooses them
}

// staged is the engine of a stage.
type staged struct {
	*guardrail.Engine
	custom []cluster.Custom
}

// judge has the changes of a test judged, one after the other: what is denied changes nothing.
func (s *stages) judge(ctx context.Context, t *suite.Test) (*suite.Answer, error) {
	at := func(line int, err error) error {
		if err == nil || strings.HasPrefix(err.Error(), t.File+":") {
			return err
		}
		return fmt.Errorf("%s:%d: %w", t.File, line, err)
	}
	dir, err := os.OpenRoot(filepath.Dir(t.File))
	if err != nil {
		return nil, at(t.Line, errors.New("files are only read beside a suite"))
	}
	defer dir.Close()
	f := &folder{dir, t.File}
	engine, err := s.engine(f, t)
	if err != nil && t.Guardrail == "" {
		return nil, at(t.Line, err)
	}
	if err != nil {
		return nil, at(t.Stage.Line, err)
	}
	there, err := s.scene(f, t, engine.NeedsEntries())
	if err != nil {
		return nil, at(t.Line, err)
	}
	l := &looked{staged: engine, test: t, snapshot: there.snapshot}
	for _, c := range t.Changes {
		steps, err := f.steps(c, there, engine.NeedsEntries())
		if err != nil {
			return nil, at(c.Of.Line, err)
		}
		for _, step := range steps {
			if err := l.step(ctx, step, there); err != nil {
				return nil, at(c.Of.Line, err)
			}
		}
	}
	return &l.answer, nil
}

// looked is the webhook before the cluster of a test, and what it answered.
type looked struct {
	*staged
	test     *suite.Test
	snapshot *cluster.Snapshot
	answer   suite.Answer
}

// doing is one request, and what it does to the cluster.
type doing struct {
	request *admissionv1.AdmissionRequest
	step    *step // nil for an object that the model has no place for
}

func (l *looked) step(ctx context.Context, d doing, there *scene) error {
	d.request.UserInfo = authenticationv1.UserInfo{Username: l.test.User, Groups: l.test.Groups}
	eye := &once{engine: l.Engine}
	a := l.ask(ctx, eye, l.snapshot, d.request)
	if !a.judged() {
		return errors.New(a.message())
	}
	if len(a.decision.Failures) > 0 {
		return a.decision.Failures[0]
	}
	if len(a.decision.Evaluated) > 0 {
		l.answer.Asked++
	} else {
		l.answer.NotAsked = append(l.answer.NotAsked, fmt.Sprintf("%s %s: %s", strings.ToLower(string(d.request.Operation)), a.subject(), l.notAsked(d.request)))
	}
	l.answer.Violations = append(l.answer.Violations, a.decision.Violations...)
	l.answer.Warnings = append(l.answer.Warnings, a.response.Warnings...)
	if !a.response.Allowed {
		l.answer.Denied = true
		if l.test.NeedsFix() {
			l.answer.Fixes = append(l.answer.Fixes, l.fix(ctx, eye, a))
		}
		return nil
	}
	if d.step == nil {
		return nil
	}
	after, err := l.snapshot.Apply(d.step.change())
	if err != nil {
		return fmt.Errorf("%s: %w", d.step.name(), err)
	}
	l.snapshot = after
	there.objects[d.step.object().Ref()] = d.step.is
	return nil
}

// notAsked says why no guardrail was asked.
func (l *looked) notAsked(r *admissionv1.AdmissionRequest) string {
	names := l.Guardrails()
	if len(names) != 1 {
		return "no guardrail was asked"
	}
	return names[0] + " was not asked: " + (&single{l.Engine, names[0], l.custom}).whyNot(r)
}

// ask is the webhook without its transport.
func (l *looked) ask(ctx context.Context, eye webhook.Evaluator, snapshot *cluster.Snapshot, r *admissionv1.AdmissionRequest) answered {
	a := answered{request: r}
	judge := webhook.NewJudge(webhook.JudgeOptions{
		Evaluator: eye, Model: &door{snapshot: snapshot}, Mode: webhook.Enforce, Custom: l.custom, Entries: l.NeedsEntries,
		OwnNamespace:   func() bool { return l.Messages() == guardrail.OwnNamespaceMessages },
		EvaluationTime: reviewTime, Log: slog.New(slog.DiscardHandler), Clock: l.clock,
		Decided: func(d guardrail.Decision, err error) { a.decision, a.err = d, err },
	})
	a.response = judge.Handle(ctx, admission.Request{AdmissionRequest: *r}).AdmissionResponse
	return a
}

func (l *looked) clock() time.Time {
	if at, err := time.Parse(time.RFC3339, l.test.Time); err == nil {
		return at
	}
	return time.Now()
}

// fix looks for the edit that a denial advises, and has the change judged with it.
func (l *looked) fix(ctx context.Context, eye *once, a answered) suite.Fix {
	out := suite.Fix{Of: a.subject()}
	found, ok := remedy.Find(unseen(ctx), l.Engine, eye.review, a.decision)
	if !ok {
		return out
	}
	out.Text = found.Advice()
	again := l.ask(unseen(ctx), &once{engine: l.Engine}, found.Review.Before, found.Review.Request)
	if !again.response.Allowed {
		out.Still = again.message()
	}
	return out
}

// once is an engine whose first evaluation is seen, and that keeps what it was asked last.
// It is no remedy.Evaluator: a judge that has none looks for no advice.
type once struct {
	engine *guardrail.Engine
	review guardrail.Review
	asked  bool
}

// Evaluate implements webhook.Evaluator.
func (o *once) Evaluate(ctx context.Context, r guardrail.Review) (guardrail.Decision, error) {
	if o.asked {
		ctx = unseen(ctx)
	}
	o.asked, o.review = true, r
	return o.engine.Evaluate(ctx, r)
}

// Judges implements webhook.Evaluator.
func (o *once) Judges(kind schema.GroupKind) bool { return o.engine.Judges(kind) }

func unseen(ctx context.Context) context.Context { return guardrail.Through(ctx, nil) }

// scene is the cluster of a test, of its own: changes are made to it.
func (s *stages) scene(f *folder, t *suite.Test, entries bool) (*scene, error) {
	var texts []manifest.Text
	for _, v := range t.Cluster {
		more, err := f.textsOf("cluster", v)
		if err != nil {
			return nil, fmt.Errorf("%s:%d: %w", t.File, v.Line, err)
		}
		texts = append(texts, more...)
	}
	return s.asker.sceneOf(texts, t.Namespaces, entries)
}

// sceneOf is a cluster out of texts and labelled namespaces. One that was read is read once.
func (a *asker) sceneOf(texts []manifest.Text, namespaces suite.Value, entries bool) (*scene, error) {
	var key strings.Builder
	for _, text := range texts {
		fmt.Fprintf(&key, "%s\n%s\n", text.Name, text.Data)
	}
	fmt.Fprintf(&key, "%v\n%s", entries, namespaces.JSON)
	read, ok := a.clusters[key.String()]
	if !ok {
		set, err := manifest.Read(manifest.Input{Texts: texts, Entries: entries})
		if err != nil && !errors.Is(err, manifest.ErrNothing) {
			return nil, asWritten(err)
		}
		if err := label(set, namespaces); err != nil {
			return nil, err
		}
		snapshot, err := set.Snapshot()
		if err != nil {
			return nil, fmt.Errorf("cluster: %w", err)
		}
		read = &scene{map[cluster.Ref]*manifest.Object{}, snapshot}
		for i := range set.Objects {
			read.objects[set.Objects[i].Ref()] = &set.Objects[i]
		}
		a.clusters[key.String()] = read
	}
	return &scene{maps.Clone(read.objects), read.snapshot}, nil
}

// label puts namespaces with labels into a set, in the place of those that it has.
func label(set *manifest.Set, namespaces suite.Value) error {
	if !namespaces.Said() {
		return nil
	}
	var labels map[string]map[string]any
	if err := json.Unmarshal(namespaces.JSON, &labels); err != nil {
		return errors.New("namespaces: want labels by the names of namespaces")
	}
	for _, name := range slices.Sorted(maps.Keys(labels)) {
		text, err := json.Marshal(map[string]any{"apiVersion": "v1", "kind": "Namespace", "metadata": map[string]any{"name": name, "labels": labels[name]}})
		if err != nil {
			return err
		}
		made, err := manifest.Read(manifest.Input{Texts: []manifest.Text{{Name: "namespaces", Data: text}}})
		if err != nil {
			return asWritten(err)
		}
		is := made.Objects[0]
		if i := slices.IndexFunc(set.Objects, func(o manifest.Object) bool { return o.Ref() == is.Ref() }); i >= 0 {
			set.Objects[i] = is
			continue
		}
		set.Objects = append(set.Objects, is)
	}
	return nil
}

// textsOf are the files or the object that a value of a suite names.
func (f *folder) textsOf(field string, v suite.Value) ([]manifest.Text, error) {
	texts, err := f.texts(field, v.JSON)
	if err != nil {
		return nil, err
	}
	for i := range texts {
		if texts[i].Name == field { // an object in the suite
			texts[i].Name, texts[i].Line = f.test, v.Line-1
		}
	}
	return texts, nil
}

// steps are the requests of one part of a change.
func (f *folder) steps(c suite.Change, there *scene, entries bool) ([]doing, error) {
	if name, ok := c.Of.Text(); ok && c.Operation == "delete" && strings.Contains(name, "/") {
		if _, err := f.root.Stat(name); err != nil {
			gone, err := there.named(name)
			if err != nil {
				return nil, err
			}
			return []doing{do(step{was: gone})}, nil
		}
	}
	texts, err := f.textsOf(c.Operation, c.Of)
	if err != nil {
		return nil, err
	}
	set, err := manifest.Read(manifest.Input{Texts: texts, Entries: entries})
	switch {
	case err != nil && !errors.Is(err, manifest.ErrNothing):
		return nil, asWritten(err)
	case len(set.Objects) == 0 && len(set.Skipped)+len(set.Unread) == 1 && len(texts) == 1 && (c.Operation == "create" || c.Operation == "apply"):
		r, err := creation(texts[0])
		return []doing{{request: r}}, err
	case len(set.Objects) == 0:
		return nil, fmt.Errorf("%s: there is no object of the kinds that Podcullis models; of other kinds one can be created", c.Operation)
	}
	var out []doing
	for i := range set.Objects {
		one, err := there.step(c.Operation, &set.Objects[i])
		if err != nil {
			return nil, err
		}
		out = append(out, do(one))
	}
	return out, nil
}

func do(s step) doing { return doing{request: s.request(), step: &s} }

// step is what an operation does with an object.
func (s *scene) step(operation string, is *manifest.Object) (step, error) {
	was := s.objects[is.Ref()]
	switch {
	case operation == "create" && was != nil:
		return step{}, fmt.Errorf("create: %s is in the cluster already: update changes it", is.Ref())
	case operation == "create":
		return step{is: is}, nil
	case operation == "apply":
		return step{was: was, is: is}, nil
	case was == nil:
		return step{}, fmt.Errorf("%s: there is no %s in the cluster", operation, is.Ref())
	case operation == "delete":
		return step{was: was}, nil
	}
	return step{was: was, is: is}, nil
}
