package review

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	admissionv1 "k8s.io/api/admission/v1"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	"github.com/podcullis/podcullis/webhook/review/reviewtest"
	"github.com/podcullis/podcullis/webhook/serving"
	"github.com/podcullis/podcullis/webhook/serving/servingtest"
)

// paddedReview is a valid review of at least size bytes.
func paddedReview(size int) string {
	return strings.Replace(servingtest.PodReview, `"name":"web"}}`, `"name":"web","annotations":{"padding":"`+strings.Repeat("<", size)+`"}}}`, 1)
}

// unsized hides its size, so that the request has no Content-Length.
type unsized struct{ io.Reader }

func TestPaddingIsDeniedWithItsUIDOverRealTLS(t *testing.T) {
	certificate, pool := certificateFor(t)
	metrics, samples := countedMetrics(t)
	r := overTLS(t, serving.Options{Certificates: certificate}, NewHandler(allowEverything, Options{
		Logger: servingtest.Quiet, Metrics: metrics, MaxBodyBytes: 1 << 20,
	}))
	uidLast := `{"request":{"object":{"padding":"` + strings.Repeat("<", 2<<20) + `"},"uid":"u-1"},"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1"}`
	tests := map[string]struct {
		body   io.Reader
		status int
	}{
		"JustOver":             {strings.NewReader(paddedReview(1 << 20)), 200},
		"EightTimes":           {strings.NewReader(paddedReview(8 << 20)), 200},
		"WithoutContentLength": {unsized{strings.NewReader(paddedReview(2 << 20))}, 200},
		"UIDBehindThePadding":  {strings.NewReader(uidLast), 413},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			before := samples()[`podcullis_rejected_requests_total{reason="body_too_large"}`]
			response, err := servingtest.CallerOf(t, pool).Post("https://"+r.Address+"/validate", "application/json", test.body)
			if err != nil {
				t.Fatal(err)
			}
			defer response.Body.Close()
			if got := samples()[`podcullis_rejected_requests_total{reason="body_too_large"}`] - before; got != 1 {
				t.Errorf("body_too_large counted %v times", got)
			}
			if test.status != 200 {
				if response.StatusCode != test.status {
					t.Errorf("HTTP %d, want %d", response.StatusCode, test.status)
				}
				return
			}
			answer, _ := reviewtest.Response(t, response)
			if answer.Allowed || answer.UID != "u-1" || answer.Result.Code != 413 {
				t.Errorf("want a denial of u-1 with code 413, got %+v", answer)
			}
		})
	}
	t.Run("ALargeOneWithinTheLimitIsJudged", func(t *testing.T) {
		_, body, err := servingtest.Send(servingtest.CallerOf(t, pool), r.Address, "/validate", []byte(paddedReview(1000<<10)))
		var review admissionv1.AdmissionReview
		if err != nil || json.Unmarshal(body, &review) != nil || !review.Response.Allowed {
			t.Errorf("got %s (%v)", body, err)
		}
	})
}

