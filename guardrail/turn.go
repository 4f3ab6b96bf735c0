package guardrail

import (
	"context"
	"errors"
	"fmt"
	"math"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"
)

// lane is where the long evaluations of one engine take turns. There is one turn
// fewer than processors, so that one is always left to whoever needs it for a
// moment: without that a short review waits behind a long one for as long as Go
// lets a goroutine run, 10 ms. Whoever waits longest is next.
type lane struct {
	turns *semaphore.Weighted
	// behind is the turn of evaluations that nobody waits for: one of them may be within one
	// call of a builtin for a second, and nobody may wait for that. asked is how many others
	// are going on.
	behind *semaphore.Weighted
	asked  atomic.Int64
	// latest is when an evaluation began last, in nanoseconds of Unix time.
	latest atomic.Int64
	// patience is how long an evaluation may work before it needs a turn.
	patience time.Duration
	// memory is the process's limit in bytes: above half of it, long evaluations are ended.
	memory uint64
	// overdue is how many evaluations are, of all guardrails; processors is how many there are.
	overdue    atomic.Int64
	processors int64
}

const (
	// defaultPatience is what hardly any evaluation needs: shipped guardrails take less
	// than a millisecond.
	defaultPatience = 10 * time.Millisecond
	// turnLength is after what time a turn passes on, if somebody waits for it. An
	// evaluation's next turn is twice as long: of many that together take more time than
	// there is, those that came first end, instead of all running out of time at once.
	turnLength = 5 * time.Millisecond
	// backgroundTurn is that of an evaluation that nobody waits for.
	backgroundTurn = time.Millisecond
	// givingWay is for how long an evaluation that nobody waits for lets others go first at
	// each of its turns: beside others that never end it still has a tenth of the time.
	givingWay = 10 * time.Millisecond
	// breath is how long an evaluation with a turn keeps its processor without asking
	// whether somebody else wants it. While no other evaluation began lately, it is longer.
	breath  = 400 * time.Microsecond
	unasked = 2 * time.Millisecond
	// look is how often the clock is looked at, about.
	look   = 100 * time.Microsecond
	lately = 20 * time.Millisecond
	// memoryCheck is how often the heap is looked at.
	memoryCheck = time.Millisecond
	// maxWork is the most that counts as work between two looks: what goes beyond was as
	// likely a pause, of the machine or for the collector, and makes nobody a long evaluation.
	maxWork = defaultPatience / 2
	// maxStride bounds how many calls of Cancelled go by between two looks at the clock.
	maxStride = 8
)

// errMemory ends an evaluation: under action deny that is a refusal.
var errMemory = errors.New("out of memory: with it, more than half of the memory limit (GOMEMLIMIT) is in use")

func newLane() *lane {
	l := &lane{turns: semaphore.NewWeighted(int64(max(1, runtime.GOMAXPROCS(0)-1))), behind: semaphore.NewWeighted(1), patience: defaultPatience, memory: math.MaxUint64, processors: int64(runtime.GOMAXPROCS(0))}
	if limit := debug.SetMemoryLimit(-1); limit < math.MaxInt64 {
		l.memory = uint64(limit)
	}
	return l
}

// turn is how one evaluation heeds its deadline and the others. It is the
// evaluation's topdown.Cancel: OPA asks it at every expression and within the loops
// of some builtins, and connectivity asks it through Options.Interrupted. Nobody who asks
// holds a lock that another evaluation may need, so that waiting here is safe. All
// but Cancel and giveBack is for the one goroutine that evaluates.
type turn struct {
	lane      *lane
	turns     *semaphore.Weighted
	ctx       context.Context
	stop      func() bool
	cancelled atomic.Bool
	asked     atomic.Pointer[instance] // the guardrail that is being evaluated, until it is overdue
	ended     error                    // why a guardrail's evaluation was ended, if not by ctx

	stride, calls int // look at the clock at every stride-th call
	began         time.Time
	worked        time.Duration
	looked        time.Duration // since began, as are the others
	checked       time.Duration
	got           time.Duration // the turn
	slept         time.Duration // when it was given away last
	length        time.Duration // of the next turn
	held          atomic.Bool
	background    bool   // nobody waits for it: its turns stay short
	suspicion     uint64 // bytes on the heap from which on it is worth a collection
}

func (l *lane) newTurn(ctx context.Context) *turn {
	t := &turn{lane: l, turns: l.turns, ctx: ctx, stride: 1, began: time.Now(), length: turnLength}
	l.asked.Add(1)
	l.latest.Store(t.began.UnixNano())
	// One call of a builtin may go on for long after the deadline. It keeps the
	// processor, but nobody waits for its turn.
	t.stop = context.AfterFunc(ctx, func() {
		t.Cancel()
		t.giveBack()
		time.AfterFunc(overdueAfter, t.markOverdue)
	})
	return t
}

