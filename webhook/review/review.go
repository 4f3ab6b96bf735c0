package review

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"mime"
	"net/http"
	"net/url"
	"runtime"
	"runtime/debug"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/attribute"
	"golang.org/x/sync/semaphore"
	admissionv1 "k8s.io/api/admission/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	"github.com/podcullis/podcullis/internal/span"
	"github.com/podcullis/podcullis/webhook/serving"
)

const (
	defaultMaxBodyBytes = 32 << 20
	defaultBodyBudget   = 128 << 20
	defaultMaxDepth     = 256
	defaultMaxQueue     = 1024
	inFlightPerCPU      = 4

	// judgedGrowth is how many times its size a review takes while it is judged, measured
	// with the 7 MiB of M6 in test/chaos: about twelve.
	judgedGrowth = 16
	// largeReview is from which size on, in bytes, a review counts against MemoryLimit. All
	// places taken by smaller ones are no danger.
	largeReview = 256 << 10

	// defaultTimeout and maxTimeout are those of ValidatingWebhook.timeoutSeconds.
	defaultTimeout = 10 * time.Second
	maxTimeout     = 30 * time.Second
	// The answer must reach the API server within the timeout: it gets a tenth of
	// it, and at most this.
	maxAnswerMargin = 300 * time.Millisecond
)

// Options says how much a review handler takes on. The zero value of every
// field is a sensible default.
type Options struct {
	// MaxBodyBytes is the largest AdmissionReview that is judged; 32 MiB if 0. The API
	// server takes 3 MiB in protobuf, which can be several times that in JSON, twice
	// (object and oldObject). A larger one is denied, not failed, so that nobody gets
	// by with padding where failurePolicy is Ignore.
	MaxBodyBytes int64
	// BodyBudgetBytes bounds the bodies in memory at once; 128 MiB if 0, and no more than an
	// eighth of MemoryLimit.
	BodyBudgetBytes int64
	// MemoryLimit is what the process should not take more of, in bytes (GOMEMLIMIT); 0 is no
	// limit. Decoded and judged, a review takes many times its size, so that large ones are
	// then judged only as many at once as half the limit has room for.
	MemoryLimit int64
	// MaxDepth is how deep JSON may be nested; 256 levels if 0.
	MaxDepth int
	// MaxInFlight is how many reviews are decoded and judged at once; four times
	// GOMAXPROCS if 0.
	MaxInFlight int
	// MaxQueue is how many more may wait for that, bodies read; 1024 if 0, more than
	// there are connections, none if negative.
	MaxQueue int
	// EvaluationTime is what the judge has for one review; 2 s if 0, as the judge's own. A
	// tenth of a second later the review is refused unless the judge has answered.
	EvaluationTime time.Duration
	// DefaultTimeout is for requests without ?timeout=; 10 s if 0, the API's default.
	DefaultTimeout time.Duration
	// Audit is set where nothing is denied: a review that cannot be judged is then allowed,
	// with a warning that says so.
	Audit bool
	// Ready, if set, says why nothing can be judged yet. It is asked for every request.
	Ready func() error
	// Logger is slog.Default() if nil.
	Logger *slog.Logger
	// Metrics, if nil, are counted and shown nowhere.
	Metrics *Metrics
	// Tracing makes spans of reviews.
	Tracing Tracing
}

// handler is what stands between HTTP and an admission.Handler.
type handler struct {
	judge   admission.Handler
	options Options
	logger  *slog.Logger
	metrics *Metrics
	readers readers
	// refusals are of what nobody has judged, and anybody can send.
	refusals *sparing

	bodies *bodies
	judged int64               // bytes of large reviews that may be judged at once
	large  *semaphore.Weighted // bytes of large reviews being judged
	lanes  *semaphore.Weighted // large reviews being judged: they leave a processor to small ones
	slots  *semaphore.Weighted // reviews being judged
	queued atomic.Int64        // reviews being judged or waiting
}

