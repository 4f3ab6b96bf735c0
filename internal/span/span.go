// Package span records what one review, or one round of the audit, spends its time on, as
// OpenTelemetry spans, where somebody asked for them. Where nobody did it costs a look into
// the context and allocates nothing: every function takes what is not recorded.
//
// A trace is read by more people than the cluster is, so that spans hold names of kinds,
// namespaces and guardrails, and nothing else of an object. What callers send is cut to a
// length, and a review has no more spans than a few, whatever is in it.
package span

import (
	"context"
	"strings"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
)

const (
	// maxChildren is how many spans a span may have below it: a review is judged in as many
	// rounds as there are changes in flight.
	maxChildren = 32
	// maxText is the longest text of an attribute, in bytes: a name of Kubernetes, and more.
	maxText = 256
)

// Keys of attributes that more than one package sets.
const (
	Decision  = attribute.Key("podcullis.decision")
	Denied    = attribute.Key("podcullis.denied_by")
	waited    = attribute.Key("podcullis.waited_seconds")
	unspanned = attribute.Key("podcullis.spans_left_out")
)

// Root is the span of a whole review or round, while it is recorded; nil is none.
type Root struct {
	trace.Span
	tracer   trace.Tracer
	ctx      context.Context // with the span, for its children
	children atomic.Int32
	waited   atomic.Int64 // nanoseconds
}

type key struct{}

// Begin begins a span at a time. The context that it returns is for From and Start. It is nil,
// and the context is the one that was given, without a tracer or when it is not to be recorded.
func Begin(ctx context.Context, tracer trace.Tracer, name string, kind trace.SpanKind, at time.Time) (context.Context, *Root) {
	if tracer == nil {
		return ctx, nil
	}
	with, s := tracer.Start(ctx, name, trace.WithSpanKind(kind), trace.WithTimestamp(at))
	if !s.IsRecording() {
		return ctx, nil
	}
	r := &Root{Span: s, tracer: tracer, ctx: with}
	return context.WithValue(ctx, key{}, r), r
}

// From is the span of the review that ctx belongs to; nil where none is recorded.
func From(ctx context.Context) *Root {
	r, _ := ctx.Value(key{}).(*Root)
	return r
}

// End ends the span.
func (r *Root) End() {
	if r == nil {
		return
	}
	r.SetAttributes(waited.Float64(time.Duration(r.waited.Load()).Seconds()))
	if left := r.children.Load() - maxChildren; left > 0 {
		r.SetAttributes(unspanned.Int(int(left)))
	}
	r.Span.End()
}

// Fail marks the span as failed, with a word of ours: an error's text may hold what is in
// an object.
func (r *Root) Fail(why string) {
	if r != nil {
		r.SetStatus(codes.Error, why)
	}
}

// Part is a part of a review: a span below it. The zero Part is not recorded.
type Part struct {
	span  trace.Span
	root  *Root
	since time.Time
}

// Start begins a part of the review of ctx.
func Start(ctx context.Context, name string) Part { return From(ctx).start(name) }

// Wait begins a part that is spent on waiting: the review's span says how long that was in
// all.
func Wait(ctx context.Context, name string) Part {
	r := From(ctx)
	if r == nil {
		return Part{}
	}
	p := r.start(name)
	p.root, p.since = r, time.Now()
	return p
}

func (r *Root) start(name string) Part {
	if r == nil || r.children.Add(1) > maxChildren {
		return Part{}
	}
	_, s := r.tracer.Start(r.ctx, name)
	return Part{span: s}
}

// Set adds attributes. Whoever has to work for them asks Recorded first.
func (p Part) Set(attributes ...attribute.KeyValue) {
	if p.span != nil {
		p.span.SetAttributes(attributes...)
	}
}

// Recorded says whether there is a span.
func (p Part) Recorded() bool { return p.span != nil }

// End ends it.
func (p Part) End() {
	if p.root != nil {
		p.root.waited.Add(int64(time.Since(p.since)))
	}
	if p.span != nil {
		p.span.End()
	}
}

// Text is an attribute that a caller has sent, cut to a length.
func Text(k attribute.Key, text string) attribute.KeyValue {
	if len(text) > maxText {
		text = text[:maxText] + "…"
	}
	return k.String(strings.ToValidUTF8(text, "\uFFFD"))
}
