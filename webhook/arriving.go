package webhook

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"sync"
	"time"
)

// A caller has bodyWindow for each bodyQuantum of its body, or for the rest of it: that is
// both how long it may stop and how slow it may be. Nearly every review is smaller than
// one quantum, and an API server sends it together with the header.
const (
	bodyWindow  = 2 * time.Second
	bodyQuantum = 64 << 10
	// slowGrace is how old a body must be before it may have to go for others.
	slowGrace = 500 * time.Millisecond
)

var (
	// errSlow is for a body that does not come on.
	errSlow = errors.New("the body came too slowly: each 64 KiB of it, or the rest, must come within 2s")
	// errPushed is for a body that was slower than others when there was no room for all.
	errPushed = errors.New("there was no room for all bodies, and this one was the slowest")
)

// arriving is the body of a request on its way. Who claims a length and sends nothing, or
// a byte a second, is done with soon, and is the first to go when others need the room.
type arriving struct {
	body     io.ReadCloser
	deadline func(time.Time) error // of the next reads
	whole    func()                // all of it is here

	mu     sync.Mutex
	began  time.Time
	limit  time.Time // when all must be here
	got    int64
	window int64 // what of it came in this window
	ends   time.Time
	// gone is closed when the body has to go for others.
	gone   chan struct{}
	pushed bool
	done   bool
}

// arrivingOf is a request's body, as the server made it, or for a handler without one.
func arrivingOf(w http.ResponseWriter, r *http.Request) *arriving {
	if a, ok := r.Body.(*arriving); ok {
		return a
	}
	return newArriving(w, r, func() {})
}

func newArriving(w http.ResponseWriter, r *http.Request, whole func()) *arriving {
	now := time.Now()
	return &arriving{
		body: r.Body, deadline: http.NewResponseController(w).SetReadDeadline, whole: whole,
		began: now, limit: now.Add(readTimeout), gone: make(chan struct{}),
	}
}

// by says when all of it must be here.
func (a *arriving) by(ctx context.Context) {
	if deadline, ok := ctx.Deadline(); ok {
		a.mu.Lock()
		defer a.mu.Unlock()
		if deadline.Before(a.limit) {
			a.limit = deadline
		}
	}
}

// Read implements io.Reader. Its errors are errSlow, errPushed and those of the connection.
func (a *arriving) Read(p []byte) (int, error) {
	if err := a.open(); err != nil {
		return 0, err
	}
	n, err := a.body.Read(p)
	if errors.Is(err, io.EOF) {
		a.finish()
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.got += int64(n)
	a.window += int64(n)
	switch {
	case !errors.Is(err, os.ErrDeadlineExceeded):
	case a.pushed:
		err = errPushed
	default:
		err = errSlow
	}
	return n, err
}

// open begins a window when the last one has brought enough.
func (a *arriving) open() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case a.pushed:
		return errPushed
	case a.done || (a.window < bodyQuantum && !a.ends.IsZero()):
		return nil
	}
	return a.extendLocked()
}

// extendLocked begins a window now.
func (a *arriving) extendLocked() error {
	a.window, a.ends = 0, time.Now().Add(bodyWindow)
	if a.limit.Before(a.ends) {
		a.ends = a.limit
	}
	if err := a.deadline(a.ends); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	return nil
}

// resume is for a reader that has let the caller wait.
func (a *arriving) resume() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.pushed && !a.done {
		_ = a.extendLocked() // what is wrong with the connection the next read says
	}
}

// finish is for when all is here. The caller has nothing more to do: a deadline of its
// reads would end the review while it is being judged.
func (a *arriving) finish() {
	a.mu.Lock()
	again := a.done
	if !again {
		a.done = true
		_ = a.deadline(time.Time{})
	}
	a.mu.Unlock()
	if !again {
		a.whole() // may ask others for their rate
	}
}

// push ends the reading of a body, and the waiting for room for it.
func (a *arriving) push() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.pushed || a.done {
		return
	}
	a.pushed = true
	close(a.gone)
	_ = a.deadline(time.Unix(1, 0)) // a read that waits comes back now
}

// rate is how many bytes a second have come. mature is false while that says nothing yet,
// and when all is here.
func (a *arriving) rate(now time.Time) (bytesPerSecond float64, mature bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	age := now.Sub(a.began)
	if age < slowGrace || a.done || a.pushed {
		return 0, false
	}
	return float64(a.got) / age.Seconds(), true
}

// Close implements io.Closer.
func (a *arriving) Close() error { return a.body.Close() }