// NewHandler makes an http.Handler of an admission.Handler: it reads
// admission.k8s.io/v1 AdmissionReviews, gives them to judge under a deadline, and
// writes the answers.
//
// What is not judged is never allowed. A review that names its uid but is too large,
// too deep, broken or of another version is denied (HTTP 200, allowed false), which
// holds under every failurePolicy. Not being ready or having too much to do is HTTP
// 503 with Retry-After, which the API server tries again within its timeout. All else
// is a 4xx with a metav1.Status. A panic of judge is a denial with code 500.
func NewHandler(judge admission.Handler, options Options) http.Handler {
	options.MaxBodyBytes = cmp.Or(options.MaxBodyBytes, defaultMaxBodyBytes)
	options.BodyBudgetBytes = cmp.Or(options.BodyBudgetBytes, defaultBodyBudget)
	judged := int64(math.MaxInt64)
	if options.MemoryLimit > 0 {
		options.BodyBudgetBytes = min(options.BodyBudgetBytes, options.MemoryLimit/8)
		judged = max(1, options.MemoryLimit/2/judgedGrowth)
	}
	options.MaxDepth = cmp.Or(options.MaxDepth, defaultMaxDepth)
	options.MaxInFlight = cmp.Or(options.MaxInFlight, inFlightPerCPU*runtime.GOMAXPROCS(0))
	options.MaxQueue = max(0, cmp.Or(options.MaxQueue, defaultMaxQueue))
	options.EvaluationTime = cmp.Or(options.EvaluationTime, DefaultEvaluationTime)
	options.DefaultTimeout = cmp.Or(options.DefaultTimeout, defaultTimeout)
	if options.Metrics == nil {
		options.Metrics = NewMetrics(prometheus.NewRegistry())
	}
	return &handler{
		judge:    judge,
		options:  options,
		judged:   judged,
		large:    semaphore.NewWeighted(judged),
		lanes:    semaphore.NewWeighted(int64(max(1, runtime.GOMAXPROCS(0)-1))),
		logger:   cmp.Or(options.Logger, slog.Default()),
		metrics:  options.Metrics,
		refusals: &sparing{logger: cmp.Or(options.Logger, slog.Default())},
		bodies:   newBodies(options.BodyBudgetBytes, options.MaxBodyBytes),
		slots:    semaphore.NewWeighted(int64(options.MaxInFlight)),
	}
}

// ServeHTTP answers one review.
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	began := time.Now()
	h.metrics.inFlight.Inc()
	defer h.metrics.inFlight.Dec()
	w, r, recorded := h.options.Tracing.begin(w, r, began)
	defer recorded.End()
	caller := &answering{handler: h, w: w, began: began}
	defer func() {
		if cause := recover(); cause != nil { // not the judge's, see ask
			h.panicked("", cause)
			caller.fail(http.StatusInternalServerError, rejectedBadRequest, "podcullis broke on this request; its log says why")
		}
	}()

	timeout, err := h.admissible(w, r)
	if err != nil {
		return
	}
	ctx, cancel := context.WithDeadline(r.Context(), began.Add(timeout))
	defer cancel()

	reading := span.Start(ctx, "read")
	body, release, ok := h.readBody(ctx, w, r)
	if reading.Recorded() {
		reading.Set(attribute.Int("podcullis.bytes", len(body)))
	}
	reading.End()
	if !ok {
		return
	}
	defer release()

	turn := span.Wait(ctx, "wait for a turn")
	place, ok := h.enter(ctx, int64(len(body)))
	turn.End()
	if !ok {
		h.overloaded(w, body, ErrNoPlace)
		return
	}
	defer place.leave()

	caller.body, caller.place = body, place
	defer caller.refuseAt(ctx).Stop()
	decoding := span.Start(ctx, "decode")
	request, err := h.readers.read(body, h.options.MaxDepth)
	decoding.End()
	if err != nil {
		caller.refuse(http.StatusBadRequest, rejectedBadRequest, err)
		return
	}
	caller.request.Store(request)
	describe(ctx, request)
	response := h.ask(context.WithValue(ctx, placeKey{}, place), admission.Request{AdmissionRequest: *request})
	serving.Useful(r.Context())
	caller.answer(response)
}

