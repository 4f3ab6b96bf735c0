package review

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/podcullis/podcullis/webhook/review/reviewtest"
)

const (
	callersTrace = "0af7651916cd43dd8448eb211c80319c"
	traceparent  = "00-" + callersTrace + "-b7ad6b7169203331-01"
)

// traced asks a handler with the header, and returns the spans.
func traced(t testing.TB, sampler sdktrace.Sampler, trust bool, body, header string) tracetest.SpanStubs {
	t.Helper()
	spans := tracetest.NewInMemoryExporter()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSyncer(spans), sdktrace.WithSampler(sampler))
	h := NewHandler(allowEverything, Options{Tracing: Tracing{Tracer: provider.Tracer(""), TrustParent: trust}})
	request := httptest.NewRequest(http.MethodPost, "/validate", strings.NewReader(body))
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("traceparent", header)
	h.ServeHTTP(httptest.NewRecorder(), request)
	return spans.GetSpans()
}

func rootOf(t testing.TB, spans tracetest.SpanStubs) (root tracetest.SpanStub, attributes map[attribute.Key]attribute.Value) {
	t.Helper()
	attributes = map[attribute.Key]attribute.Value{}
	for _, s := range spans {
		if s.Name == "AdmissionReview" {
			root = s
		}
	}
	if root.Name == "" {
		t.Fatalf("no span of the review among %d", len(spans))
	}
	for _, a := range root.Attributes {
		attributes[a.Key] = a.Value
	}
	return root, attributes
}

func podReview(t testing.TB) string {
	t.Helper()
	return string(reviewtest.Reviews(t)["deployment-create"])
}

func TestReviewIsASpan(t *testing.T) {
	spans := traced(t, sdktrace.AlwaysSample(), false, podReview(t), "")
	root, got := rootOf(t, spans)
	if got["podcullis.kind"].AsString() != "Deployment.apps" || got["podcullis.operation"].AsString() != "CREATE" ||
		got["k8s.namespace.name"].AsString() == "" || !got["podcullis.allowed"].AsBool() || got["http.response.status_code"].AsInt64() != 200 {
		t.Errorf("attributes %v", root.Attributes)
	}
	if _, found := got["podcullis.waited_seconds"]; !found {
		t.Errorf("nothing says how long it waited: %v", root.Attributes)
	}
	names := map[string]bool{}
	for _, s := range spans {
		if names[s.Name] = true; s.Name != root.Name && s.Parent.SpanID() != root.SpanContext.SpanID() {
			t.Errorf("span %q is not below the review", s.Name)
		}
	}
	for _, want := range []string{"read", "wait for a turn", "decode"} {
		if !names[want] {
			t.Errorf("no span %q among %v", want, names)
		}
	}
}

// A stranger's traceparent says that all is to be recorded, and in which trace: neither is
// up to a stranger.
func TestOnlyAKnownCallersTraceIsGoneOnWith(t *testing.T) {
	root, _ := rootOf(t, traced(t, sdktrace.ParentBased(sdktrace.AlwaysSample()), true, podReview(t), traceparent))
	if got := root.SpanContext.TraceID().String(); got != callersTrace || !root.Parent.IsRemote() {
		t.Errorf("a known caller's review is in trace %s, want %s", got, callersTrace)
	}
	root, _ = rootOf(t, traced(t, sdktrace.ParentBased(sdktrace.AlwaysSample()), false, podReview(t), traceparent))
	if got := root.SpanContext.TraceID().String(); got == callersTrace || root.Parent.IsValid() {
		t.Error("a stranger's review is in the trace that it names")
	}
	if spans := traced(t, sdktrace.ParentBased(sdktrace.NeverSample()), false, podReview(t), traceparent); len(spans) > 0 {
		t.Errorf("a stranger has %d spans recorded though none are sampled", len(spans))
	}
	for _, broken := range []string{"00-" + callersTrace, strings.Repeat("0", 1<<16), "ff-" + callersTrace + "-b7ad6b7169203331-01"} {
		if root, _ := rootOf(t, traced(t, sdktrace.AlwaysSample(), true, podReview(t), broken)); root.Parent.IsValid() {
			t.Errorf("parent %v of %.60q", root.Parent, broken)
		}
	}
}

// What is refused before anybody judges is a span, too, and holds nothing of the object.
func TestRefusedReviewIsASpan(t *testing.T) {
	body := strings.Replace(podReview(t), `"AdmissionReview"`, `"AdmissionReview","secret":"`+strings.Repeat("[", 300)+`hunter2"`, 1)
	body = body[:len(body)-20] // broken
	spans := traced(t, sdktrace.AlwaysSample(), false, body, "")
	root, got := rootOf(t, spans)
	if got["podcullis.allowed"].AsBool() || !strings.Contains(root.Status.Description, "refused") {
		t.Errorf("attributes %v, status %v", root.Attributes, root.Status)
	}
	for _, s := range spans {
		for _, a := range s.Attributes {
			if strings.Contains(a.Value.String(), "hunter2") {
				t.Errorf("span %q tells %s=%s", s.Name, a.Key, a.Value.String())
			}
		}
	}
}

func TestLongTextsAreCut(t *testing.T) {
	body := strings.Replace(podReview(t), `"operation":"CREATE"`, `"operation":"CREATE`+strings.Repeat("x", 1<<20)+`"`, 1)
	if len(body) < 1<<20 {
		body = strings.Replace(podReview(t), `"operation": "CREATE"`, `"operation": "CREATE`+strings.Repeat("x", 1<<20)+`"`, 1)
	}
	if len(body) < 1<<20 {
		t.Fatal("the review has no operation")
	}
	for _, s := range traced(t, sdktrace.AlwaysSample(), false, body, "") {
		for _, a := range s.Attributes {
			if len(a.Value.String()) > 300 {
				t.Errorf("%s has %d bytes", a.Key, len(a.Value.String()))
			}
		}
	}
}

// What traces cost a review that is judged at once: nothing where they are off.
func BenchmarkTracing(b *testing.B) {
	body := podReview(b)
	discard := func(s sdktrace.Sampler) Tracing {
		return Tracing{Tracer: sdktrace.NewTracerProvider(sdktrace.WithSampler(s), sdktrace.WithBatcher(tracetest.NewNoopExporter())).Tracer(""), TrustParent: true}
	}
	for _, c := range []struct {
		name    string
		tracing Tracing
	}{{"off", Tracing{}}, {"unsampled", discard(sdktrace.NeverSample())}, {"on", discard(sdktrace.AlwaysSample())}} {
		b.Run(c.name, func(b *testing.B) {
			h := NewHandler(allowEverything, Options{Tracing: c.tracing})
			b.ReportAllocs()
			for b.Loop() {
				reviewtest.Post(b, h, "/validate", body)
			}
		})
	}
}
