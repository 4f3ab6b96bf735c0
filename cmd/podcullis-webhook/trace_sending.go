package main

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// complaintPeriod is how often the log says that spans are lost: nobody is harmed by it.
const complaintPeriod = time.Minute

// spanCounts count spans by what became of them. What has ended and was neither sent nor
// failed was dropped, because the queue was full, or is in it.
type spanCounts struct{ ended, sent, failed prometheus.Counter }

func newSpanCounts(registry prometheus.Registerer) spanCounts {
	spans := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "podcullis_trace_spans_total",
		Help: "Spans for the collector of traces: ended; of these sent, or failed to be sent. The rest was dropped, because the queue was full, or waits in it.",
	}, []string{"state"})
	registry.MustRegister(spans)
	return spanCounts{spans.WithLabelValues("ended"), spans.WithLabelValues("sent"), spans.WithLabelValues("failed")}
}

// endedCounter is a processor of spans that counts them.
type endedCounter struct{ counts spanCounts }

func (endedCounter) OnStart(context.Context, sdktrace.ReadWriteSpan) {}

func (c endedCounter) OnEnd(s sdktrace.ReadOnlySpan) {
	if s.SpanContext().IsSampled() {
		c.counts.ended.Inc()
	}
}

func (endedCounter) Shutdown(context.Context) error   { return nil }
func (endedCounter) ForceFlush(context.Context) error { return nil }

// patientExporter takes it that a collector is away: it counts, and says so now and then.
type patientExporter struct {
	sdktrace.SpanExporter
	counts     spanCounts
	complaints *sparely
}

// ExportSpans is called on a goroutine of its own, so that only further spans wait for a
// collector.
func (e *patientExporter) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	if err := e.SpanExporter.ExportSpans(ctx, spans); err != nil {
		e.counts.failed.Add(float64(len(spans)))
		e.complaints.say("spans could not be sent", err)
		return nil // it is said
	}
	e.counts.sent.Add(float64(len(spans)))
	return nil
}

// sparely says what is wrong at most once in a while.
type sparely struct {
	log  *slog.Logger
	mu   sync.Mutex
	last time.Time
}

func (s *sparely) say(message string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.last.IsZero() && time.Since(s.last) < complaintPeriod {
		return
	}
	s.last = time.Now()
	s.log.Warn(message, "error", err)
}