var errAnswered = errors.New("answered")

// admissible checks all that needs no body, and answers itself what is not.
func (h *handler) admissible(w http.ResponseWriter, r *http.Request) (time.Duration, error) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		h.fail(w, http.StatusMethodNotAllowed, rejectedBadRequest, "an AdmissionReview comes by POST")
		return 0, errAnswered
	}
	mediaType, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || mediaType != "application/json" || r.Header.Get("Content-Encoding") != "" {
		h.fail(w, http.StatusUnsupportedMediaType, rejectedBadRequest, "want Content-Type application/json without Content-Encoding")
		return 0, errAnswered
	}
	timeout, err := h.timeout(r.URL.RawQuery)
	if err != nil {
		discard(r.Body, h.options.MaxBodyBytes)
		h.fail(w, http.StatusBadRequest, rejectedBadRequest, err.Error())
		return 0, errAnswered
	}
	if h.options.Ready != nil {
		if err := h.options.Ready(); err != nil {
			discard(r.Body, h.options.MaxBodyBytes)
			h.unavailable(w, rejectedNotReady, "not ready: "+err.Error())
			return 0, errAnswered
		}
	}
	return timeout, nil
}

// timeout is how long judging may take: what the API server says in ?timeout=, its
// ValidatingWebhook.timeoutSeconds, less a margin for the way back.
func (h *handler) timeout(query string) (time.Duration, error) {
	timeout := h.options.DefaultTimeout
	values, err := url.ParseQuery(query)
	if err != nil {
		return 0, fmt.Errorf("query: %w", err)
	}
	if given, found := values["timeout"]; found {
		timeout, err = time.ParseDuration(given[0])
		if err != nil || timeout <= 0 || len(given) > 1 {
			return 0, fmt.Errorf("timeout must be one duration > 0 like 5s, got %.64q", given)
		}
	}
	timeout = min(timeout, maxTimeout)
	return timeout - min(timeout/10, maxAnswerMargin), nil
}

// tooLarge denies a review of which only the beginning is looked at.
func (h *handler) tooLarge(w http.ResponseWriter, body *serving.Body, head []byte) {
	id := identify(head)
	body.Part(w, serving.SlowGrace, 8*h.options.MaxBodyBytes, func() {
		h.refuse(w, id, http.StatusRequestEntityTooLarge, rejectedBodyTooLarge,
			fmt.Errorf("it is larger than %d bytes", h.options.MaxBodyBytes))
	})
}

// ask calls the judge and makes a complete response of what it says, or of its panic.
func (h *handler) ask(ctx context.Context, request admission.Request) (response admission.Response) {
	defer func() {
		if cause := recover(); cause != nil {
			h.panicked(request.UID, cause)
			response = internalError(request)
		}
	}()
	response = h.judge.Handle(ctx, request)
	if !response.Allowed && (response.Result == nil || response.Result.Code == 0) {
		result := metav1.Status{}
		if response.Result != nil {
			result = *response.Result
		}
		result.Code = http.StatusForbidden
		response.Result = &result
	}
	if err := response.Complete(request); err != nil {
		h.logger.Error("response cannot be encoded", "uid", request.UID, "error", err)
		return internalError(request)
	}
	return response
}

func (h *handler) panicked(uid types.UID, cause any) {
	h.metrics.panics.Inc()
	h.logger.Error("panic", "uid", uid, "panic", fmt.Sprint(cause), "stack", string(debug.Stack()))
}

func internalError(request admission.Request) admission.Response {
	response := admission.Errored(http.StatusInternalServerError,
		fmt.Errorf("podcullis broke on this request and does not allow it; its log says why (request uid %s)", request.UID))
	response.Result.Reason = metav1.StatusReasonInternalError
	response.UID = request.UID
	return response
}

