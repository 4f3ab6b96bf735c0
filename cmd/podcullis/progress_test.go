package main

import (
	"bytes"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// What is done within a second is not talked about; what takes longer is, and the line is
// gone in the end.
func TestProgress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out lockedBuffer
		b := newProgress(&out, "judging", patience, beat)
		time.Sleep(patience - time.Millisecond) // the bubble's clock
		b.end()
		if out.String() != "" {
			t.Errorf("said too early: %q", out.String())
		}

		b = newProgress(&out, "judging", patience, beat)
		b.total = 3
		b.step()
		time.Sleep(patience + time.Millisecond) // the bubble's clock
		synctest.Wait()
		if got := out.String(); got != "\r\x1b[Kjudging: 1 of 3 objects" {
			t.Errorf("got %q", got)
		}
		b.end()
		if !strings.HasSuffix(out.String(), "\r\x1b[K") {
			t.Errorf("the line stays: %q", out.String())
		}
	})
	p := &program{stderr: io.Discard}
	p.progress("reading").end() // no terminal: nothing to take away
}
