package review

import (
	"context"
	"net/http"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
	admissionv1 "k8s.io/api/admission/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/podcullis/podcullis/internal/span"
)

// Tracing says whether and how reviews become spans. The zero value is not at all.
type Tracing struct {
	// Tracer makes the spans; nil for none.
	Tracer trace.Tracer
	// TrustParent takes the caller's word for what its trace is and whether to record it
	// (the header traceparent). Only for callers that are known: a stranger would have
	// everything recorded. Of theirs the header is not looked at.
	TrustParent bool
}

// begin begins the span of a review, with the caller's as its parent where that is to be
// believed, and makes w note the answer there.
func (t Tracing) begin(w http.ResponseWriter, r *http.Request, at time.Time) (http.ResponseWriter, *http.Request, *span.Root) {
	if t.Tracer == nil {
		return w, r, nil
	}
	ctx := r.Context()
	parent := ctx
	if t.TrustParent {
		parent = propagation.TraceContext{}.Extract(ctx, propagation.HeaderCarrier(r.Header))
	}
	with, s := span.Begin(parent, t.Tracer, "AdmissionReview", trace.SpanKindServer, at)
	if s == nil {
		return w, r, nil
	}
	s.SetAttributes(span.Text("url.path", r.URL.Path))
	return &notedAnswer{ResponseWriter: w, span: s}, r.WithContext(with), s
}

// describe tells of what a review is, once it is decoded.
func describe(ctx context.Context, r *admissionv1.AdmissionRequest) {
	s := span.From(ctx)
	if s == nil {
		return
	}
	kind := schema.GroupKind{Group: r.Kind.Group, Kind: r.Kind.Kind}
	s.SetAttributes(
		span.Text("podcullis.kind", kind.String()),
		span.Text("podcullis.subresource", r.SubResource),
		span.Text("k8s.namespace.name", r.Namespace),
		span.Text("podcullis.operation", string(r.Operation)),
		attribute.Bool("podcullis.dry_run", r.DryRun != nil && *r.DryRun),
		span.Text("podcullis.uid", string(r.UID)), // of the request, as the log has it
	)
}

// notedAnswer is a response whose value is noted in a span: whoever answers, and that may be
// a timer, answers through write.
type notedAnswer struct {
	http.ResponseWriter
	span *span.Root
}

// Unwrap is for http.ResponseController.
func (n *notedAnswer) Unwrap() http.ResponseWriter { return n.ResponseWriter }

// note says what is answered: codes and flags, no messages, which name objects.
func note(w http.ResponseWriter, code int, value any) {
	n, ok := w.(*notedAnswer)
	if !ok {
		return
	}
	n.span.SetAttributes(attribute.Int("http.response.status_code", code))
	switch value := value.(type) {
	case admissionv1.AdmissionReview:
		n.noteResponse(value.Response)
	case *metav1.Status:
		n.span.Fail("not answered: " + string(value.Reason))
	}
}

func (n *notedAnswer) noteResponse(response *admissionv1.AdmissionResponse) {
	n.span.SetAttributes(attribute.Bool("podcullis.allowed", response.Allowed))
	if response.Allowed || response.Result == nil {
		return
	}
	n.span.SetAttributes(attribute.Int("podcullis.code", int(response.Result.Code)))
	// To deny is what it is there for. Any other code is of a review that was not judged.
	if response.Result.Code != http.StatusForbidden {
		n.span.Fail("refused without a judgement: " + string(response.Result.Reason))
	}
}
