package main

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"
)

const (
	// patience is after how long somebody at a terminal is told that it goes on.
	patience = time.Second
	// beat is how often that is told anew.
	beat = 200 * time.Millisecond
)

// progress is a line on a terminal that is gone in the end.
type progress struct {
	doing string
	total int // 0 where nobody knows

	mu    sync.Mutex
	done  int
	shown bool
	stop  chan struct{}
	ended sync.WaitGroup
}

// progress tells on a terminal that something takes long.
func (p *program) progress(doing string) *progress {
	file, ok := p.stderr.(*os.File)
	if !ok || p.quiet {
		return &progress{doing: doing}
	}
	if info, err := file.Stat(); err != nil || info.Mode()&os.ModeCharDevice == 0 || info.Name() == os.DevNull {
		return &progress{doing: doing}
	}
	return newProgress(file, doing, patience, beat)
}

func newProgress(w io.Writer, doing string, after, every time.Duration) *progress {
	b := &progress{doing: doing, stop: make(chan struct{})}
	b.ended.Go(func() {
		next := time.NewTimer(after)
		defer next.Stop()
		for {
			select {
			case <-b.stop:
				if b.shown {
					fmt.Fprint(w, "\r\x1b[K")
				}
				return
			case <-next.C:
				b.shown = true
				fmt.Fprintf(w, "\r\x1b[K%s", b.text())
				next.Reset(every)
			}
		}
	})
	return b
}

func (b *progress) text() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.total == 0 {
		return b.doing + " ..."
	}
	return fmt.Sprintf("%s: %d of %d objects", b.doing, b.done, b.total)
}

// step tells that one more is done.
func (b *progress) step() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.done++
}

// end takes the line away.
func (b *progress) end() {
	if b.stop != nil {
		close(b.stop)
		b.ended.Wait()
	}
}
