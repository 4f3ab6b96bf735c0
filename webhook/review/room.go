package review

import (
	"context"
	"sync"
	"time"

	"github.com/podcullis/podcullis/webhook/serving"
)

// modestShare is the part of a room up to which a body does not wait in order.
const modestShare = 16

// room is a number of bytes, and the bodies that are coming into it.
//
// Who finds none waits in line, unread, so that TCP holds the caller back. Nobody goes for
// being slower than others. Who goes, with an answer, is
//
//   - who lets us wait for its bytes (serving.Body.Standing): the slowest of them first;
//   - when all that is taken is taken by those in line, who has the least: else they would
//     wait for each other. With what it has the first in line goes on.
//   - when a small body waits, who waits for room for a large one.
//
// Else somebody is coming or being judged, and gives back what it has by itself.
type room struct {
	size int64

	mu      sync.Mutex
	free    int64
	coming  map[*serving.Body]int64 // what each has of it
	line    map[*serving.Body]turn  // who waits for more of it
	turns   uint64                  // that were given
	changed chan struct{}           // closed when bytes become free
	// inOrder gives what is free to who has most already: one large body that can be judged
	// is worth more than the halves of many. Modest ones take what there is.
	inOrder bool
}

// turn is a body's in the line.
type turn struct {
	modest bool
	number uint64 // of those who began in the same moment one is first
}

func newRoom(size int64, inOrder bool) *room {
	return &room{
		size: size, free: size, inOrder: inOrder, changed: make(chan struct{}),
		coming: map[*serving.Body]int64{}, line: map[*serving.Body]turn{},
	}
}

// take waits until there is room for size bytes more of a body that will have want at most.
func (r *room) take(ctx context.Context, a *serving.Body, size, want int64) error {
	modest := !r.inOrder || want <= r.size/modestShare
	if r.takeNow(a, size, modest) {
		return nil
	}
	a.Queue(r)
	defer r.leaveLine(a)
	for {
		changed, taken := r.tryInLine(a, size, modest)
		if taken {
			a.Resume()
			return nil
		}
		if err := waitForRoom(ctx, a, changed); err != nil {
			return err
		}
	}
}

func (r *room) takeNow(a *serving.Body, size int64, modest bool) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.free < size || (!modest && len(r.line) > 0) {
		return false
	}
	r.takeLocked(a, size)
	return true
}

func (r *room) takeLocked(a *serving.Body, size int64) {
	r.free -= size
	r.coming[a] += size
}

// tryInLine takes what there is when it is a body's turn. Else it sees to it that there
// will be some, and says when to try again.
func (r *room) tryInLine(a *serving.Body, size int64, modest bool) (changed <-chan struct{}, taken bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, waits := r.line[a]; !waits {
		r.turns++
		r.line[a] = turn{modest, r.turns}
	}
	first := r.firstLocked()
	if r.free >= size && (modest || first == a) {
		r.takeLocked(a, size)
		return nil, true
	}
	if r.free < size {
		if goes := r.goesLocked(first, time.Now()); goes != nil {
			goes.Push(serving.ErrPushed) // it may be this one
		}
	}
	return r.changed, false
}

// firstLocked is whose turn it is: who has most of those in line, and of these who has
// been here longest; a modest one only among its like.
func (r *room) firstLocked() *serving.Body {
	var first *serving.Body
	for a := range r.line {
		if first == nil || r.beforeLocked(a, first) {
			first = a
		}
	}
	return first
}

func (r *room) beforeLocked(a, b *serving.Body) bool {
	switch {
	case r.line[a].modest != r.line[b].modest:
		return r.line[b].modest
	case r.coming[a] != r.coming[b]:
		return r.coming[a] > r.coming[b]
	case !a.Start().Equal(b.Start()):
		return a.Start().Before(b.Start())
	}
	return r.line[a].number < r.line[b].number
}

// goesLocked is who has to go for others; nil where somebody will be gone soon anyway.
func (r *room) goesLocked(first *serving.Body, now time.Time) *serving.Body {
	var slowest, guest, last *serving.Body
	var least float64
	here := r.size - r.free // what bodies take that have come, and are being judged
	others := false
	for a, has := range r.coming {
		here -= has
		line, stalled := a.Standing(now)
		switch {
		case stalled:
			if rate, _ := a.Rate(now); slowest == nil || rate < least {
				slowest, least = a, rate
			}
		case line == nil:
			others = true
		case line != any(r): // it is large, and this room is for small ones
			guest = a
		case a != first && (last == nil || r.goesBeforeLocked(a, last)):
			last = a
		}
	}
	switch {
	case slowest != nil:
		return slowest
	case guest != nil:
		return guest
	case others || here > 0:
		return nil
	}
	return last
}

// goesBeforeLocked spares modest ones: what they take helps nobody.
func (r *room) goesBeforeLocked(a, b *serving.Body) bool {
	if r.line[a].modest != r.line[b].modest {
		return r.line[b].modest
	}
	return r.beforeLocked(b, a)
}

func waitForRoom(ctx context.Context, a *serving.Body, changed <-chan struct{}) error {
	again := time.NewTimer(serving.SlowGrace / 4) // somebody may be slow by then
	defer again.Stop()
	select {
	case <-changed:
	case <-again.C:
	case <-a.PushedOut():
		return a.Why()
	case <-ctx.Done():
		return errNoRoom
	}
	return nil
}

// leaveLine lets who is next have its turn.
func (r *room) leaveLine(a *serving.Body) {
	a.Queue(nil)
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.line, a)
	r.wakeLocked()
}

// gone is for a body that comes no more: it is here, or broke off.
func (r *room) gone(a *serving.Body) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.coming, a)
}

func (r *room) giveBack(size int64) {
	if size == 0 {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.free += size
	r.wakeLocked()
}

func (r *room) wakeLocked() {
	if len(r.line) == 0 {
		return
	}
	close(r.changed)
	r.changed = make(chan struct{})
}