func TestADenialWaitsForACallerThatStillWrites(t *testing.T) {
	certificate, pool := certificateFor(t)
	r := overTLS(t, serving.Options{Certificates: certificate}, NewHandler(allowEverything, Options{
		Logger: servingtest.Quiet, MaxBodyBytes: 2 << 20,
	}))
	conn, err := tls.Dial("tcp", r.Address, &tls.Config{RootCAs: pool})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	body := paddedReview(15 << 20)
	_, err = fmt.Fprintf(conn, "POST /validate HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
	if err != nil {
		t.Fatalf("the server hung up on a caller: %v", err)
	}
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if answer, _ := reviewtest.Response(t, response); answer.Allowed || answer.Result.Code != 413 {
		t.Errorf("got %+v", answer)
	}
}

func TestThePaddedNetworkPolicyOfM6IsJudged(t *testing.T) {
	peers := strings.Repeat(`{"podSelector":{}},`, 322_000)
	body := strings.Replace(servingtest.PodReview, `"metadata":{"name":"web"}`, `"spec":{"ingress":[{"from":[`+peers[:len(peers)-1]+`]}]}`, 1)
	judged := false
	handler := NewHandler(admission.HandlerFunc(func(context.Context, admission.Request) admission.Response {
		judged = true
		return admission.Denied("everything")
	}), Options{Logger: servingtest.Quiet})
	answer, _ := reviewtest.Response(t, reviewtest.Post(t, handler, "/validate", body))
	if !judged || answer.Allowed {
		t.Errorf("judged %v, answer %+v", judged, answer)
	}
}

// gate is a judge that waits until it is opened.
type gate struct {
	entered chan struct{}
	open    chan struct{}
}

func newGate() *gate { return &gate{make(chan struct{}, 100), make(chan struct{})} }

func (g *gate) Handle(ctx context.Context, _ admission.Request) admission.Response {
	g.entered <- struct{}{}
	select {
	case <-g.open:
		return admission.Allowed("")
	case <-ctx.Done():
		return admission.Denied("deadline")
	}
}

// inBackground posts and returns what will be the status.
func inBackground(handler http.Handler, target string, body io.Reader) chan *httptest.ResponseRecorder {
	request := httptest.NewRequest(http.MethodPost, target, body)
	request.Header.Set("Content-Type", "application/json")
	answered := make(chan *httptest.ResponseRecorder, 1)
	go func() {
		recorder := httptest.NewRecorder()
		handler.ServeHTTP(recorder, request)
		answered <- recorder
	}()
	return answered
}

func TestAFullQueueAsksToTryAgain(t *testing.T) {
	judge := newGate()
	metrics, samples := countedMetrics(t)
	handler := NewHandler(judge, Options{Logger: servingtest.Quiet, Metrics: metrics, MaxInFlight: 1, MaxQueue: 1}).(*handler)
	judging := inBackground(handler, "/validate", strings.NewReader(servingtest.PodReview))
	<-judge.entered
	waiting := inBackground(handler, "/validate", strings.NewReader(servingtest.PodReview))
	servingtest.Eventually(t, "the second is in the queue", func() bool { return handler.queued.Load() == 2 })

	wantTryAgain(t, reviewtest.Post(t, handler, "/validate", servingtest.PodReview))
	// Nobody can be told by name, and the call has failed.
	response := reviewtest.Post(t, handler, "/validate", `{"kind":"AdmissionReview"}`)
	if response.StatusCode != 503 || response.Header.Get("Retry-After") != "1" {
		t.Errorf("HTTP %d, Retry-After %q", response.StatusCode, response.Header.Get("Retry-After"))
	}
	if got := samples()["podcullis_admission_in_flight{}"]; got != 2 {
		t.Errorf("in flight: %v", got)
	}
	close(judge.open)
	for _, answered := range []chan *httptest.ResponseRecorder{judging, waiting} {
		if recorder := <-answered; recorder.Code != 200 || !strings.Contains(recorder.Body.String(), `"allowed":true`) {
			t.Errorf("HTTP %d: %s", recorder.Code, recorder.Body)
		}
	}
	if got := samples()[`podcullis_rejected_requests_total{reason="overloaded"}`]; got != 2 {
		t.Errorf("overloaded counted %v times", got)
	}
	reviewtest.Response(t, reviewtest.Post(t, handler, "/validate", servingtest.PodReview)) // all places are free again
}

// wantTryAgain wants a denial of u-1, which holds under every failurePolicy, that clients
// try again by themselves.
func wantTryAgain(t *testing.T, response *http.Response) {
	t.Helper()
	answer, _ := reviewtest.Response(t, response)
	if answer.Allowed || answer.UID != "u-1" || answer.Result.Code != 429 || answer.Result.Details == nil || answer.Result.Details.RetryAfterSeconds != 1 {
		t.Errorf("got %+v", answer)
	}
}

func TestWaitingEndsAtTheDeadlineAndIsNeverAnAllow(t *testing.T) {
	judge := newGate()
	handler := NewHandler(judge, Options{Logger: servingtest.Quiet, MaxInFlight: 1})
	judging := inBackground(handler, "/validate", strings.NewReader(servingtest.PodReview))
	<-judge.entered
	wantTryAgain(t, reviewtest.Post(t, handler, "/validate?timeout=20ms", servingtest.PodReview))
	close(judge.open)
	<-judging
}

func TestBodiesShareABudgetOfBytes(t *testing.T) {
	tests := map[string]struct {
		second func() io.Reader
		status int
	}{
		"FitsBeside":                 {func() io.Reader { return strings.NewReader(servingtest.PodReview) }, 200},
		"UnknownCountsAsWhatHasCome": {func() io.Reader { return unsized{strings.NewReader(servingtest.PodReview)} }, 200},
		"DoesNotFit":                 {func() io.Reader { return strings.NewReader(paddedReview(600 << 10)) }, 429},
		"UnknownDoesNotFit":          {func() io.Reader { return unsized{strings.NewReader(paddedReview(600 << 10))} }, 429},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			judge := newGate()
			handler := NewHandler(judge, Options{Logger: servingtest.Quiet, MaxBodyBytes: 1 << 20, BodyBudgetBytes: 1 << 20, MaxInFlight: 4})
			first := inBackground(handler, "/validate", strings.NewReader(paddedReview(600<<10)))
			<-judge.entered
			second := inBackground(handler, "/validate", test.second())
			if test.status == 200 {
				<-judge.entered
			} else {
				wantTryAgain(t, (<-second).Result())
			}
			close(judge.open)
			<-first
			reviewtest.Response(t, reviewtest.Post(t, handler, "/validate", paddedReview(600<<10))) // given back
		})
	}
}

