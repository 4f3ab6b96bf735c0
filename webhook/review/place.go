package review

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/podcullis/podcullis/internal/span"
)

// place is where one review is decoded and judged: one of a few, so that no burst takes
// all the processors and memory there are.
type place struct {
	handler *handler
	weight  int64 // bytes of a large review

	mu    sync.Mutex
	slot  bool // taken, and ours
	lane  bool // a large review's, of which there are fewer than processors
	heavy bool // the weight is taken, and ours
	over  bool // somebody else has answered: no slot is taken again
}

// enter waits for a place to decode and judge a review of that size. It returns false at
// once if the queue is full, and at the deadline.
func (h *handler) enter(ctx context.Context, size int64) (*place, bool) {
	if h.queued.Add(1) > int64(h.options.MaxInFlight+h.options.MaxQueue) {
		h.queued.Add(-1)
		return nil, false
	}
	p := &place{handler: h}
	if size >= largeReview {
		p.weight = min(size, h.judged) // the largest of all is judged with no other large one
	}
	return p, p.take(ctx)
}

// take waits for the weight and for a slot. A large review takes a slot only when it can
// be judged: small ones pass it, and do not even look at what the large ones wait for
// (Acquire of nothing waits behind those who wait for something). The review counts as
// queued already, and no longer if this returns false.
func (p *place) take(ctx context.Context) bool {
	h := p.handler
	if p.weight > 0 && h.large.Acquire(ctx, p.weight) != nil {
		h.queued.Add(-1)
		return false
	}
	p.mark(&p.heavy, p.weight > 0)
	if p.weight > 0 && h.lanes.Acquire(ctx, 1) != nil {
		h.queued.Add(-1)
		p.release()
		return false
	}
	p.mark(&p.lane, p.weight > 0)
	if h.slots.Acquire(ctx, 1) != nil {
		h.queued.Add(-1)
		p.release()
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.slot = true
	if p.over { // answered while it waited
		p.releaseSlot()
	}
	return !p.over
}

func (p *place) mark(held *bool, taken bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	*held = taken
}

// free gives the slot to somebody else, for good, while the review may still be judged:
// what a large one takes stays counted, because it stays in memory.
func (p *place) free() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.over = true
	p.releaseSlot()
}

// leave gives back all that the review took, when nothing of it is in memory any more.
func (p *place) leave() {
	p.free()
	p.release()
}

// release gives back what is held; it may be taken again.
func (p *place) release() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.releaseSlot()
	if p.heavy {
		p.heavy = false
		p.handler.large.Release(p.weight)
	}
}

func (p *place) releaseSlot() {
	if p.lane {
		p.lane = false
		p.handler.lanes.Release(1)
	}
	if p.slot {
		p.slot = false
		p.handler.slots.Release(1)
		p.handler.queued.Add(-1)
	}
}

type placeKey struct{}

// ErrNoPlace is for a review that gave its place to others while it waited, and got none
// again in time. It has not been judged.
var ErrNoPlace = errors.New("too many reviews are being judged")

// WaitOutside waits for what: it calls wait without the place at which the review of ctx is judged, so that
// others are judged meanwhile, and takes one again before it returns. With an error, which
// wraps ErrNoPlace, there was none by ctx's deadline, and the caller must stop: what has no
// place is not judged, and what is not judged is not allowed. Ask to try again (429).
//
// Where ctx has no place, as where a judge is asked without a server, wait is just called.
func WaitOutside(ctx context.Context, what string, wait func()) error {
	waiting := span.Wait(ctx, "wait for "+what)
	p, ok := ctx.Value(placeKey{}).(*place)
	if !ok {
		wait()
		waiting.End()
		return nil
	}
	p.release()
	wait()
	waiting.End()
	turn := span.Wait(ctx, "wait for a turn")
	defer turn.End()
	p.handler.queued.Add(1) // it was in the queue once, so that none is too long for it
	if !p.take(ctx) {
		return fmt.Errorf("%w, and none of them finished in time; try again", ErrNoPlace)
	}
	return nil
}
