package webhook

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"

	admissionv1 "k8s.io/api/admission/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"
)

const (
	// defaultEvaluationTime is how long the guardrails have for one request.
	defaultEvaluationTime = 2 * time.Second
	// A judge that heeds its deadline has this long to say so itself, in better words.
	lateEvaluation = 100 * time.Millisecond
	lateCaller     = 50 * time.Millisecond // less than any margin of the timeout
)

// answering answers one request once: with what the judge says or, when that is late,
// with a refusal. A call of one of Rego's functions cannot be interrupted, and
// may take longer than anybody waits; a call that times out is let through under
// failurePolicy Ignore. The judge works on the request's own goroutine, because to hand
// each review to another costs as much as most take; only the refusal comes from a timer.
type answering struct {
	handler *reviewHandler
	w       http.ResponseWriter
	request *admissionv1.AdmissionRequest
	began   time.Time
	once    sync.Once
}

// refuseAt refuses at the last moment if nobody has answered by then. The caller
// stops the timer when the judge is back.
func (a *answering) refuseAt(ctx context.Context) *time.Timer {
	left := a.handler.options.EvaluationTime + lateEvaluation
	if deadline, ok := ctx.Deadline(); ok {
		left = min(left, time.Until(deadline)+lateCaller)
	}
	return time.AfterFunc(left, func() {
		a.once.Do(func() {
			// The judge still holds this connection, so that the caller must not use it again.
			a.w.Header().Set("Connection", "close")
			a.write(tooLate(a.request, time.Since(a.began)))
			_ = http.NewResponseController(a.w).Flush() // a connection that cannot be flushed is gone
			a.handler.logger.Warn("refused, because a guardrail does not come to an end", "uid", a.request.UID)
		})
	})
}

// answer is the judge's. It comes back when the caller has an answer.
func (a *answering) answer(response admission.Response) { a.once.Do(func() { a.write(response) }) }

func (a *answering) write(response admission.Response) {
	a.handler.metrics.judged(a.request, &response.AdmissionResponse, time.Since(a.began))
	a.handler.answer(a.w, reviewAPIVersion, &response.AdmissionResponse)
}

func tooLate(request *admissionv1.AdmissionRequest, after time.Duration) admission.Response {
	response := admission.Errored(http.StatusGatewayTimeout, fmt.Errorf(
		"podcullis cannot judge this in time, and does not allow what it has not judged: a guardrail did not come to an end within %s; podcullis's log says which, when it does (request uid %s)",
		after.Round(100*time.Millisecond), request.UID))
	response.Result.Reason = metav1.StatusReasonTimeout
	response.UID = request.UID
	return response
}
