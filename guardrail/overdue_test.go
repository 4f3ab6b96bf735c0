package guardrail

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/podcullis/podcullis/cluster/clustertest"
)

// Two arrays of 2^26 equal values each that share their parts are compared: that takes a
// second or so, in which nothing asks whether to stop. Who asks about something else is
// judged meanwhile, unless that takes the last processor.
func TestAnOverdueEvaluationRefusesOthersOnlyWithoutProcessors(t *testing.T) {
	for name, test := range map[string]struct {
		processors int64
		refused    bool
	}{
		"OneIsLeft":   {2, false},
		"NoneIsLeft":  {1, true},
		"ManyAreLeft": {64, false},
	} {
		t.Run(name, func(t *testing.T) {
			e := slowAboutGiants(t)
			e.lane.processors = test.processors
			first := makeOverdue(t, e)
			d, err := e.Evaluate(t.Context(), anyPod(t))
			overdueStill := e.lane.overdue.Load() > 0
			switch {
			case !overdueStill:
				t.Log("it was over too early to say") // and must not be asserted
			case test.refused && (!errors.Is(err, errOverdue) || !strings.Contains(err.Error(), "guardrail slow: not evaluated")):
				t.Errorf("the second evaluation: %v", err)
			case !test.refused && err != nil:
				t.Errorf("a review of somebody else: %v", err)
			}
			if got := messages(d); len(got) != 1 || got[0] != "deny sober: sober" {
				t.Errorf("the others said %q", got)
			}
			if err := <-first; !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("the first evaluation: %v", err)
			}
			slow := named(e, "slow")
			if n, all := slow.overdue.Load(), e.lane.overdue.Load(); n != 0 || all != 0 {
				t.Errorf("%d and %d are overdue when all are back", n, all)
			}
		})
	}
}

// slowAboutGiants has a guardrail that takes long about pods that are called giant.
func slowAboutGiants(t *testing.T) *Engine {
	t.Helper()
	shared := doubled(`[1]`, `array.concat([x], [x])`, 26)
	return engine(t, Deny, map[string]string{
		"slow": shared + strings.ReplaceAll(shared, "x", "y") +
			`violation contains {"msg": "x"} if { input.request.name == "giant"; count({x26, y26}) == 7 }`,
		"sober": `violation contains {"msg": "sober"}`,
	})
}

func named(e *Engine, name string) *instance {
	for _, i := range e.current.Load().instances {
		if i.Name == name {
			return i
		}
	}
	return nil
}

// makeOverdue returns while an evaluation about a giant is overdue; what came of it is sent.
func makeOverdue(t *testing.T, e *Engine) <-chan error {
	t.Helper()
	giant := review(t, clustertest.Snapshot(t, clustertest.Namespace("shop", "team=web")), nil, clustertest.Pod("shop/giant", clustertest.Labels("app=a")))
	for wait := 100 * time.Millisecond; ; wait *= 2 {
		first := make(chan error, 1)
		go func() {
			ctx, cancel := context.WithTimeout(context.Background(), wait)
			defer cancel()
			_, err := e.Evaluate(ctx, giant)
			first <- err
		}()
		for {
			if e.lane.overdue.Load() > 0 {
				return first
			}
			select {
			case err := <-first: // on a machine that is short of CPU before the comparison began
				if wait > time.Second {
					t.Fatalf("it came back too early to be overdue: %v", err)
				}
			case <-time.After(time.Millisecond):
				continue
			}
			break
		}
	}
}
