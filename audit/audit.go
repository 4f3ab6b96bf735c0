package audit

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"time"

	admissionv1 "k8s.io/api/admission/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/guardrail"
)

// ErrNothing is returned when no guardrail applies to any of the objects: that
// nothing was found then says nothing.
var ErrNothing = errors.New("no guardrail applies to any of the objects")

// Evaluator judges many objects of one snapshot: a *guardrail.Engine.
type Evaluator interface {
	EvaluateAll(ctx context.Context, before, after *cluster.Snapshot, reviews []guardrail.Review) ([]guardrail.Decision, error)
}

// counter is an Evaluator that tells how far it is: a *guardrail.Engine.
type counter interface {
	EvaluateEach(ctx context.Context, before, after *cluster.Snapshot, reviews []guardrail.Review, judged func()) ([]guardrail.Decision, error)
}

// progressKey is where a context carries who is told of progress.
type progressKey struct{}

// WithProgress is a context under which each object that is judged is told. Of what
// cannot tell how far it is, nothing is told.
func WithProgress(ctx context.Context, judged func()) context.Context {
	return context.WithValue(ctx, progressKey{}, judged)
}

func evaluate(ctx context.Context, e Evaluator, before, after *cluster.Snapshot, reviews []guardrail.Review) ([]guardrail.Decision, error) {
	judged, ok := ctx.Value(progressKey{}).(func())
	if c, counts := e.(counter); ok && counts {
		return c.EvaluateEach(ctx, before, after, reviews, judged)
	}
	return e.EvaluateAll(ctx, before, after, reviews)
}

// Item is one object to be judged.
type Item struct {
	schema.GroupVersionKind
	// Namespace is empty for an object without one.
	Namespace string
	Name      string
	// JSON is the object as the API server would send it.
	JSON json.RawMessage
	// Object is what it is in the model.
	Object cluster.Object
}

// Finding is a violation, and the object with which it is reported.
type Finding struct {
	guardrail.Violation
	Object cluster.Ref
}

// Exempted is a violation that does not count, and why.
type Exempted struct {
	Finding
	Exemption string
	Reason    string
}

// Report is what a look at many objects finds. All lists are sorted.
type Report struct {
	Findings []Finding
	// Exempted would be findings but for an exemption.
	Exempted []Exempted
	// Unmatched are the questions and netpols that choose nobody.
	Unmatched []guardrail.Unmatched
}

// Asker tells which questions choose nobody: a *guardrail.Engine.
type Asker interface {
	Unmatched(*cluster.Snapshot) ([]guardrail.Unmatched, error)
}

// Run judges every item. The findings are sorted by object, guardrail and
// message. On an error, which names each object and guardrail that could not be
// judged, they are what the others say.
func Run(ctx context.Context, e Evaluator, items []Item, snapshot *cluster.Snapshot, origin guardrail.Origin, now time.Time) ([]Finding, error) {
	r, err := Examine(ctx, e, items, snapshot, origin, now)
	return r.Findings, err
}

// Examine is Run, and tells besides what does not count and what chooses nobody: the
// latter if the evaluator is an Asker.
func Examine(ctx context.Context, e Evaluator, items []Item, snapshot *cluster.Snapshot, origin guardrail.Origin, now time.Time) (Report, error) {
	return examine(ctx, e, &Earlier{Snapshot: &cluster.Snapshot{}}, items, snapshot, origin, now)
}

func examine(ctx context.Context, e Evaluator, was *Earlier, items []Item, snapshot *cluster.Snapshot, origin guardrail.Origin, now time.Time) (Report, error) {
	reviews := make([]guardrail.Review, 0, len(items))
	for i := range items {
		reviews = append(reviews, guardrail.Review{
			Request: items[i].request(),
			Change:  cluster.Change{After: items[i].Object},
			Origin:  origin,
			Time:    now,
		})
	}
	decisions, err := evaluate(ctx, e, was.Snapshot, snapshot, reviews)
	errs := []error{err}
	var unanswered guardrail.Unanswered
	var out Report
	evaluated, sought := false, 0
	if asker, ok := e.(Asker); ok {
		var err error
		if out.Unmatched, err = asker.Unmatched(snapshot); err != nil {
			errs = append(errs, err)
		}
	}
	for i, d := range decisions {
		evaluated = evaluated || len(d.Evaluated) > 0
		for _, f := range d.Failures {
			unanswered.Add(d.Subject, f)
		}
		if advice := advise(ctx, e, was, reviews[i], d, &sought); advice != "" {
			for k := range d.Violations {
				if v := &d.Violations[k]; v.Action == guardrail.Deny {
					v.Message = v.WithAdvice(advice)
				}
			}
		}
		for _, v := range d.Violations {
			out.Findings = append(out.Findings, Finding{v, items[i].Object.Ref()})
		}
		for _, x := range d.Exempted {
			out.Exempted = append(out.Exempted, Exempted{Finding{x.Violation, items[i].Object.Ref()}, x.Exemption, x.Reason})
		}
	}
	slices.SortStableFunc(out.Findings, Finding.compare)
	slices.SortStableFunc(out.Exempted, func(a, b Exempted) int { return a.compare(b.Finding) })
	if err := errors.Join(append(errs, unanswered.Err())...); err != nil {
		return out, err
	}
	if !evaluated {
		return Report{Unmatched: out.Unmatched}, ErrNothing
	}
	return out, nil
}

// request presents the item as a CREATE.
func (i *Item) request() *admissionv1.AdmissionRequest {
	kind := metav1.GroupVersionKind(i.GroupVersionKind)
	plural, _ := meta.UnsafeGuessKindToResource(i.GroupVersionKind)
	resource := metav1.GroupVersionResource(plural)
	namespace := i.Namespace
	if i.Kind == "Namespace" && i.Group == "" {
		namespace = i.Name // as the API server sends it
	}
	return &admissionv1.AdmissionRequest{
		UID:             types.UID(i.Object.Ref().String()),
		Kind:            kind,
		Resource:        resource,
		RequestKind:     &kind,
		RequestResource: &resource,
		Namespace:       namespace,
		Name:            i.Name,
		Operation:       admissionv1.Create,
		Object:          runtime.RawExtension{Raw: i.JSON},
	}
}

func (f Finding) compare(o Finding) int {
	return cmp.Or(f.Object.Compare(o.Object), cmp.Compare(f.Guardrail, o.Guardrail), cmp.Compare(f.Message, o.Message))
}