// refuse denies a review that cannot be judged, or fails the call if it is not known
// whom to answer.
func (h *handler) refuse(w http.ResponseWriter, id identity, code int, reason string, cause error) {
	message := fmt.Sprintf("podcullis cannot judge this AdmissionReview: %v", cause)
	if id.uid != "" {
		message += fmt.Sprintf(" (request uid %.*s)", maxUIDBytes, id.uid)
	}
	h.refusals.warn("review refused", "reason", reason, "uid", id.uid[:min(len(id.uid), maxUIDBytes)], "error", cause)
	if !id.deniable() {
		h.fail(w, code, reason, message)
		return
	}
	h.metrics.rejected.WithLabelValues(reason).Inc()
	h.answer(w, id.apiVersion, &admissionv1.AdmissionResponse{UID: id.uid, Result: failure(code, message)})
}

// unavailable fails the call in a way that the API server tries again.
func (h *handler) unavailable(w http.ResponseWriter, reason, message string) {
	w.Header().Set("Retry-After", "1")
	h.fail(w, http.StatusServiceUnavailable, reason, message)
}

// fail answers with an HTTP error, which the API server takes as "no answer":
// failurePolicy decides.
func (h *handler) fail(w http.ResponseWriter, code int, reason, message string) {
	h.metrics.rejected.WithLabelValues(reason).Inc()
	h.logger.Debug("request failed", "reason", reason, "code", code, "message", message)
	status := failure(code, message)
	status.TypeMeta = metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}
	h.write(w, code, status)
}

func failure(code int, message string) *metav1.Status {
	reasons := map[int]metav1.StatusReason{
		http.StatusBadRequest:            metav1.StatusReasonBadRequest,
		http.StatusMethodNotAllowed:      metav1.StatusReasonMethodNotAllowed,
		http.StatusUnsupportedMediaType:  metav1.StatusReasonUnsupportedMediaType,
		http.StatusRequestEntityTooLarge: metav1.StatusReasonRequestEntityTooLarge,
		http.StatusRequestTimeout:        metav1.StatusReasonTimeout,
		http.StatusTooManyRequests:       metav1.StatusReasonTooManyRequests,
		http.StatusInternalServerError:   metav1.StatusReasonInternalError,
		http.StatusServiceUnavailable:    metav1.StatusReasonServiceUnavailable,
	}
	status := &metav1.Status{Status: metav1.StatusFailure, Code: int32(code), Reason: reasons[code], Message: message}
	if code == http.StatusTooManyRequests {
		status.Details = &metav1.StatusDetails{RetryAfterSeconds: 1}
	}
	return status
}

// allowInAudit makes a warning of a refusal that the judge did not word for audit mode.
func (h *handler) allowInAudit(response *admissionv1.AdmissionResponse) {
	if h.options.Audit && !response.Allowed {
		response.Allowed = true
		response.Warnings = append(response.Warnings, FitWarnings([]string{WouldBeDenied + response.Result.Message})...)
	}
}

func (h *handler) answer(w http.ResponseWriter, apiVersion string, response *admissionv1.AdmissionResponse) {
	h.allowInAudit(response)
	h.write(w, http.StatusOK, admissionv1.AdmissionReview{
		TypeMeta: metav1.TypeMeta{Kind: reviewKind, APIVersion: apiVersion},
		Response: response,
	})
}

func (h *handler) write(w http.ResponseWriter, code int, value any) {
	note(w, code, value)
	body, err := json.Marshal(value)
	if err != nil {
		h.logger.Error("answer cannot be encoded", "error", err)
		http.Error(w, "podcullis cannot encode its answer", http.StatusInternalServerError)
		return
	}
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(serving.AnswerTimeout)) // tests have no connection
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(code)
	_, _ = w.Write(body)
}
