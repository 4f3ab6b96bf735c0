package review

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	"github.com/podcullis/podcullis/webhook/review/reviewtest"
	"github.com/podcullis/podcullis/webhook/serving/servingtest"
)

// outside is a judge that waits for something without its place.
type outside struct {
	waiting chan struct{}
	over    chan struct{}
	err     chan error
}

func newOutside() *outside {
	return &outside{make(chan struct{}, 10), make(chan struct{}), make(chan error, 10)}
}

func (o *outside) Handle(ctx context.Context, r admission.Request) admission.Response {
	if r.Name != "waits" {
		return admission.Allowed("")
	}
	err := WaitOutside(ctx, "something", func() {
		o.waiting <- struct{}{}
		<-o.over
	})
	o.err <- err
	if err != nil {
		return admission.Errored(http.StatusTooManyRequests, err)
	}
	return admission.Allowed("")
}

// waitingReview is one of at least size bytes for which the judge above waits.
func waitingReview(size int) string {
	return strings.Replace(paddedReview(size), `"name":"web"`, `"name":"waits"`, 1)
}

func TestWhoWaitsHoldsNoPlace(t *testing.T) {
	for name, size := range map[string]int{"Small": 0, "Large": 3 << 20} {
		t.Run(name, synctested(func(t *testing.T) {
			judge := newOutside()
			// One place, no queue, and room for one large review at once.
			handler := NewHandler(judge, Options{Logger: servingtest.Quiet, MaxInFlight: 1, MaxQueue: -1, MemoryLimit: 64 << 20}).(*handler)
			waits := inBackground(handler, "/validate", strings.NewReader(waitingReview(size)))
			<-judge.waiting
			for range 3 {
				reviewtest.Response(t, reviewtest.Post(t, handler, "/validate", paddedReview(size)))
			}
			close(judge.over)
			if recorder := <-waits; recorder.Code != 200 || !strings.Contains(recorder.Body.String(), `"allowed":true`) {
				t.Errorf("HTTP %d: %s", recorder.Code, recorder.Body)
			}
			everythingIsFree(t, handler)
		}))
	}
}

// synctested is a test in a bubble: no machine is too slow for its deadlines.
func synctested(f func(*testing.T)) func(*testing.T) {
	return func(t *testing.T) { synctest.Test(t, f) }
}

// everythingIsFree fails the test if a place or its weight is still taken, or was given
// back twice (the semaphores panic then).
func everythingIsFree(t *testing.T, h *handler) {
	t.Helper()
	if n := h.queued.Load(); n != 0 {
		t.Errorf("%d are counted as being judged", n)
	}
	places := int64(h.options.MaxInFlight)
	if !h.slots.TryAcquire(places) || !h.large.TryAcquire(h.judged) {
		t.Fatal("a place is still taken")
	}
	h.slots.Release(places)
	h.large.Release(h.judged)
}

func TestWhoGetsNoPlaceAgainIsNotAllowed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		judge, busy := newOutside(), newGate()
		handler := NewHandler(admission.HandlerFunc(func(ctx context.Context, r admission.Request) admission.Response {
			if r.Name == "web" {
				return busy.Handle(context.Background(), r)
			}
			return judge.Handle(ctx, r)
		}), Options{Logger: servingtest.Quiet, MaxInFlight: 1, EvaluationTime: time.Hour}).(*handler)
		waits := inBackground(handler, "/validate?timeout=5s", strings.NewReader(waitingReview(0)))
		<-judge.waiting
		holds := inBackground(handler, "/validate?timeout=30s", strings.NewReader(servingtest.PodReview))
		<-busy.entered
		close(judge.over)
		if err := <-judge.err; !errors.Is(err, ErrNoPlace) {
			t.Errorf("the judge is told %v", err)
		}
		answer, _ := reviewtest.Response(t, (<-waits).Result())
		if answer.Allowed || (answer.Result.Code != 429 && answer.Result.Code != 504) {
			t.Errorf("got %+v", answer)
		}
		close(busy.open)
		<-holds
		everythingIsFree(t, handler)
	})
}

// Who is answered by the clock while it waits takes no place any more.
func TestWhoIsAnsweredWhileItWaitsTakesNoPlaceAgain(t *testing.T) {
	for name, size := range map[string]int{"Small": 0, "Large": 1 << 20} {
		t.Run(name, synctested(func(t *testing.T) {
			judge := newOutside()
			metrics, samples := countedMetrics(t)
			handler := NewHandler(judge, Options{Logger: servingtest.Quiet, Metrics: metrics, MaxInFlight: 1, EvaluationTime: time.Millisecond}).(*handler)
			waits := inBackground(handler, "/validate", strings.NewReader(waitingReview(size)))
			<-judge.waiting
			servingtest.Eventually(t, "the refusal", func() bool {
				return samples()[`podcullis_admission_requests_total{decision="error",dry_run="false",operation="CREATE",resource="pods"}`] == 1
			})
			close(judge.over)
			if err := <-judge.err; !errors.Is(err, ErrNoPlace) {
				t.Errorf("the judge is told %v", err)
			}
			if answer, _ := reviewtest.Response(t, (<-waits).Result()); answer.Allowed || answer.Result.Code != 504 {
				t.Errorf("got %+v", answer)
			}
			everythingIsFree(t, handler)
		}))
	}
}

func TestWithoutAServerWaitingIsJustWaiting(t *testing.T) {
	called := false
	if err := WaitOutside(t.Context(), "something", func() { called = true }); err != nil || !called {
		t.Errorf("called %v, error %v", called, err)
	}
}
