package logline

import (
	"errors"
	"fmt"
	"io"
	"sync"
	"syscall"
	"time"
)

const (
	// maxBytes is how much waits to be written: seconds of a busy log.
	maxBytes = 1 << 20
	// maxLine is one line; a longer one counts as dropped.
	maxLine = maxBytes / 4
)

// Writer hands lines on in their order, and never makes who writes one wait. When more
// than a bounded number of bytes wait, lines are dropped and counted, and when the log
// flows again a line says how many.
type Writer struct {
	to   io.Writer
	note func(dropped uint64) []byte

	mu      sync.Mutex
	waiting []entry
	size    int
	missing uint64 // dropped since the last note
	dropped uint64 // dropped ever
	// busy is since when one write has been going on or failing: zero when all is well.
	busy   time.Time
	broken error // why the last write failed, if it did
	wake   chan struct{}
	closed bool
	done   chan struct{}
}

// entry is a line, or the note about dropped ones.
type entry struct {
	line []byte
	note uint64
}

// New starts a Writer. note words the line about those that were dropped. Close ends it.
func New(to io.Writer, note func(dropped uint64) []byte) *Writer {
	w := &Writer{to: to, note: note, wake: make(chan struct{}, 1), done: make(chan struct{})}
	go w.run()
	return w
}

// Write takes one line, or drops it. It never fails and never waits.
func (w *Writer) Write(line []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed || len(line) > maxLine || w.size+len(line) > maxBytes {
		w.dropped++
		w.missing++
		return len(line), nil
	}
	w.noteLocked()
	w.addLocked(entry{line: append([]byte(nil), line...)})
	return len(line), nil
}

// noteLocked says how many are missing here, before the next line.
func (w *Writer) noteLocked() {
	if w.missing > 0 {
		w.addLocked(entry{line: w.note(w.missing), note: w.missing})
		w.missing = 0
	}
}

func (w *Writer) addLocked(e entry) {
	w.waiting = append(w.waiting, e)
	w.size += len(e.line)
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

func (w *Writer) run() {
	defer close(w.done)
	for {
		e, ok := w.next()
		if !ok {
			return
		}
		_, err := w.to.Write(e.line)
		w.finished(e, err)
	}
}

// next waits for a line. It returns false at the end.
func (w *Writer) next() (entry, bool) {
	for {
		w.mu.Lock()
		if len(w.waiting) == 0 && w.broken == nil {
			w.noteLocked() // nothing comes after them
		}
		if len(w.waiting) > 0 {
			e := w.waiting[0]
			w.waiting[0] = entry{}
			w.waiting = w.waiting[1:]
			if w.busy.IsZero() {
				w.busy = time.Now()
			}
			w.mu.Unlock()
			return e, true
		}
		closed := w.closed
		w.mu.Unlock()
		if closed {
			return entry{}, false
		}
		<-w.wake
	}
}

// finished counts what became of a line. The bytes are free only now, so that what a
// stuck write holds counts.
func (w *Writer) finished(e entry, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.size -= len(e.line)
	w.broken = err
	switch {
	case err == nil:
		w.busy = time.Time{}
	case e.note > 0:
		w.missing += e.note
	default:
		w.dropped++
		w.missing++
	}
}

// Dropped is how many lines were never written.
func (w *Writer) Dropped() uint64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.dropped
}

// Stuck is an error when nobody has read for so long that nobody will: one write has not
// come back, or the reader is gone. A full disk is no such thing: another process would
// find it as full.
func (w *Writer) Stuck(after time.Duration) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.busy.IsZero() {
		return nil
	}
	since := time.Since(w.busy)
	if since < after || (w.broken != nil && !errors.Is(w.broken, syscall.EPIPE)) {
		return nil
	}
	return fmt.Errorf("nobody has read the log (stderr) for %s, and %d lines are lost", since.Round(time.Second), w.dropped)
}

// Close writes what waits, for at most so long, and ends. It returns false if something is
// left.
func (w *Writer) Close(within time.Duration) bool {
	w.mu.Lock()
	w.closed = true
	w.mu.Unlock()
	select {
	case w.wake <- struct{}{}:
	default:
	}
	select {
	case <-w.done:
		return true
	case <-time.After(within):
		return false
	}
}
