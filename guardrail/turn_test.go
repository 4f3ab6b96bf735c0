package guardrail

import (
	"context"
	"errors"
	"math"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sync/semaphore"
)

// laneOf has some turns, and no memory limit.
func laneOf(turns int64, patience time.Duration) *lane {
	return &lane{turns: semaphore.NewWeighted(turns), patience: patience, memory: math.MaxUint64}
}

// work is an evaluation that makes a step every 50 µs until its time is out; it
// returns how many it made.
func work(ctx context.Context, l *lane) (steps int) {
	t := l.newTurn(ctx)
	defer t.end()
	for !t.Cancelled() {
		time.Sleep(look / 2)
		steps++
	}
	return steps
}

func TestLongEvaluationsShareTheTurns(t *testing.T) {
	for name, c := range map[string]struct {
		turns       int64
		evaluations int
	}{
		"one alone":       {1, 1},
		"three about one": {1, 3},
		"five about two":  {2, 5},
		"as many as two":  {2, 2},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				l, steps := laneOf(c.turns, defaultPatience), make(chan int, c.evaluations)
				for range c.evaluations {
					go func() { steps <- work(ctx, l) }()
				}
				all := int(time.Second/(look/2)) * int(min(c.turns, int64(c.evaluations)))
				sum := 0
				for range c.evaluations {
					n := <-steps
					sum += n
					if n < all/c.evaluations*3/4 {
						t.Errorf("one made %d steps of %d, with %d evaluations", n, all, c.evaluations)
					}
				}
				// Before they need a turn they run beside each other.
				if beside := c.evaluations * int(defaultPatience/(look/2)); sum > all+2*beside || sum < all*9/10 {
					t.Errorf("%d steps in all, want about %d", sum, all)
				}
			})
		})
	}
}

// Eight that need 0.3 s each cannot all be done in 2 s. Most are.
func TestOfTooManyEvaluationsMostEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const evaluations, steps = 8, int(300 * time.Millisecond / (look / 2))
		l, done := laneOf(1, defaultPatience), make(chan bool)
		for range evaluations {
			go func() {
				ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
				defer cancel()
				turn := l.newTurn(ctx)
				defer turn.end()
				n := 0
				for ; n < steps && !turn.Cancelled(); n++ {
					time.Sleep(look / 2)
				}
				done <- n == steps
			}()
		}
		ended := 0
		for range evaluations {
			if <-done {
				ended++
			}
		}
		if ended < evaluations*5/8 {
			t.Errorf("%d of %d ended in time", ended, evaluations)
		}
	})
}

// One call that does not heed the deadline keeps nobody from a turn.
func TestAStuckEvaluationHoldsNoTurnAfterItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := laneOf(1, 0)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		stuck := l.newTurn(ctx)
		if stuck.Cancelled() || !stuck.held.Load() {
			t.Fatal("no turn")
		}
		time.Sleep(time.Minute) // in one call
		synctest.Wait()
		if next := l.newTurn(t.Context()); next.Cancelled() || !next.held.Load() {
			t.Error("the next one gets no turn")
		} else {
			next.end()
		}
		if !stuck.Cancelled() {
			t.Error("it is not told to end")
		}
		stuck.end()
		if !l.turns.TryAcquire(1) || l.turns.TryAcquire(1) {
			t.Error("a turn is lost, or given back twice")
		}
	})
}

func TestAShortEvaluationNeedsNoTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := laneOf(1, defaultPatience)
		ctx, cancel := context.WithCancel(t.Context())
		long := make(chan int)
		go func() { long <- work(ctx, l) }()
		time.Sleep(time.Second)
		short := l.newTurn(t.Context())
		for range 100 {
			began := time.Now()
			if short.Cancelled() || time.Since(began) > 0 || short.held.Load() {
				t.Fatalf("stopped or kept waiting")
			}
			time.Sleep(defaultPatience / 200)
		}
		short.end()
		cancel()
		<-long
	})
}

func TestWaitingForATurnEndsWithTheTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := engine(t, Deny, map[string]string{"a": `violation contains "x" if count(netpol.open({"from": {}, "to": {}})) < 0`})
		e.lane = laneOf(1, 0)
		if !e.lane.turns.TryAcquire(1) {
			t.Fatal("no turn")
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began := time.Now()
		_, err := e.Evaluate(ctx, anyPod(t))
		if took := time.Since(began); !errors.Is(err, context.DeadlineExceeded) || took != time.Second {
			t.Errorf("%v after %s", err, took)
		}
		e.lane.turns.Release(1)
		if _, err := e.Evaluate(t.Context(), anyPod(t)); err != nil {
			t.Errorf("with a turn free: %v", err)
		}
	})
}

