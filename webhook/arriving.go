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
	// errPushed is for a body that had to go for others.
	errPushed = errors.New("there is no room for all reviews that are coming, and others came faster or were first")
	// errEvicted is for one whose connection is needed.
	errEvicted = errors.New("all connections are taken, and this one was the slowest")
)

// arriving is the body of a request on its way. Who claims a length and sends nothing, or
// a byte a second, is done with soon, and is the first to go when others need the room.
type arriving struct {
	body     io.ReadCloser
	deadline func(time.Time) error // of the next reads
	whole    func()                // all of it is here

	unread func() bool // bytes have come that nobody has read yet

	mu     sync.Mutex
	began  time.Time
	limit  time.Time // when all must be here
	got    int64
	window int64 // what of it came in this window
	ends   time.Time
	reads  time.Time     // since when a read waits for the caller
	owed   time.Duration // how long earlier reads of this window did
	total  time.Duration // and all before
	line   *room         // where it waits for room
	queued time.Time     // since when
	// gone is closed when the body has to go, for the reason that pushed is.
	gone   chan struct{}
	pushed error
	done   bool
}

// arrivingOf is a request's body, as the server made it, or for a handler without one.
func arrivingOf(w http.ResponseWriter, r *http.Request) *arriving {
	if a, ok := r.Body.(*arriving); ok {
		return a
	}
	return newArriving(w, r, func() {}, func() bool { return false })
}

func newArriving(w http.ResponseWriter, r *http.Request, whole func(), unread func() bool) *arriving {
	now := time.Now()
	return &arriving{
		body: r.Body, deadline: http.NewResponseController(w).SetReadDeadline, whole: whole, unread: unread,
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

// Read implements io.Reader. Its errors are errSlow, that of push, and those of the
// connection.
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
	took := time.Since(a.reads)
	a.owed, a.total, a.reads = a.owed+took, a.total+took, time.Time{}
	a.got += int64(n)
	a.window += int64(n)
	switch {
	case !errors.Is(err, os.ErrDeadlineExceeded):
	case a.pushed != nil:
		err = a.pushed
	default:
		err = errSlow
	}
	return n, err
}

// open begins a window when the last one has brought enough.
func (a *arriving) open() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.reads = time.Now()
	switch {
	case a.pushed != nil:
		return a.pushed
	case a.done || (a.window < bodyQuantum && !a.ends.IsZero()):
		return nil
	}
	return a.extendLocked()
}

// extendLocked begins a window now.
func (a *arriving) extendLocked() error {
	a.window, a.owed, a.ends = 0, 0, time.Now().Add(bodyWindow)
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
	if a.pushed == nil && !a.done {
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
func (a *arriving) push(why error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.pushed != nil || a.done {
		return
	}
	a.pushed = why
	close(a.gone)
	_ = a.deadline(time.Unix(1, 0)) // a read that waits comes back now
}

// why is what it was pushed for.
func (a *arriving) why() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.pushed
}

// queue says in which room's line it is now, nil for none.
func (a *arriving) queue(r *room) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.line, a.queued = r, time.Now()
}

// inLine says for how long it waits for room.
func (a *arriving) inLine(now time.Time) time.Duration {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.line == nil {
		return 0
	}
	return now.Sub(a.queued)
}

// standing says in which room's line it is, and whether it is stalled: it has let us wait
// for slowGrace without a quantum, or for bodyWindow altogether. Nobody is held to that
// while there is room. Time in which its bytes wait for us is not its own.
func (a *arriving) standing(now time.Time) (line *room, stalled bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.pushed != nil || a.done || a.reads.IsZero() {
		return a.line, false
	}
	waits := now.Sub(a.reads)
	slow := a.window < bodyQuantum && a.owed+waits >= slowGrace
	if !slow && a.total+waits < bodyWindow {
		return a.line, false
	}
	if a.unread() {
		a.owed, a.reads = 0, now
		return a.line, false
	}
	return a.line, true
}

// rate is how many bytes a second have come; mature is false while that says nothing yet,
// and when all is here.
func (a *arriving) rate(now time.Time) (bytesPerSecond float64, mature bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	age := now.Sub(a.began)
	if age < slowGrace || a.done || a.pushed != nil {
		return 0, false
	}
	return float64(a.got) / age.Seconds(), true
}

// Close implements io.Closer.
func (a *arriving) Close() error { return a.body.Close() }
