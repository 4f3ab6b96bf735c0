package webhook

import (
	"context"
	"errors"
	"io"
	"net/http"
	"sync"
	"time"
)

const (
	// firstBytes is what is set aside for a body before any of it has come. Most are smaller.
	firstBytes = 8 << 10
	// smallBody is up to where a body takes of the share of small ones.
	smallBody = 64 << 10
	// smallShare is the part of the budget that no large body can take.
	smallShare = 4
	// roomWait is how long a large body waits for slower ones to go.
	roomWait = 2 * slowGrace
)

// errNoRoom is for a body that the budget has no room for.
var errNoRoom = errors.New("too many bytes of reviews are in memory")

// bodies are the bytes of all reviews in memory. What counts is what has come: a
// Content-Length is a claim. When there is no room, whoever sends slowest goes, and small
// bodies have a share of their own, so that no number of large ones keeps them out.
type bodies struct {
	limit int64 // of one body
	small room
	large room
}

// room is a number of bytes, and the bodies that are coming into it.
type room struct {
	mu      sync.Mutex
	free    int64
	coming  map[*arriving]int64 // what each has of it
	changed chan struct{}       // closed when bytes become free
}

func newRoom(size int64) room {
	return room{free: size, coming: map[*arriving]int64{}, changed: make(chan struct{})}
}

func newBodies(budget, limit int64) *bodies {
	small := budget / smallShare
	return &bodies{
		limit: limit,
		small: newRoom(max(small, smallBody)),
		large: newRoom(max(budget-small, limit)),
	}
}

// taken is what one body takes of both rooms.
type taken struct {
	of           *bodies
	small, large int64
}

// read reads a body to its end. What it takes is given back by release, and by read itself
// when it returns an error; then the bytes that have come are returned, too, at most
// smallBody of them, to tell whose review it is.
func (b *bodies) read(ctx context.Context, a *arriving, length int64) (body []byte, release func(), err error) {
	t := &taken{of: b}
	defer func() {
		b.small.gone(a)
		b.large.gone(a)
		if err != nil {
			t.release()
		}
	}()
	want := b.limit + 1 // nobody knows, and one byte more is too many
	if length >= 0 {
		want = length
	}
	for {
		if len(body) == cap(body) {
			if int64(len(body)) == want {
				break
			}
			size := min(want, max(firstBytes, 2*int64(cap(body))))
			if err := t.grow(ctx, a, size); err != nil {
				return body[:min(len(body), smallBody)], nil, err
			}
			body = append(make([]byte, 0, size), body...)
		}
		n, err := a.Read(body[len(body):cap(body)])
		body = body[:len(body)+n]
		switch {
		case errors.Is(err, io.EOF) && int64(len(body)) < length:
			return body[:min(len(body), smallBody)], nil, io.ErrUnexpectedEOF
		case errors.Is(err, io.EOF):
			return body, t.release, nil
		case err != nil:
			return body[:min(len(body), smallBody)], nil, err
		}
	}
	a.finish()
	return body, t.release, nil
}

// grow takes what is missing for size bytes: from the share of small bodies up to
// smallBody, and what is more from the other.
func (t *taken) grow(ctx context.Context, a *arriving, size int64) error {
	if more := min(size, smallBody) - t.small; more > 0 {
		if err := t.of.small.take(ctx, a, more); err != nil {
			return err
		}
		t.small += more
	}
	more := size - smallBody - t.large
	if more <= 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, roomWait)
	defer cancel()
	if err := t.of.large.take(ctx, a, more); err != nil {
		return err
	}
	t.large += more
	return nil
}

func (t *taken) release() {
	t.of.small.giveBack(t.small)
	t.of.large.giveBack(t.large)
	t.small, t.large = 0, 0
}

// take waits until there is room, pushing out what comes slowest.
func (r *room) take(ctx context.Context, a *arriving, size int64) error {
	waited := false
	for {
		r.mu.Lock()
		if r.free >= size {
			r.free -= size
			r.coming[a] += size
			r.mu.Unlock()
			if waited {
				a.resume()
			}
			return nil
		}
		changed := r.changed
		slowest := slowestOf(r.coming, time.Now())
		r.mu.Unlock()

		waited = true
		if slowest != nil {
			slowest.push() // it may be this one
		} // else all is taken by bodies that are here, and that will be judged soon
		if err := waitForRoom(ctx, a, changed); err != nil {
			return err
		}
	}
}

func waitForRoom(ctx context.Context, a *arriving, changed <-chan struct{}) error {
	again := time.NewTimer(slowGrace / 4) // somebody may be slow by then
	defer again.Stop()
	select {
	case <-changed:
	case <-again.C:
	case <-a.gone:
		return errPushed
	case <-ctx.Done():
		return errNoRoom
	}
	return nil
}

// slowestOf is the one that has to go first, nil if it is too early to tell. All of them
// have something to give back.
func slowestOf(coming map[*arriving]int64, now time.Time) *arriving {
	var slowest *arriving
	least := 0.0
	for a := range coming {
		if rate, mature := a.rate(now); mature && (slowest == nil || rate < least) {
			slowest, least = a, rate
		}
	}
	return slowest
}

// gone is for a body that comes no more: it is here, or broke off.
func (r *room) gone(a *arriving) {
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
	close(r.changed)
	r.changed = make(chan struct{})
}

// readBody reads the whole body within the byte budget, which release gives back.
// If it returns false it has answered.
//
// Whoever named the uid of a review gets a denial, which holds under every failurePolicy:
// a body that does not fit, or does not come, must not be a way past the guardrails.
func (h *reviewHandler) readBody(ctx context.Context, w http.ResponseWriter, r *http.Request) (body []byte, release func(), ok bool) {
	a := arrivingOf(w, r)
	a.by(ctx)
	limit := h.options.MaxBodyBytes
	if r.ContentLength > limit {
		head := make([]byte, headBytes)
		n, _ := io.ReadFull(a, head)
		h.tooLarge(w, a, head[:n])
		return nil, nil, false
	}
	body, release, err := h.bodies.read(ctx, a, r.ContentLength)
	switch {
	case err == nil && int64(len(body)) > limit:
		release()
		h.tooLarge(w, a, body)
	case err == nil:
		return body, release, true
	case errors.Is(err, errPushed), errors.Is(err, errNoRoom):
		if errors.Is(err, errNoRoom) {
			discard(a, limit)
		}
		h.overloaded(w, body, err)
	case errors.Is(err, errSlow):
		w.Header().Set("Connection", "close")
		h.refuse(w, identify(body), http.StatusRequestTimeout, rejectedSlowBody, err)
	default:
		h.fail(w, http.StatusBadRequest, rejectedBadRequest, "the body broke off: "+err.Error())
	}
	return nil, nil, false
}

// overloaded is the answer to a review for which there is no room: a denial that clients
// try again by themselves, or, where nobody knows whose review it is, a failed call.
func (h *reviewHandler) overloaded(w http.ResponseWriter, head []byte, cause error) {
	w.Header().Set("Retry-After", "1")
	if errors.Is(cause, errPushed) {
		w.Header().Set("Connection", "close")
	}
	id := identify(head)
	if !id.deniable() {
		h.fail(w, http.StatusServiceUnavailable, rejectedOverloaded, cause.Error())
		return
	}
	h.refuse(w, id, http.StatusTooManyRequests, rejectedOverloaded, cause)
}
