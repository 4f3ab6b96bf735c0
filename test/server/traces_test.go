package server

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	collectorv1 "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	tracev1 "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
	admissionv1 "k8s.io/api/admission/v1"

	"github.com/podcullis/podcullis/test/controlplane"
	"github.com/podcullis/podcullis/webhook/review/reviewtest"
)

const (
	apiServersTrace = "0af7651916cd43dd8448eb211c80319c"
	traceparent     = "00-" + apiServersTrace + "-b7ad6b7169203331-01"
)

// receiver is a collector of traces.
type receiver struct {
	*httptest.Server
	mu       sync.Mutex
	services []string
	spans    []*tracev1.Span
}

func newReceiver(t *testing.T) *receiver {
	t.Helper()
	r := &receiver{}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/traces", func(w http.ResponseWriter, request *http.Request) {
		body, err := io.ReadAll(request.Body)
		message := &collectorv1.ExportTraceServiceRequest{}
		if err == nil {
			err = proto.Unmarshal(body, message)
		}
		if err != nil {
			t.Errorf("the collector got what it cannot read: %v", err)
			return
		}
		r.take(message)
		w.Header().Set("Content-Type", "application/x-protobuf")
	})
	r.Server = httptest.NewServer(mux)
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) take(message *collectorv1.ExportTraceServiceRequest) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, of := range message.ResourceSpans {
		for _, a := range of.Resource.Attributes {
			if a.Key == "service.name" {
				r.services = append(r.services, a.Value.GetStringValue())
			}
		}
		for _, scope := range of.ScopeSpans {
			r.spans = append(r.spans, scope.Spans...)
		}
	}
}

// traced is a webhook that runs with an environment.
type traced struct {
	*Process
	address, metrics string
	client           *http.Client
}

// startTraced starts one about an empty cluster, in which nothing is isolated.
func startTraced(t *testing.T, env ...string) *traced {
	t.Helper()
	dir := t.TempDir()
	p := &traced{address: free(t), metrics: free(t), client: &http.Client{
		Timeout:   patience,
		Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true}, //nolint:gosec // its certificate is made at the start
	}}
	probes := free(t)
	p.Process = Start(t, Command{
		Binary: Build(t, built4traces(t)), Env: append([]string{"OTEL_BSP_SCHEDULE_DELAY=50"}, env...), LogFile: filepath.Join(dir, "log"),
		Args: []string{"--bind-address=" + p.address, "--metrics-bind-address=" + p.metrics, "--health-probe-bind-address=" + probes, "--drain-timeout=100ms"},
	})
	t.Cleanup(p.Kill)
	ShowLog(t, p.Command.LogFile)
	p.AwaitReady(t, probes)
	return p
}

// built4traces is a directory that outlives one test: the binary is linked once.
var built4traces = func() func(t *testing.T) string {
	var dir string
	return func(t *testing.T) string {
		t.Helper()
		if dir == "" {
			var err error
			if dir, err = os.MkdirTemp("", "traces"); err != nil {
				t.Fatal(err)
			}
		}
		return dir
	}
}()

func TestMain(m *testing.M) {
	code := m.Run()
	for dir := range built.in {
		_ = os.RemoveAll(dir)
	}
	os.Exit(code)
}

func free(t *testing.T) string {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// ask sends a review as an API server does, and returns how long the answer took.
func (p *traced) ask(t *testing.T, body []byte) (*admissionv1.AdmissionResponse, time.Duration) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://"+p.address+"/validate?timeout=10s", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("traceparent", traceparent)
	began := time.Now()
	response, err := p.client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	answer, _ := reviewtest.Response(t, response)
	return answer, time.Since(began)
}

