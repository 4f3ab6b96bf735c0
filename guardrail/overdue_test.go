package guardrail

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"
)

// Two arrays of 2^26 equal values each that share their parts are compared: that takes a
// second or so, in which nothing asks whether to stop.
func TestAnOverdueGuardrailIsNotEvaluatedAgain(t *testing.T) {
	shared := doubled(`[1]`, `array.concat([x], [x])`, 26)
	e := engine(t, Deny, map[string]string{
		"slow":  shared + strings.ReplaceAll(shared, "x", "y") + `violation contains {"msg": "x"} if count({x26, y26}) == 7`,
		"sober": `violation contains {"msg": "sober"}`,
	})
	var slow *instance
	for _, i := range e.current.Load().instances {
		if i.Name == "slow" {
			slow = i
		}
	}
	first := make(chan error)
	for wait := 100 * time.Millisecond; slow.overdue.Load() == 0; wait *= 2 {
		go func() {
			ctx, cancel := context.WithTimeout(context.Background(), wait)
			defer cancel()
			_, err := e.Evaluate(ctx, anyPod(t))
			first <- err
		}()
		for early := false; slow.overdue.Load() == 0 && !early; {
			select {
			case err := <-first: // on a machine that is short of CPU before the comparison began
				if early = true; wait > time.Second {
					t.Fatalf("it came back too early to be overdue: %v", err)
				}
			case <-time.After(time.Millisecond):
			}
		}
	}
	d, err := e.Evaluate(t.Context(), anyPod(t))
	if !errors.Is(err, errOverdue) || !strings.Contains(err.Error(), "guardrail slow: not evaluated") {
		t.Errorf("the second evaluation: %v", err)
	}
	if got := messages(d); len(got) != 1 || got[0] != "deny sober: sober" {
		t.Errorf("the others said %q", got)
	}
	if err := <-first; !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the first evaluation: %v", err)
	}
	if n := slow.overdue.Load(); n != 0 {
		t.Errorf("%d are overdue when all are back", n)
	}
}
