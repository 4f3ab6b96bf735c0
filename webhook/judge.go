package webhook

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/guardrail"
	"github.com/podcullis/podcullis/webhook/review"
)

// Evaluator judges a change; *guardrail.Engine is one.
type Evaluator interface {
	Evaluate(context.Context, guardrail.Review) (guardrail.Decision, error)
	// Judges reports whether a guardrail is about objects of a kind.
	Judges(kind schema.GroupKind) bool
}

// Model is the cluster as it is now.
type Model interface {
	Snapshot() *cluster.Snapshot
	// WaitFor waits until a snapshot satisfies the condition, or ctx ends.
	WaitFor(context.Context, func(*cluster.Snapshot) bool) bool
}

// Mode is what the webhook does with a denial.
type Mode string

// The modes.
const (
	Enforce Mode = "enforce"
	// DryRun ("audit" on the command line) never denies: it allows and says what would have been denied.
	Audit Mode = "audit"
)

// JudgeOptions are what a Judge needs.
type JudgeOptions struct {
	Evaluator Evaluator
	Model     Model
	Mode      Mode
	// Namespace reads one Namespace from the API server, for one that the model
	// does not hold yet. Nil when there is no API server.
	Namespace func(ctx context.Context, name string) (*corev1.Namespace, error)
	// Remember is set when allowed changes will show in the model: what is not there yet
	// is then waited for.
	Remember bool
	// Ledger keeps allowed changes until they do; they are taken into account until then.
	// Nil keeps none: what two changes open together is then seen when it is there.
	Ledger Ledger
	// Everywhere reports whether a guardrail looks at more than pairs of namespaces; nil
	// is that none does.
	Everywhere func() bool
	// Exempt reports whether changes in a namespace need no ledger; nil is that none is.
	Exempt func(namespace string) bool
	// Custom are kinds of other APIs that make pods, as the model follows them.
	Custom []cluster.Custom
	// Entries reports whether Services, Ingresses and routes are in the model: then a change
	// of one is judged by what it does. Nil is that they are not.
	Entries func() bool
	// Claims knows who may act for an owner that the model does not hold. Nil when
	// there is no API server: then nobody may.
	Claims Claims
	// OwnNamespace, if set, says whether answers name nothing of other namespaces than the
	// one that they are about. It is asked for every answer.
	OwnNamespace func() bool
	// Revision, if set, is that of the bundle in force, for answers that no guardrail had a part in.
	Revision func() string
	// Decided, if set, hears of every decision as it is worded for the answer; err is why
	// a request could not be judged.
	Decided func(d guardrail.Decision, err error)
	// Bounds are how much an object may hold to be read; zero is the default.
	Bounds cluster.Bounds
	// EvaluationTime bounds the evaluation of one request; 2 s when zero.
	EvaluationTime time.Duration
	// Metrics, if nil, are counted and shown nowhere.
	Metrics *JudgeMetrics
	Log     *slog.Logger
	// Now is time.Now when nil.
	Now func() time.Time
	// Clock is by which days are counted: the end of an exemption, the age of a deletion.
	// It may jump; Now, by which waits are, must not. Now when nil.
	Clock func() time.Time
}

// Judge is the admission.Handler that asks the guardrails.
type Judge struct {
	JudgeOptions
	contents  contents
	strangers strangers
}

