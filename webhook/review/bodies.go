package review

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/podcullis/podcullis/webhook/serving"
)

const (
	// firstBytes is what is set aside for a body before any of it has come. Most are smaller.
	firstBytes = 8 << 10
	// smallBody is up to where a body takes of the share of small ones.
	smallBody = 64 << 10
	// smallShare is the part of the budget that no large body can take.
	smallShare = 4
	// roomWait is how long a large body waits for others to be judged, and to go.
	roomWait = 4 * serving.SlowGrace
)

// errNoRoom is for a body that the budget has no room for.
var errNoRoom = errors.New("too many bytes of reviews are in memory")

// bodies are the bytes of all reviews in memory. What counts is what has come: a
// Content-Length is a claim. Small bodies have a share of their own, so that no number of
// large ones keeps them out. Who has to go when there is no room, room.go says.
type bodies struct {
	limit int64 // of one body
	small *room
	large *room
}

func newBodies(budget, limit int64) *bodies {
	small := budget / smallShare
	return &bodies{
		limit: limit,
		small: newRoom(max(small, smallBody), false),
		large: newRoom(max(budget-small, limit), true),
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
func (b *bodies) read(ctx context.Context, a *serving.Body, length int64) (body []byte, release func(), err error) {
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
			if err := t.grow(ctx, a, size, want); err != nil {
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
	a.Finish()
	return body, t.release, nil
}

// grow takes what is missing for size bytes: from the share of small bodies up to
// smallBody, and what is more from the other. It will be want bytes at most.
func (t *taken) grow(ctx context.Context, a *serving.Body, size, want int64) error {
	if more := min(size, smallBody) - t.small; more > 0 {
		if err := t.of.small.take(ctx, a, more, want); err != nil {
			return err
		}
		t.small += more
	}
	more := size - smallBody - t.large
	if more <= 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, patienceFor(ctx))
	defer cancel()
	if err := t.of.large.take(ctx, a, more, want); err != nil {
		return err
	}
	t.large += more
	return nil
}

// patienceFor leaves a caller that is short of time half of it for the judge.
func patienceFor(ctx context.Context) time.Duration {
	if deadline, ok := ctx.Deadline(); ok {
		return min(roomWait, time.Until(deadline)/2)
	}
	return roomWait
}

func (t *taken) release() {
	t.of.small.giveBack(t.small)
	t.of.large.giveBack(t.large)
	t.small, t.large = 0, 0
}

// readBody reads the whole body within the byte budget, which release gives back.
// If it returns false it has answered.
//
// Whoever named the uid of a review gets a denial, which holds under every failurePolicy:
// a body that does not fit, or does not come, must not be a way past the guardrails.
func (h *handler) readBody(ctx context.Context, w http.ResponseWriter, r *http.Request) (body []byte, release func(), ok bool) {
	a := serving.BodyOf(w, r)
	a.By(ctx)
	limit := h.options.MaxBodyBytes
	if r.ContentLength > limit {
		head := make([]byte, headBytes)
		n, _ := io.ReadFull(a, head)
		h.tooLarge(w, a, head[:n])
		return nil, nil, false
	}
	body, release, err := h.bodies.read(ctx, a, r.ContentLength)
	if err == nil && int64(len(body)) <= limit {
		return body, release, true
	}
	head := bytes.Clone(body[:min(len(body), headBytes)]) // what else has come is in nobody's memory
	switch {
	case err == nil:
		release()
		h.tooLarge(w, a, head)
	case errors.Is(err, serving.ErrPushed), errors.Is(err, errNoRoom):
		a.Part(w, serving.SlowGrace, limit, func() { h.overloaded(w, head, err) })
	case errors.Is(err, serving.ErrEvicted):
		a.Part(w, 0, 0, func() { h.overloaded(w, head, err) })
	case errors.Is(err, serving.ErrSlow):
		a.Part(w, 0, limit, func() { h.refuse(w, identify(head), http.StatusRequestTimeout, rejectedSlowBody, err) })
	default:
		h.fail(w, http.StatusBadRequest, rejectedBadRequest, "the body broke off: "+err.Error())
	}
	return nil, nil, false
}

// overloaded is the answer to a review for which there is no room: a denial that clients
// try again by themselves, or, where nobody knows whose review it is, a failed call.
func (h *handler) overloaded(w http.ResponseWriter, head []byte, cause error) {
	w.Header().Set("Retry-After", "1")
	id := identify(head)
	if !id.deniable() {
		h.fail(w, http.StatusServiceUnavailable, rejectedOverloaded, cause.Error())
		return
	}
	h.refuse(w, id, http.StatusTooManyRequests, rejectedOverloaded, cause)
}
