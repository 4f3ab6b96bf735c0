package webhook

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/guardrail"
	"github.com/podcullis/podcullis/remedy"
)

// Evaluator judges a change; *guardrail.Engine is one.
type Evaluator interface {
	remedy.Evaluator
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
	DryRun Mode = "audit"
)

// JudgeOptions are what a Judge needs.
type JudgeOptions struct {
	Evaluator Evaluator
	Model     Model
	Mode      Mode
	// Namespace reads one Namespace from the API server, for one that the model
	// does not hold yet. Nil when there is no API server.
	Namespace func(ctx context.Context, name string) (*corev1.Namespace, error)
	// Remember is set when allowed changes will show in the model: they are then
	// taken into account until they do.
	Remember bool
	// Custom are kinds of other APIs that make pods, as the model follows them.
	Custom []cluster.Custom
	// Claims knows who may act for an owner that the model does not hold. Nil when
	// there is no API server: then nobody may.
	Claims Claims
	// EvaluationTime bounds the evaluation of one request; 2 s when zero.
	EvaluationTime time.Duration
	// Metrics, if nil, are counted and shown nowhere.
	Metrics *JudgeMetrics
	Log     *slog.Logger
	// Now is time.Now when nil.
	Now func() time.Time
}

// Judge is the admission.Handler that asks the guardrails.
type Judge struct {
	JudgeOptions
	pending   pending
	strangers strangers
}

// NewJudge makes a Judge.
func NewJudge(o JudgeOptions) *Judge {
	o.EvaluationTime = orDefault(o.EvaluationTime, defaultEvaluationTime)
	o.Log = orDefault(o.Log, slog.Default())
	if o.Metrics == nil {
		o.Metrics = NewJudgeMetrics(prometheus.NewRegistry())
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Judge{JudgeOptions: o}
}

// Handle implements admission.Handler.
func (j *Judge) Handle(ctx context.Context, r admission.Request) admission.Response {
	ctx, cancel := context.WithTimeout(ctx, j.EvaluationTime)
	defer cancel()
	verdict := j.judge(ctx, &r)
	j.advise(ctx, &verdict)
	j.record(ctx, &r, verdict)
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
	// after is the cluster with the change, once it is known.
	after *cluster.Snapshot
	// review is what the guardrails were asked last.
	review guardrail.Review
}

func (j *Judge) judge(ctx context.Context, r *admission.Request) verdict {
	// Each round judges against what is known now. Another round is needed only
	// when some other change was allowed meanwhile, or an owner came to be known.
	waited := false
	for {
		before := j.Model.Snapshot()
		change, err := j.changeFrom(&r.AdmissionRequest, before)
		if errors.Is(err, errNotSeenYet) && j.waitForPod(ctx, r) {
			continue
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
		v, settled := j.judgeWithPending(ctx, r, change)
		if !settled {
			continue
		}
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
		return j.orWait(ctx, r, change, v)
	}
}

// judgeWithPending judges a change of the model, with the changes in mind that
// were allowed but do not show yet. settled is false when another change was
// allowed meanwhile.
func (j *Judge) judgeWithPending(ctx context.Context, r *admission.Request, change cluster.Change) (v verdict, settled bool) {
	j.waitForPending(ctx)
	before := j.Model.Snapshot()
	open, generation := j.pending.open(before, j.Now())
	v = j.evaluate(ctx, r, before, change)
	if len(open) > 0 {
		changes := make([]cluster.Change, 0, len(open))
		for _, p := range open {
			changes = append(changes, p.change)
		}
		with, err := before.Apply(changes...)
		if err != nil {
			return verdict{decision: v.decision, err: err, code: http.StatusInternalServerError}, true
		}
		if w := j.evaluate(ctx, r, with, change); w.refuses() != v.refuses() {
			v = undecided(w, open[0].change)
		}
	}
	if v.refuses() || dryRun(r) {
		return v, true
	}
	return v, j.pending.commit(change, before, generation, j.Now())
}

// undecided is the answer when it depends on whether an earlier change persists.
func undecided(v verdict, earlier cluster.Change) verdict {
	return verdict{
		decision:   guardrail.Decision{Subject: v.decision.Subject},
		err:        fmt.Errorf("the answer depends on %s, which was changed a moment ago and does not show yet; try again", earlier.Ref()),
		code:       http.StatusTooManyRequests,
		retryAfter: 1,
	}
}

func (v verdict) refuses() bool { return v.err != nil || v.decision.Denied() }

// waitForPending gives earlier changes a moment to show in the model.
func (j *Judge) waitForPending(ctx context.Context) {
	open, _ := j.pending.open(j.Model.Snapshot(), j.Now())
	var until time.Time
	for _, p := range open {
		if p.settles.After(until) {
			until = p.settles
		}
	}
	if !until.After(j.Now()) {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, until.Sub(j.Now()))
	defer cancel()
	j.Model.WaitFor(ctx, func(s *cluster.Snapshot) bool {
		left, _ := j.pending.open(s, j.Now())
		return len(left) == 0
	})
}

func (j *Judge) waitForPod(ctx context.Context, r *admission.Request) bool {
	ctx, cancel := context.WithTimeout(ctx, settleTime)
	defer cancel()
	return j.Model.WaitFor(ctx, func(s *cluster.Snapshot) bool {
		_, ok := s.Pod(r.Namespace, r.Name)
		return ok
	})
}

// evaluate asks the guardrails about one change, and if they mind, who may make it.
func (j *Judge) evaluate(ctx context.Context, r *admission.Request, before *cluster.Snapshot, change cluster.Change) verdict {
	return j.weighClaim(ctx, r, before, change, j.evaluateOnce(ctx, r, before, change, false))
}

// evaluateOnce asks the guardrails about one change. believed says that whoever makes
// it may act for the owner of its object.
func (j *Judge) evaluateOnce(ctx context.Context, r *admission.Request, before *cluster.Snapshot, change cluster.Change, believed bool) verdict {
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
		if after, err = before.Apply(change); err != nil {
			return fail(err, http.StatusBadRequest)
		}
	}
	v.after = after
	began := time.Now()
	v.review = guardrail.Review{
		Request: &r.AdmissionRequest, Change: change, Before: before, After: after,
		Origin: guardrail.Admission, Believed: believed, Time: j.Now(),
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
	if r.Namespace == "" || r.Kind.Kind == "Namespace" || j.Namespace == nil {
		return s, nil
	}
	if ns, ok := s.Namespace(r.Namespace); ok && !ns.Implied {
		return s, nil
	}
	o, err := j.Namespace(ctx, r.Namespace)
	if err != nil {
		return nil, fmt.Errorf("read namespace %s, which is not in the model yet: %w", r.Namespace, err)
	}
	ns, err := cluster.FromAPI(o)
	if err != nil {
		return nil, err
	}
	return s.Apply(cluster.Change{After: ns})
}

func dryRun(r *admission.Request) bool { return r.DryRun != nil && *r.DryRun }
