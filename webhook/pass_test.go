package webhook

import (
	"context"
	"math/rand/v2"
	"testing"
	"time"

	admissionv1 "k8s.io/api/admission/v1"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/webhook/review"
	"github.com/podcullis/podcullis/webhook/review/reviewtest"
	"github.com/podcullis/podcullis/webhook/serving/servingtest"
)

// TestTheAnswerDoesNotHangOnThePass: whatever was read of a review in the one pass, the
// answer is that to a judge who reads each object by itself.
func TestTheAnswerDoesNotHangOnThePass(t *testing.T) {
	judge := NewJudge(JudgeOptions{Evaluator: engineOf(t, lawConfig), Model: &steadyModel{&cluster.Snapshot{}}, Mode: Enforce, Log: servingtest.Quiet, Now: func() time.Time { return time.Unix(1_800_000_000, 0) }})
	var read *admissionv1.AdmissionRequest
	seen := admission.HandlerFunc(func(ctx context.Context, r admission.Request) admission.Response {
		read = r.AdmissionRequest.DeepCopy()
		return judge.Handle(ctx, r)
	})
	handler := review.NewHandler(seen, review.Options{Logger: servingtest.Quiet, MaxDepth: reviewtest.Depth})
	allowed, refused := 0, 0
	for name, body := range reviewtest.Reviews(t) {
		for seed := range uint64(25) {
			m := reviewtest.NewMutator(t, body, rand.New(rand.NewPCG(seed, 3)))
			for range seed % 4 {
				m.Change()
			}
			text := m.Text()
			read = nil
			response := reviewtest.Post(t, handler, "/validate", string(text))
			if read == nil {
				continue // no review
			}
			got, _ := reviewtest.Response(t, response)
			read.Object.Object, read.OldObject.Object = nil, nil
			want := judge.Handle(t.Context(), admission.Request{AdmissionRequest: *read})
			if got.Allowed != want.Allowed || got.Result.Code != want.Result.Code || got.Result.Message != want.Result.Message {
				t.Fatalf("%s, seed %d: %t %+v\nread by themselves: %t %+v\n%s", name, seed, got.Allowed, got.Result, want.Allowed, want.Result, text)
			}
			if got.Allowed {
				allowed++
			} else {
				refused++
			}
		}
	}
	if allowed < 100 || refused < 20 {
		t.Errorf("%d allowed and %d refused: that shows little", allowed, refused)
	}
}

type steadyModel struct{ s *cluster.Snapshot }

func (m *steadyModel) Snapshot() *cluster.Snapshot { return m.s }

func (m *steadyModel) WaitFor(_ context.Context, condition func(*cluster.Snapshot) bool) bool {
	return condition(m.s)
}
