package webhook

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	admissionv1 "k8s.io/api/admission/v1"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/guardrail"
	"github.com/podcullis/podcullis/ledger"
	"github.com/podcullis/podcullis/webhook/review"
)

// Ledger keeps the changes in flight: those that were allowed and may not have happened
// yet. *ledger.Book is one.
type Ledger interface {
	// View is what is in flight. The snapshot that goes with it is taken after it.
	View() ledger.View
	// Commit returns nil when the entry is written. judge is called when there is more
	// in flight than was seen, and what it returns ends the commit unless it is nil.
	Commit(ctx context.Context, e ledger.Entry, seen ledger.View, judge func(ledger.View) error) error
	// WaitFor waits until a view satisfies the condition, or ctx ends.
	WaitFor(ctx context.Context, condition func(ledger.View) bool) bool
}

const (
	// settleTime is how long a judgement waits for an earlier change to show in the
	// model: a watch event takes milliseconds.
	settleTime = 300 * time.Millisecond
	// crowdTime is the same where there are too many to judge with.
	crowdTime = time.Second
	// answerTime is kept of a review's time for its answer.
	answerTime = 50 * time.Millisecond
	// barrierRetry is after how many seconds a client comes back while the ledger was lost:
	// the ten tries of client-go outlast that (ledger.Options.Barrier).
	barrierRetry = 11
)

// view is what is in flight; nothing where nobody keeps it.
func (j *Judge) view() ledger.View {
	if j.Ledger == nil {
		return ledger.View{}
	}
	return j.Ledger.View()
}

// spare is what is left of the time that one review may wait for changes in flight.
type spare struct{ until time.Time }

// await waits, without a place among those that are judged, until one of the changes
// that a verdict depends on has settled. It returns false when that took too long, or
// the verdict then.
func (j *Judge) await(ctx context.Context, p *spare, v verdict) (verdict, bool) {
	if p.until.IsZero() {
		wait := settleTime
		if v.depends.on == nil {
			wait = crowdTime
		}
		p.until = time.Now().Add(wait)
	}
	settled := false
	err := review.WaitOutside(ctx, "a change in flight", func() { settled = j.settled(ctx, p.until, v.depends) })
	switch {
	case err != nil:
		v.err, v.depends = err, nil
		return v, false
	case settled:
		j.Metrics.waits.WithLabelValues(waitSettled).Inc()
	default:
		j.Metrics.waits.WithLabelValues(waitOver).Inc()
	}
	return v, settled
}

func (j *Judge) settled(ctx context.Context, until time.Time, d *dependence) bool {
	ctx, cancel := context.WithDeadline(ctx, until)
	defer cancel()
	return j.Ledger.WaitFor(ctx, func(v ledger.View) bool { return hasSettled(v, d) })
}

func hasSettled(v ledger.View, d *dependence) bool {
	if d.on == nil {
		return v.Sequence != d.sequence
	}
	return slices.ContainsFunc(d.on, func(e ledger.Entry) bool {
		return !slices.ContainsFunc(v.Entries, func(o ledger.Entry) bool { return sameEntry(o, e) })
	})
}

// errRefused ends a commit whose change is not allowed any more.
var errRefused = errors.New("refused")

// commit writes an allowed change to the ledger, where others have to know of it, and is
// the answer: an allow only when it is written.
func (j *Judge) commit(ctx context.Context, r *admission.Request, change cluster.Change, view ledger.View, v verdict) verdict {
	if j.Ledger == nil || dryRun(r) || !lasting(change) || j.exempt(change) {
		return v
	}
	if v.oneOfMany {
		j.Metrics.skipped.Inc()
		return v
	}
	e, err := j.entryOf(r, change)
	if err != nil {
		return verdict{decision: v.decision, err: err, code: http.StatusBadRequest}
	}
	again := v
	judge := func(view ledger.View) error {
		again = j.judgeAgain(ctx, r, view)
		if again.refuses() {
			return errRefused
		}
		return nil
	}
	began := time.Now()
	// Others are judged meanwhile. That there is no place when it is written does not
	// matter any more: it is judged.
	_ = review.WaitOutside(ctx, "the ledger", func() {
		ctx, cancel := beforeAnswer(ctx)
		defer cancel()
		err = j.Ledger.Commit(ctx, e, view, judge)
	})
	j.Metrics.committed(resultOf(err), time.Since(began))
	switch {
	case err == nil, errors.Is(err, errRefused):
		return again
	}
	return notWritten(v, err)
}

