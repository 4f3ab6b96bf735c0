package webhook

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/podcullis/podcullis/guardrail"
	"github.com/podcullis/podcullis/webhook/serving/servingtest"
)

// timed remembers when it was asked.
type timed struct{ at atomic.Pointer[time.Time] }

func (e *timed) Evaluate(_ context.Context, r guardrail.Review) (guardrail.Decision, error) {
	e.at.Store(&r.Time)
	return guardrail.Decision{}, nil
}

func (*timed) Judges(schema.GroupKind) bool { return true }

// Days are counted by a clock that jumps, waits by one that does not: what was allowed a
// moment ago is not forgotten because it is another day.
func TestAJumpOfTheClockEndsNoWait(t *testing.T) {
	noon := time.Date(2031, 5, 4, 12, 0, 0, 0, time.UTC)
	clock, evaluator := servingtest.NewWallClock(noon), &timed{}
	held := &heldLedger{}
	j, _, _ := newShop(t, JudgeOptions{Evaluator: evaluator, Remember: true, Ledger: held, Clock: clock.Now})
	for i, jump := range []time.Duration{0, 10 * 24 * time.Hour, -20 * 24 * time.Hour} {
		clock.Set(clock.Now().Add(jump))
		name := "quiet-" + string(rune('a'+i))
		r := request(t, "CREATE", "NetworkPolicy", "shop", name, "{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: "+name+", namespace: shop}, spec: {podSelector: {}}}", "")
		if got := j.Handle(t.Context(), r); !got.Allowed {
			t.Fatalf("%+v", got)
		}
		if at := *evaluator.at.Load(); !at.Equal(clock.Now()) {
			t.Errorf("the review is of %s, want %s", at, clock.Now())
		}
		if open := held.View().Entries; len(open) != i+1 {
			t.Errorf("after a jump of %s %d changes are pending, want %d", jump, len(open), i+1)
		}
	}
}