// NewJudge makes a Judge.
func NewJudge(o JudgeOptions) *Judge {
	o.EvaluationTime = cmp.Or(o.EvaluationTime, review.DefaultEvaluationTime)
	o.Log = cmp.Or(o.Log, slog.Default())
	if o.Metrics == nil {
		o.Metrics = NewJudgeMetrics(prometheus.NewRegistry())
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Clock == nil {
		o.Clock = o.Now
	}
	return &Judge{JudgeOptions: o}
}

// Handle implements admission.Handler.
func (j *Judge) Handle(ctx context.Context, r admission.Request) admission.Response {
	ctx, cancel := context.WithTimeout(ctx, j.EvaluationTime)
	defer cancel()
	verdict := j.judge(ctx, &r)
	if j.Revision != nil && verdict.decision.Revision == "" { // no guardrail was asked
		verdict.decision.Revision = j.Revision()
	}
	j.Metrics.comesBack(verdict)
	j.advise(ctx, &verdict)
	j.record(ctx, &r, verdict)
	if j.OwnNamespace != nil && j.OwnNamespace() {
		verdict = verdict.conceal(&r)
	}
	if j.Decided != nil {
		j.Decided(verdict.decision, verdict.err)
	}
	return j.respond(verdict)
}

// verdict is what the judge found, before it is put in words for a mode.
type verdict struct {
	decision guardrail.Decision
	// err is why the request could not be judged; code is its HTTP status.
	err  error
	code int
	// retryAfter asks the client to try again after so many seconds.
	retryAfter int
	// note is a warning beside an answer that nothing else is said about.
	note string
	// claim says why it was not counted that the object belongs to an owner which the
	// model does not hold, where that made a difference.
	claim string
	// hint is said at the end of a refusal.
	hint string
	// after is the cluster with the change, once it is known.
	after *cluster.Snapshot
	// depends is set when it is refused only because of changes in flight.
	depends *dependence
	// oneOfMany is set for a pod that others need not know of, see isOneOfMany.
	oneOfMany bool
	// unwritten says why an allowed change could not be written to the ledger.
	unwritten string
	// review is what the guardrails were asked last.
	review guardrail.Review
}

func (j *Judge) judge(ctx context.Context, r *admission.Request) verdict {
	// Each round judges against what is known now. Another round is needed only when
	// something came to be known that the answer depends on: an owner, or what became of
	// a change in flight.
	waited := false
	var left spare
	for {
		view := j.view()
		before := j.Model.Snapshot() // after the view: it holds what is not in flight any more
		change, err := j.changeFrom(&r.AdmissionRequest, before)
		if errors.Is(err, errNotSeenYet) {
			if !waited && j.waitForPod(ctx, r) {
				waited = true
				continue
			}
			return comeBack(r, notSeen(r, err))
		}
		if errors.Is(err, errUnknownKind) {
			if kind := groupKind(r); !j.Evaluator.Judges(kind) {
				return j.nobodyJudges(r, kind)
			}
			err = nil // a guardrail looks at the object itself
		}
		if err != nil {
			return verdict{decision: guardrail.Decision{Subject: requestSubject(r)}, err: err, code: http.StatusBadRequest}
		}
		if v, ends := j.namespaceEnds(r, before, change); ends {
			return v
		}
		if change.Idle() || !j.Remember {
			return j.orWait(ctx, r, change, j.evaluate(ctx, r, before, change))
		}
		v := j.inWorlds(ctx, r, before, change, view)
		owner, isMissing := missingOwner(v, change)
		if isMissing && !waited {
			waited = true
			if j.waitForOwner(ctx, r, owner) {
				continue
			}
		}
		if isMissing {
			return ownerNotSeen(v, r, owner)
		}
		if !v.refuses() {
			v = j.commit(ctx, r, change, view, v)
		}
		if v.depends != nil {
			var again bool
			if v, again = j.await(ctx, &left, v); again {
				continue
			}
		}
		return comeBack(r, j.orWait(ctx, r, change, v))
	}
}

func notSeen(r *admission.Request, err error) verdict {
	return verdict{decision: guardrail.Decision{Subject: requestSubject(r)}, err: err, code: http.StatusTooManyRequests, retryAfter: 1}
}

func (v verdict) refuses() bool { return v.err != nil || v.decision.Denied() }

// evaluate asks the guardrails about one change, and if they mind, who may make it.
// meanwhile are changes of others that happen beside it.
func (j *Judge) evaluate(ctx context.Context, r *admission.Request, before *cluster.Snapshot, change cluster.Change, meanwhile ...cluster.Change) verdict {
	return j.weighClaim(ctx, r, before, change, meanwhile, j.evaluateOnce(ctx, r, before, change, meanwhile, false))
}

// evaluateOnce asks the guardrails about one change. believed says that whoever makes
// it may act for the owner of its object.
func (j *Judge) evaluateOnce(ctx context.Context, r *admission.Request, before *cluster.Snapshot, change cluster.Change, meanwhile []cluster.Change, believed bool) verdict {
	v := verdict{decision: guardrail.Decision{Subject: requestSubject(r)}}
	fail := func(err error, code int) verdict {
		v.err, v.code = err, code
		return v
	}
	before, err := j.withNamespace(ctx, r, before)
	if err != nil {
		return fail(err, http.StatusInternalServerError)
	}
	after := before
	if !change.Idle() {
		if after, err = before.Apply(append(slices.Clip(meanwhile), change)...); err != nil {
			return fail(err, http.StatusBadRequest)
		}
	}
	v.after = after
	began := time.Now()
	v.review = guardrail.Review{
		Request: &r.AdmissionRequest, Change: change, Before: before, After: after,
		Origin: guardrail.Admission, Believed: believed, Time: j.Clock(),
	}
	v.decision, err = j.Evaluator.Evaluate(ctx, v.review)
	j.Metrics.evaluated(time.Since(began))
	switch {
	case err == nil:
		return v
	case ctx.Err() != nil:
		return fail(err, http.StatusGatewayTimeout)
	}
	return fail(err, http.StatusInternalServerError)
}

// withNamespace makes sure that the labels of the request's namespace are known.
func (j *Judge) withNamespace(ctx context.Context, r *admission.Request, s *cluster.Snapshot) (*cluster.Snapshot, error) {
	if r.Namespace == "" || isNamespace(&r.AdmissionRequest) || j.Namespace == nil {
		return s, nil
	}
	if ns, ok := s.Namespace(r.Namespace); ok && !ns.Implied {
		return s, nil
	}
	o, err := j.Namespace(ctx, r.Namespace)
	if err != nil {
		return nil, fmt.Errorf("read namespace %s, which is not in the model yet: %w", r.Namespace, err)
	}
	ns, err := j.Bounds.FromAPI(o)
	if err != nil && !errors.Is(err, cluster.ErrOverBound) {
		return nil, err
	}
	return s.Apply(cluster.Change{After: ns})
}

func dryRun(r *admission.Request) bool { return r.DryRun != nil && *r.DryRun }