func TestATurnIsGivenBackOnEveryWayOut(t *testing.T) {
	slow := "numbers.range(1, 20000)"
	for name, c := range map[string]struct {
		body, says string
		memory     uint64
		broken     bool
	}{
		"decision": {body: `violation contains "x" if count(` + slow + `) > 1`},
		"error":    {body: `violation contains "x" if { some i in numbers.range(1, 100); 1 / (i - 70) > 2 }`, says: "divide by zero"},
		"deadline": {body: `violation contains "x" if { some i in ` + slow + `; some j in ` + slow + `; i + j < 0 }`, says: "out of time"},
		"memory":   {body: `violation contains "x" if { some i in ` + slow + `; some j in ` + slow + `; i + j < 0 }`, memory: 4, says: "out of memory"},
		"panic":    {body: `violation contains "x" if count(netpol.open({"from": {}, "to": {}})) > 0`, broken: true, says: "panic"},
	} {
		t.Run(name, func(t *testing.T) {
			e := engine(t, Deny, map[string]string{"a": c.body})
			e.lane = laneOf(1, 0)
			if c.memory > 0 {
				e.lane.memory = c.memory
			}
			r := anyPod(t)
			if c.broken {
				r.After = nil
			}
			limit := time.Minute
			if name == "deadline" {
				limit = 100 * time.Millisecond
			}
			ctx, cancel := context.WithTimeout(t.Context(), limit)
			defer cancel()
			_, err := e.Evaluate(ctx, r)
			if (err == nil) != (c.says == "") || (err != nil && !strings.Contains(err.Error(), c.says)) {
				t.Errorf("error %v, want one that says %q", err, c.says)
			}
			if !e.lane.turns.TryAcquire(1) {
				t.Fatal("the turn is lost")
			}
			ctx, cancel = context.WithTimeout(t.Context(), 20*time.Millisecond)
			defer cancel()
			if _, err := e.Evaluate(ctx, r); !errors.Is(err, context.DeadlineExceeded) {
				t.Error("it takes no turn, so that this shows nothing")
			}
		})
	}
}

// A review that the machine or the collector held up has not worked long.
func TestAPauseIsNoWork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := laneOf(1, defaultPatience)
		if !l.turns.TryAcquire(1) {
			t.Fatal("no turn")
		}
		short := l.newTurn(t.Context())
		defer short.end()
		short.Cancelled()
		time.Sleep(time.Second)
		began := time.Now()
		for range 2 * maxStride {
			if short.Cancelled() {
				t.Fatal("stopped")
			}
		}
		if short.held.Load() || time.Since(began) > 0 {
			t.Error("it needed a turn")
		}
	})
}

// Whether there is memory is asked for each guardrail: the next may need less.
func TestMemoryEndsOneGuardrail(t *testing.T) {
	e := engine(t, Deny, map[string]string{"a": `violation contains "x" if { some i in numbers.range(1, 200000); i < 0 }`})
	e.lane = laneOf(1, 0)
	e.lane.memory = 4
	_, err := e.Evaluate(t.Context(), anyPod(t))
	var f Failure
	if !errors.As(err, &f) || !errors.Is(err, errMemory) || f.Guardrail != "a" {
		t.Errorf("error %v", err)
	}
	turn := e.lane.newTurn(t.Context())
	defer turn.end()
	turn.ended = errMemory
	if turn.interrupted() || !turn.Cancelled() {
		t.Error("connectivity is interrupted, and what it has found so far would be kept as if it were all")
	}
	if turn.begin(&instance{}) != nil || turn.err() != nil || turn.Cancelled() {
		t.Error("the next guardrail is ended too")
	}
}

// Values that share their parts are small, and without end for whoever writes them out.
func TestWhatSharesItsPartsIsNotWrittenOut(t *testing.T) {
	var chain strings.Builder
	chain.WriteString("x0 := [input.request.uid]\n")
	for i := range 60 {
		chain.WriteString(strings.NewReplacer("NEXT", string(rune('a'+(i+1)/10))+string(rune('0'+(i+1)%10)), "LAST", string(rune('a'+i/10))+string(rune('0'+i%10))).Replace("xNEXT := [xLAST, xLAST]\n"))
	}
	text := strings.Replace(chain.String(), "x0 :=", "xa0 :=", 1)
	for name, body := range map[string]string{
		"reported": text + `violation contains {"msg": "x", "details": xg0}`,
		"asked":    text + `violation contains "x" if netpol.selects({"spec": xg0})`,
	} {
		_, err := engine(t, Deny, map[string]string{name: body}).Evaluate(t.Context(), anyPod(t))
		if err == nil || !strings.Contains(err.Error(), "000000 values") {
			t.Errorf("%s: error %v", name, err)
		}
	}
}

// All guardrails of a review share its time.
func TestAWarningTakesNoTimeFromADenial(t *testing.T) {
	l, err := library(map[string]string{
		"a.rego": metadata + `package guardrails.a` + "\n" + `violation contains "x" if { some i in numbers.range(1, 20000); some j in numbers.range(1, 20000); i + j < 0 }`,
		"b.rego": metadata + `package guardrails.b` + "\n" + `violation contains "no"`,
	})
	if err != nil {
		t.Fatal(err)
	}
	e, err := configure("c", "apiVersion: podcullis.io/v1alpha1\nkind: Guardrails\nguardrails:\n- {name: a, guardrail: a, action: audit}\n- {name: b, guardrail: b, action: deny}\n", l)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	d, err := e.Evaluate(ctx, anyPod(t))
	if err != nil || !d.Denied() || len(d.Failures) != 1 {
		t.Errorf("error %v, denied %v, failures %v", err, d.Denied(), d.Failures)
	}
}
