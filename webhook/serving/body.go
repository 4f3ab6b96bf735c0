package serving

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"sync"
	"time"
)

// A caller has bodyWindow for each BodyQuantum of its body, or for the rest of it: that is
// both how long it may stop and how slow it may be. Nearly every review is smaller than
// one quantum, and an API server sends it together with the header.
const (
	bodyWindow  = 2 * time.Second
	BodyQuantum = 64 << 10
	// SlowGrace is how old a body must be before it may have to go for others.
	SlowGrace = 500 * time.Millisecond
)

var (
	// ErrSlow is for a body that does not come on.
	ErrSlow = errors.New("the body came too slowly: each 64 KiB of it, or the rest, must come within 2s")
	// ErrPushed is for a body that had to go for others.
	ErrPushed = errors.New("there is no room for all reviews that are coming, and others came faster or were first")
	// ErrEvicted is for one whose connection is needed.
	ErrEvicted = errors.New("all connections are taken, and this one was the slowest")
)

// Body is the body of a request on its way. Who claims a length and sends nothing, or
// a byte a second, is done with soon, and is the first to go when others need the room.
type Body struct {
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
	line   any           // where it waits for room
	queued time.Time     // since when
	// gone is closed when the body has to go, for the reason that pushed is.
	gone   chan struct{}
	pushed error
	done   bool
}

// BodyOf is a request's body, as the server made it, or for a handler without one.
func BodyOf(w http.ResponseWriter, r *http.Request) *Body {
	if a, ok := r.Body.(*Body); ok {
		return a
	}
	return NewBody(r.Body, time.Now().Add(readTimeout), http.NewResponseController(w).SetReadDeadline)
}

// NewBody is a body that has to be here by a time; deadline sets that of the next reads.
func NewBody(body io.ReadCloser, limit time.Time, deadline func(time.Time) error) *Body {
	return &Body{
		body: body, deadline: deadline, whole: func() {}, unread: func() bool { return false },
		began: time.Now(), limit: limit, gone: make(chan struct{}),
	}
}

// By says when all of it must be here.
func (a *Body) By(ctx context.Context) {
	if deadline, ok := ctx.Deadline(); ok {
		a.mu.Lock()
		defer a.mu.Unlock()
		if deadline.Before(a.limit) {
			a.limit = deadline
		}
	}
}

// Read implements io.Reader. Its errors are errSlow, that of Push, and those of the
// connection.
func (a *Body) Read(p []byte) (int, error) {
	if err := a.open(); err != nil {
		return 0, err
	}
	n, err := a.body.Read(p)
	if errors.Is(err, io.EOF) {
		a.Finish()
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
		err = ErrSlow
	}
	return n, err
}

// open begins a window when the last one has brought enough.
func (a *Body) open() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.reads = time.Now()
	switch {
	case a.pushed != nil:
		return a.pushed
	case a.done || (a.window < BodyQuantum && !a.ends.IsZero()):
		return nil
	}
	return a.extendLocked()
}

// extendLocked begins a window now.
func (a *Body) extendLocked() error {
	a.window, a.owed, a.ends = 0, 0, time.Now().Add(bodyWindow)
	if a.limit.Before(a.ends) {
		a.ends = a.limit
	}
	if err := a.deadline(a.ends); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	return nil
}

// Resume is for a reader that has let the caller wait.
func (a *Body) Resume() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.pushed == nil && !a.done {
		_ = a.extendLocked() // what is wrong with the connection the next read says
	}
}

// Finish is for when all is here. The caller has nothing more to do: a deadline of its
// reads would end the review while it is being judged.
func (a *Body) Finish() {
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

// Push ends the reading of a body, and the waiting for room for it.
func (a *Body) Push(why error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.pushed != nil || a.done {
		return
	}
	a.pushed = why
	close(a.gone)
	_ = a.deadline(time.Unix(1, 0)) // a read that waits comes back now
}

// Start is when its request came.
func (a *Body) Start() time.Time { return a.began }

// PushedOut is closed when it has to go, for the reason that Why is.
func (a *Body) PushedOut() <-chan struct{} {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.gone
}

// Why is what it was pushed for.
func (a *Body) Why() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.pushed
}

// Queue says in what line for room it is now, nil for none.
func (a *Body) Queue(line any) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.line, a.queued = line, time.Now()
}

// inLine says for how long it waits for room.
func (a *Body) inLine(now time.Time) time.Duration {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.line == nil {
		return 0
	}
	return now.Sub(a.queued)
}

// Standing says in what line it is, and whether it is stalled: it has let us wait
// for SlowGrace without a quantum, or for bodyWindow altogether. Nobody is held to that
// while there is room. Time in which its bytes wait for us is not its own.
func (a *Body) Standing(now time.Time) (line any, stalled bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.pushed != nil || a.done || a.reads.IsZero() {
		return a.line, false
	}
	waits := now.Sub(a.reads)
	slow := a.window < BodyQuantum && a.owed+waits >= SlowGrace
	if !slow && a.total+waits < bodyWindow {
		return a.line, false
	}
	if a.unread() {
		a.owed, a.reads = 0, now
		return a.line, false
	}
	return a.line, true
}

// Rate is how many bytes a second have come; mature is false while that says nothing yet,
// and when all is here.
func (a *Body) Rate(now time.Time) (bytesPerSecond float64, mature bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	age := now.Sub(a.began)
	if age < SlowGrace || a.done || a.pushed != nil {
		return 0, false
	}
	return float64(a.got) / age.Seconds(), true
}

// Close implements io.Closer.
func (a *Body) Close() error { return a.body.Close() }