// inBackground makes it the turn of an evaluation that nobody waits for. It may go on for
// very long: its turns must not grow, or somebody waits for a whole one.
func (t *turn) inBackground() {
	t.background, t.length, t.turns = true, backgroundTurn, t.lane.behind
	t.lane.asked.Add(-1)
}

// err is why an evaluation was stopped.
func (t *turn) err() error {
	if err := context.Cause(t.ctx); err != nil {
		return fmt.Errorf("out of time: %w", err)
	}
	return t.ended
}

// end ends the evaluation.
func (t *turn) end() {
	t.stop()
	t.giveBack()
	if !t.background {
		t.lane.asked.Add(-1)
	}
}

// interrupted is what connectivity asks. What it has worked out by then is kept with
// the evaluation, so that nothing but the end of its time may interrupt it.
func (t *turn) interrupted() bool {
	if t.calls++; t.calls >= t.stride {
		t.calls = 0
		t.pause()
	}
	return t.over()
}

// over is whether time has run out; it waits for nobody.
func (t *turn) over() bool { return t.cancelled.Load() || t.ctx.Err() != nil }

// Cancel ends the evaluation at its next question.
func (t *turn) Cancel() { t.cancelled.Store(true) }

// Cancelled tells whether to stop. It returns late while others have their turn.
func (t *turn) Cancelled() bool {
	if t.cancelled.Load() || t.ended != nil {
		return true
	}
	if t.calls++; t.calls < t.stride {
		return false
	}
	t.calls = 0
	now, goOn := t.pause()
	if !goOn {
		return true
	}
	// Whoever has hardly worked yet is not the one who took the memory.
	if t.held.Load() && t.worked >= 2*t.lane.patience && now-t.checked >= memoryCheck {
		t.checked = now
		t.ended = t.checkMemory()
	}
	return t.ended != nil
}

func (t *turn) giveBack() {
	if t.held.CompareAndSwap(true, false) {
		t.turns.Release(1)
	}
}

// pause lets others have the processor: for a moment, or for their turn. goOn is false
// when time has run out meanwhile.
func (t *turn) pause() (now time.Duration, goOn bool) {
	now = time.Since(t.began)
	since := now - t.looked
	t.worked += min(since, maxWork)
	switch {
	case since < look/4:
		t.stride = min(2*t.stride, maxStride)
	case since > look/2:
		t.stride = max(t.stride/2, 1)
	}
	t.looked = now
	switch {
	case t.worked < t.lane.patience && !t.background:
		return now, true
	case t.held.Load() && now-t.got < t.length:
		if now-t.slept >= unasked || now-t.slept >= breath && t.lane.frequented(t) {
			t.offer()
		}
		return t.looked, true
	}
	if t.held.Load() && !t.background {
		t.length *= 2
	}
	t.giveBack()
	if t.background {
		t.giveWay()
	}
	goOn = t.take()
	return t.looked, goOn
}

// offer gives the processor away for a moment. To yield (runtime.Gosched) is not enough: the
// scheduler would take this same goroutine up again before it looks at what waits at another
// processor, or at the network. To sleep makes it look there, and costs most where nothing
// waits, half a millisecond: so it is done seldom while nobody has come lately.
func (t *turn) offer() {
	time.Sleep(time.Microsecond)   //nolint:forbidigo // it waits for nothing
	t.looked = time.Since(t.began) // to sleep is no work
	t.slept = t.looked
}

// frequented is whether another evaluation than t's began lately.
func (l *lane) frequented(t *turn) bool {
	latest := l.latest.Load()
	return latest != t.began.UnixNano() && time.Now().UnixNano()-latest < int64(lately)
}

// giveWay waits until nobody else is evaluating, or for a while.
func (t *turn) giveWay() {
	for until := time.Now().Add(givingWay); t.lane.asked.Load() > 0 && !t.over() && time.Now().Before(until); {
		time.Sleep(backgroundTurn / 2) //nolint:forbidigo // whoever ends an evaluation must not have to wake others
	}
}

// take waits for a turn, or for the end of the evaluation's time.
func (t *turn) take() bool {
	if t.turns.Acquire(t.ctx, 1) != nil {
		return false
	}
	t.got = time.Since(t.began)
	t.looked = t.got
	t.held.Store(true)
	if t.over() { // and whoever gives turns back at the end may have been here before
		t.giveBack()
		return false
	}
	return true
}

// checkMemory refuses to go on when too much is live on the heap. OPA bounds no
// evaluation's memory; without this the collector runs without end, at the cost of
// everybody's time, and then comes the kernel. What is live, only a collection
// tells: one that is asked for here comes hardly earlier than by itself.
func (t *turn) checkMemory() error {
	limit := t.lane.memory
	if limit == math.MaxUint64 || heapObjects() <= max(limit/2, t.suspicion) {
		return nil
	}
	runtime.GC()
	live := heapObjects()
	if live > limit/2 {
		return errMemory
	}
	t.suspicion = min(2*live, limit/4*3)
	return nil
}

// heapObjects is how many bytes objects take that are live or not collected yet.
func heapObjects() uint64 {
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}
