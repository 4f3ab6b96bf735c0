package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/podcullis/podcullis/webhook/review"
)

// traceFlushTime is how long the end of the server waits for a collector to take the last
// spans.
const traceFlushTime = 2 * time.Second

// tracing makes spans and sends them, if the environment asks for it.
type tracing struct {
	tracer   trace.Tracer // nil when it does not
	provider *sdktrace.TracerProvider
	log      *slog.Logger
}

// newTracing never fails: what is wrong with it is no reason not to judge. The log says so.
func newTracing(ctx context.Context, log *slog.Logger, registry prometheus.Registerer) *tracing {
	counts := newSpanCounts(registry)
	settings, err := traceSettingsFrom(os.LookupEnv)
	if err != nil {
		log.Error("no traces, because the environment is wrong", "error", err)
	}
	t := &tracing{log: log}
	if err != nil || !settings.on {
		return t
	}
	complaints := &sparely{log: log}
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) { complaints.say("traces", err) }))
	otel.SetLogger(logr.FromSlogHandler(log.Handler()))
	exporter, err := settings.exporter(ctx)
	if err != nil {
		log.Error("no traces", "error", err)
		return t
	}
	described, err := resource.New(ctx,
		resource.WithAttributes(attribute.String("service.name", "podcullis-webhook"), attribute.String("service.version", version)),
		resource.WithHost(), resource.WithTelemetrySDK(), resource.WithFromEnv()) // what is said last counts
	if err != nil {
		log.Error("traces say less of where they come from", "error", err)
	}
	t.provider = sdktrace.NewTracerProvider( // and samples as the environment says
		sdktrace.WithResource(described),
		sdktrace.WithSpanProcessor(endedCounter{counts}),
		sdktrace.WithBatcher(&patientExporter{SpanExporter: exporter, counts: counts, complaints: complaints}),
	)
	t.tracer = t.provider.Tracer("github.com/podcullis/podcullis", trace.WithInstrumentationVersion(version))
	log.Info("traces are sent", "protocol", settings.protocol, "endpoint", settings.shown())
	return t
}

// exporter sends spans by the chosen protocol. All else, such as headers and certificates,
// it reads in the environment itself.
func (s traceSettings) exporter(ctx context.Context) (sdktrace.SpanExporter, error) {
	if s.protocol == protocolGRPC {
		var options []otlptracegrpc.Option
		if s.endpoint == "" {
			options = append(options, otlptracegrpc.WithEndpointURL("http://localhost:4317"))
		}
		return otlptracegrpc.New(ctx, options...)
	}
	var options []otlptracehttp.Option
	if s.endpoint == "" {
		options = append(options, otlptracehttp.WithEndpointURL("http://localhost:4318/v1/traces"))
	}
	return otlptracehttp.New(ctx, options...)
}

// of is how reviews become spans. The trace of a caller is only believed where nobody but
// API servers can call: see review.Tracing.
func (t *tracing) of(o *options) review.Tracing {
	known, _ := o.callers()
	return review.Tracing{Tracer: t.tracer, TrustParent: known}
}

// close sends what is left, for a bounded time.
func (t *tracing) close(ctx context.Context) {
	if t.provider == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), traceFlushTime)
	defer cancel()
	if err := t.provider.Shutdown(ctx); err != nil {
		t.log.Warn("the last spans may be lost", "error", fmt.Errorf("after %s: %w", traceFlushTime, err))
	}
}