// awaitMetric waits until /metrics is as it should be.
func (p *traced) awaitMetric(t *testing.T, holds func(string) bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	err := controlplane.Await(ctx, "the metrics", func(ctx context.Context) error {
		text, err := Get(ctx, "http://"+p.metrics+"/metrics")
		if err == nil && !holds(text) {
			return io.ErrUnexpectedEOF
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func (p *traced) log(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(p.Command.LogFile)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// What the server sends, to a receiver of the real protocol: the end of the process flushes.
func TestTracesOfReviews(t *testing.T) {
	collector := newReceiver(t)
	p := startTraced(t, "OTEL_EXPORTER_OTLP_ENDPOINT="+collector.URL, "OTEL_SERVICE_NAME=guard", "OTEL_BSP_SCHEDULE_DELAY=3600000")
	reviews := reviewtest.Reviews(t)
	answer, _ := p.ask(t, reviews["deployment-create"])
	p.Stop(t, patience)

	collector.mu.Lock()
	defer collector.mu.Unlock()
	if len(collector.services) == 0 || collector.services[0] != "guard" {
		t.Errorf("service names %q", collector.services)
	}
	names, root := map[string]int{}, map[string]string{}
	for _, s := range collector.spans {
		if names[s.Name]++; s.Name == "AdmissionReview" {
			for _, a := range s.Attributes {
				root[a.Key] = a.Value.String()
			}
		}
		if got := hexOf(s.TraceId); got != apiServersTrace {
			t.Errorf("span %q is in trace %s, want the API server's", s.Name, got)
		}
	}
	for _, want := range []string{"AdmissionReview", "read", "wait for a turn", "decode", "evaluate"} {
		if names[want] != 1 {
			t.Errorf("%d spans %q, want 1: %v", names[want], want, names)
		}
	}
	for key, want := range map[string]string{
		"podcullis.kind": "Deployment.apps", "podcullis.operation": "CREATE", "podcullis.denied_by": "default-deny",
		"podcullis.allowed": "bool_value:false", "podcullis.decision": "denied", "podcullis.waited_seconds": "double_value", "k8s.namespace.name": "",
	} {
		if got, found := root[key]; !found || !strings.Contains(got, want) {
			t.Errorf("%s is %q, want %q", key, got, want)
		}
	}
	if answer.Allowed {
		t.Fatal("the review was allowed: nothing could be seen of who denies")
	}
	holdsNoContents(t, collector.spans, reviews["deployment-create"])
}

// holdsNoContents looks for names of the object and of who asks.
func holdsNoContents(t *testing.T, spans []*tracev1.Span, body []byte) {
	t.Helper()
	var review admissionv1.AdmissionReview
	if err := json.Unmarshal(body, &review); err != nil {
		t.Fatal(err)
	}
	for _, s := range spans {
		for _, a := range s.Attributes {
			value := a.Value.GetStringValue()
			if value != "" && (value == review.Request.Name || value == review.Request.UserInfo.Username || strings.Contains(value, "{")) {
				t.Errorf("span %q tells %s=%s", s.Name, a.Key, value)
			}
		}
	}
}

func hexOf(id []byte) string {
	const digits = "0123456789abcdef"
	var out strings.Builder
	for _, b := range id {
		out.WriteByte(digits[b>>4])
		out.WriteByte(digits[b&15])
	}
	return out.String()
}

// A collector that takes everything and says nothing: more spans than its queue has room for
// are dropped, and nobody waits, neither for an answer nor for the end.
func TestCollectorThatHangsKeepsNobodyWaiting(t *testing.T) {
	over := make(chan struct{})
	asked := make(chan struct{}, 1000)
	collector := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		asked <- struct{}{}
		<-over
	}))
	t.Cleanup(collector.Close)
	t.Cleanup(func() { close(over) })
	p := startTraced(t, "OTEL_EXPORTER_OTLP_ENDPOINT="+collector.URL, "OTEL_BSP_MAX_QUEUE_SIZE=10", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE=5")
	review := reviewtest.Reviews(t)["pod-delete"]
	p.ask(t, review)
	select {
	case <-asked:
	case <-time.After(patience):
		t.Fatal("nothing was sent")
	}
	for range 50 { // each of several spans
		if answer, took := p.ask(t, review); !answer.Allowed || took > 5*time.Second {
			t.Fatalf("allowed %v after %s", answer.Allowed, took)
		}
	}
	began := time.Now()
	p.Stop(t, 20*time.Second)
	t.Logf("ended %s after SIGTERM", time.Since(began))
}

// A collector that is not there is said in the log, once.
func TestCollectorThatIsAwayIsSaidOnce(t *testing.T) {
	p := startTraced(t, "OTEL_EXPORTER_OTLP_ENDPOINT=http://"+free(t), "OTEL_EXPORTER_OTLP_TIMEOUT=100")
	review := reviewtest.Reviews(t)["pod-delete"]
	for range 3 {
		if answer, _ := p.ask(t, review); !answer.Allowed {
			t.Fatal("not allowed")
		}
	}
	p.awaitMetric(t, func(text string) bool {
		return strings.Contains(text, `podcullis_trace_spans_total{state="failed"}`) && !strings.Contains(text, `podcullis_trace_spans_total{state="failed"} 0`)
	})
	if n := strings.Count(p.log(t), "spans could not be sent"); n != 1 {
		t.Errorf("the log says it %d times", n)
	}
	p.Stop(t, 20*time.Second)
}

// Wrong settings of traces keep nothing from being judged.
func TestWrongTraceSettingsAreSaidAndHarmNobody(t *testing.T) {
	p := startTraced(t, "OTEL_TRACES_EXPORTER=zipkin")
	if answer, _ := p.ask(t, reviewtest.Reviews(t)["pod-delete"]); !answer.Allowed {
		t.Error("not allowed")
	}
	if !strings.Contains(p.log(t), "OTEL_TRACES_EXPORTER must be otlp or none") {
		t.Error("the log does not say what is wrong")
	}
	p.Stop(t, 20*time.Second)
}
