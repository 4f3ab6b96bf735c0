package span

import (
	"context"
	"strings"
	"testing"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
)

// work is what a review does about spans.
func work(ctx context.Context, tracer trace.Tracer, parts int) {
	ctx, root := Begin(ctx, tracer, "review", trace.SpanKindServer, time.Time{})
	for range parts {
		Start(ctx, "evaluate").End()
		Wait(ctx, "wait").End()
	}
	root.Fail("nothing")
	root.End()
}

func TestNothingIsAllocatedWhereNothingIsRecorded(t *testing.T) {
	ctx := t.Context()
	if n := testing.AllocsPerRun(100, func() { work(ctx, nil, 10) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestPartsAreBounded(t *testing.T) {
	spans := tracetest.NewInMemoryExporter()
	work(t.Context(), sdktrace.NewTracerProvider(sdktrace.WithSyncer(spans)).Tracer(""), 1000)
	all := spans.GetSpans()
	if len(all) != maxChildren+1 {
		t.Errorf("%d spans, want %d", len(all), maxChildren+1)
	}
	for _, a := range all[len(all)-1].Attributes {
		if a.Key == unspanned && a.Value.AsInt64() == 2000-maxChildren {
			return
		}
	}
	t.Errorf("the review does not say how many were left out: %v", all[len(all)-1].Attributes)
}

func TestTextIsCutAndValid(t *testing.T) {
	for _, text := range []string{strings.Repeat("ä", 1000), "\xff\xfe", strings.Repeat("a", maxText-1) + "ä"} {
		got := Text("k", text).Value.AsString()
		if len(got) > maxText+6 || strings.ToValidUTF8(got, "") != got {
			t.Errorf("%.20q: %d bytes, %q", text, len(got), got)
		}
	}
}
