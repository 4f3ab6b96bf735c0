package review

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	admissionv1 "k8s.io/api/admission/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"
)

const (
	// DefaultEvaluationTime is how long the guardrails have for one request.
	DefaultEvaluationTime = 2 * time.Second
	// A judge that heeds its deadline has this long to say so itself, in better words;
	// where the caller's time is short, half of what is left for the way back.
	lateEvaluation = 100 * time.Millisecond
	lateCaller     = 50 * time.Millisecond
)

// answering answers one request once: with what the judge says or, when that is late,
// with a refusal. A call of one of Rego's functions cannot be interrupted, and
// may take longer than anybody waits; a call that times out is let through under
// failurePolicy Ignore. The judge works on the request's own goroutine, because to hand
// each review to another costs as much as most take; only the refusal comes from a timer.
type answering struct {
	handler *handler
	w       http.ResponseWriter
	body    []byte
	place   *place
	began   time.Time
	request atomic.Pointer[admissionv1.AdmissionRequest] // once it is decoded
	once    sync.Once
}

// refuseAt refuses at the last moment if nobody has answered by then. The caller
// stops the timer when the judge is back.
func (a *answering) refuseAt(ctx context.Context) *time.Timer {
	left := a.handler.options.EvaluationTime + lateEvaluation
	if deadline, ok := ctx.Deadline(); ok {
		until := time.Until(deadline)
		left = min(left, until+min(lateCaller, until/20))
	}
	return time.AfterFunc(left, func() { a.once.Do(a.refuseLate) })
}

func (a *answering) refuseLate() {
	defer func() {
		if cause := recover(); cause != nil { // nobody above would
			a.handler.panicked("", cause)
		}
	}()
	// Nobody knows when the judge comes back, and others wait for its place. The body and
	// what a large review takes stay counted, because they stay in memory.
	a.place.free()
	// The judge still holds this connection, so that the caller must not use it again.
	a.w.Header().Set("Connection", "close")
	if request := a.request.Load(); request != nil {
		a.handler.refusals.warn("refused, because it is not judged in time", "uid", request.UID)
		a.write(request, tooLate(request, time.Since(a.began)))
	} else {
		a.handler.refuse(a.w, identify(a.body), http.StatusGatewayTimeout, rejectedBadRequest, errors.New("it could not be read in time"))
	}
	_ = http.NewResponseController(a.w).Flush() // a connection that cannot be flushed is gone
}

// answer is the judge's. It comes back when the caller has an answer, as do the others.
func (a *answering) answer(response admission.Response) {
	a.once.Do(func() { a.write(a.request.Load(), response) })
}

// refuse is for what cannot be judged.
func (a *answering) refuse(code int, reason string, cause error) {
	a.once.Do(func() {
		a.place.free()
		a.handler.refuse(a.w, identify(a.body), code, reason, cause)
	})
}

// fail is for what broke.
func (a *answering) fail(code int, reason, message string) {
	a.once.Do(func() { a.handler.fail(a.w, code, reason, message) })
}

// write gives the place to others first: a caller that does not read its answer must not
// keep it.
func (a *answering) write(request *admissionv1.AdmissionRequest, response admission.Response) {
	a.place.free()
	a.handler.allowInAudit(&response.AdmissionResponse)
	a.handler.metrics.judged(request, &response.AdmissionResponse, time.Since(a.began))
	a.handler.answer(a.w, reviewAPIVersion, &response.AdmissionResponse)
}

func tooLate(request *admissionv1.AdmissionRequest, after time.Duration) admission.Response {
	response := admission.Errored(http.StatusGatewayTimeout, fmt.Errorf(
		"podcullis cannot judge this in time, and does not allow what it has not judged: it did not finish within %s, most likely because of a guardrail; podcullis's log says which, when it does (request uid %s)",
		after.Round(100*time.Millisecond), request.UID))
	response.Result.Reason = metav1.StatusReasonTimeout
	response.UID = request.UID
	return response
}