// beforeAnswer ends early enough for an answer that says why.
func beforeAnswer(ctx context.Context) (context.Context, context.CancelFunc) {
	deadline, ok := ctx.Deadline()
	if !ok {
		return context.WithCancel(ctx)
	}
	return context.WithDeadline(ctx, deadline.Add(-answerTime))
}

// judgeAgain judges a change once more, with what else is in flight by now.
func (j *Judge) judgeAgain(ctx context.Context, r *admission.Request, view ledger.View) verdict {
	before := j.Model.Snapshot()
	change, err := j.changeFrom(&r.AdmissionRequest, before)
	if err != nil {
		return verdict{decision: guardrail.Decision{Subject: requestSubject(r)}, err: err, code: http.StatusConflict}
	}
	return j.inWorlds(ctx, r, before, change, view)
}

// lasting reports whether others have to know of a change while it is in flight. A pod
// that goes opens nothing, and that one is there proves nothing.
func lasting(change cluster.Change) bool {
	after, ok := change.After.(*cluster.Pod)
	if !ok {
		_, isPod := change.Before.(*cluster.Pod)
		return !isPod && !change.Idle()
	}
	if after.Gone {
		return false
	}
	before, ok := change.Before.(*cluster.Pod)
	if !ok {
		return true
	}
	b, a := *before, *after
	b.DeletedAt, b.Bound, b.Gone = a.DeletedAt, a.Bound, a.Gone
	return !(cluster.Change{Before: &b, After: &a}).Idle()
}

// exempt reports whether a change needs no ledger whatever it does.
func (j *Judge) exempt(change cluster.Change) bool {
	place := change.Ref().Namespace
	if change.Ref().Kind == "Namespace" {
		place = change.Ref().Name
	}
	return j.Exempt != nil && j.Exempt(place)
}

// notWritten is the answer to a change that nothing speaks against and that could not be
// written. It is to be tried again.
func notWritten(v verdict, err error) verdict {
	out := verdict{
		decision:   guardrail.Decision{Subject: v.decision.Subject},
		err:        err,
		code:       http.StatusTooManyRequests,
		retryAfter: 1,
		unwritten:  resultOf(err),
	}
	if errors.Is(err, ledger.ErrBarrier) {
		out.retryAfter = barrierRetry
	}
	return out
}

// comeBack asks a client to try again in the way that it understands. client-go repeats a
// request that is answered 429 ten times before its caller hears of it: kubectl and
// what applies manifests succeed by that, but a controller would do nothing else
// meanwhile, and tries again after a conflict by itself.
func comeBack(r *admission.Request, v verdict) verdict {
	if v.code == http.StatusTooManyRequests && isController(r.UserInfo.Username) {
		v.code, v.retryAfter = http.StatusConflict, 0
	}
	return v
}

func isController(user string) bool {
	return strings.HasPrefix(user, "system:serviceaccount:kube-system:") ||
		slices.Contains([]string{"system:kube-scheduler", "system:kube-controller-manager"}, user)
}

// resultOf is what became of a commit, in one word.
func resultOf(err error) string {
	switch {
	case err == nil:
		return "written"
	case errors.Is(err, errRefused):
		return "refused"
	}
	for result, of := range map[string]error{
		"busy": ledger.ErrBusy, "crowded": ledger.ErrTooMany, "full": ledger.ErrFull, "barrier": ledger.ErrBarrier,
		"unavailable": ledger.ErrUnavailable, "behind": ledger.ErrBehind, "foreign": ledger.ErrForeign,
	} {
		if errors.Is(err, of) {
			return result
		}
	}
	return "failed"
}

// waitForPod gives a pod a moment to show in the model.
func (j *Judge) waitForPod(ctx context.Context, r *admission.Request) bool {
	name := r.Name
	if b, err := bindingOf(&r.AdmissionRequest); err == nil && r.Operation == admissionv1.Create {
		name = b.Name
	}
	seen := false
	err := review.WaitOutside(ctx, "a pod", func() {
		ctx, cancel := context.WithTimeout(ctx, settleTime)
		defer cancel()
		seen = j.Model.WaitFor(ctx, func(s *cluster.Snapshot) bool {
			_, ok := s.Pod(r.Namespace, name)
			return ok
		})
	})
	return err == nil && seen
}