// The second large one comes before the small one, and is judged after it. In a bubble, so
// that what does not come ends the test, whatever the machine is busy with.
func TestLargeReviewsAreJudgedAsMemoryAllows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		judge := newGate()
		handler := NewHandler(judge, Options{Logger: servingtest.Quiet, MaxInFlight: 4, MemoryLimit: 64 << 20, EvaluationTime: time.Hour}) // 2 MiB at once
		large := paddedReview(1500 << 10)
		first := inBackground(handler, "/validate", strings.NewReader(large))
		<-judge.entered
		second := inBackground(handler, "/validate", strings.NewReader(large))
		synctest.Wait() // until the second can do nothing but wait
		small := inBackground(handler, "/validate", strings.NewReader(servingtest.PodReview))
		synctest.Wait()
		if n := len(judge.entered); n != 1 {
			t.Errorf("%d are judged beside the large one, want the small one alone", n)
		}
		close(judge.open)
		for _, answered := range []chan *httptest.ResponseRecorder{first, second, small} {
			if recorder := <-answered; recorder.Code != 200 || !strings.Contains(recorder.Body.String(), `"allowed":true`) {
				t.Errorf("HTTP %d: %.200s", recorder.Code, recorder.Body)
			}
		}
		largest := paddedReview(3 << 20) // larger than all that may be judged at once
		reviewtest.Response(t, reviewtest.Post(t, handler, "/validate", largest))
	})
}

// FuzzReview: whatever comes in, nothing panics, and "allowed" is said only of what is
// a v1 AdmissionReview to a second reader, about the uid that it bears.
func FuzzReview(f *testing.F) {
	f.Add([]byte(servingtest.PodReview))
	f.Add([]byte(servingtest.PodReview[:200]))
	f.Add([]byte(strings.Replace(servingtest.PodReview, "k8s.io/v1", "k8s.io/v1beta1", 1)))
	f.Add([]byte(strings.Replace(servingtest.PodReview, `"uid"`, `"UID"`, 1)))
	f.Add([]byte(strings.Replace(servingtest.PodReview, `"name"`, `"n\u0061me":1,"name"`, 1)))
	f.Add([]byte(`{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","request":{"uid":"a","uid":"b"}}`))
	f.Add([]byte("{\"request\":{\"uid\":\"\xff\"},\"\xfe\":1,\"\xff\":2}"))
	f.Add([]byte(`[[[[{"a":[{"b":"\"`))
	handler := NewHandler(allowEverything, Options{Logger: servingtest.Quiet, MaxDepth: 32})
	f.Fuzz(func(t *testing.T, body []byte) {
		response := reviewtest.Post(t, handler, "/validate", string(body))
		if response.StatusCode != 200 && response.StatusCode != 400 {
			t.Fatalf("HTTP %d", response.StatusCode)
		}
		if response.StatusCode != 200 {
			return
		}
		answer, _ := reviewtest.Response(t, response)
		if answer.UID == "" {
			t.Fatal("an answer to nobody")
		}
		if !answer.Allowed {
			return
		}
		var review map[string]json.RawMessage
		var request map[string]any
		if json.Unmarshal(body, &review) != nil || json.Unmarshal(review["request"], &request) != nil {
			t.Fatalf("allowed what is no JSON object with a request")
		}
		if string(review["kind"]) == "" || string(review["apiVersion"]) == "" {
			t.Fatalf("allowed what has no kind or apiVersion")
		}
		if uid, _ := request["uid"].(string); uid != string(answer.UID) {
			t.Fatalf("allowed %q, the request's uid is %q", answer.UID, uid)
		}
	})
}
