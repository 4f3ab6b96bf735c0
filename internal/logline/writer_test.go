package logline

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

func note(dropped uint64) []byte { return fmt.Appendf(nil, "dropped %d\n", dropped) }

func TestLinesComeInOrderAndAllOfThem(t *testing.T) {
	var out bytes.Buffer
	w := New(&out, note)
	var want strings.Builder
	for i := range 10_000 {
		line := fmt.Sprintf("line %d\n", i)
		want.WriteString(line)
		if n, err := w.Write([]byte(line)); n != len(line) || err != nil {
			t.Fatal(n, err)
		}
	}
	if !w.Close(time.Minute) {
		t.Fatal("not flushed")
	}
	if out.String() != want.String() || w.Dropped() != 0 {
		t.Errorf("%d bytes, want %d; %d dropped", out.Len(), want.Len(), w.Dropped())
	}
}

// valve is a reader that can stop reading.
type valve struct {
	mu     sync.Mutex
	shut   chan struct{}
	writes [][]byte
	err    error
}

func (v *valve) Write(p []byte) (int, error) {
	v.mu.Lock()
	shut, err := v.shut, v.err
	v.mu.Unlock()
	if shut != nil {
		<-shut
	}
	if err != nil {
		return 0, err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.writes = append(v.writes, bytes.Clone(p))
	return len(p), nil
}

func (v *valve) lines() int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return len(v.writes)
}

func TestNobodyWaitsForAReaderThatStopped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := &valve{shut: make(chan struct{})}
		w := New(v, note)
		line := []byte(strings.Repeat("x", 999) + "\n")
		began := time.Now()
		for range 3_000 {
			if n, err := w.Write(line); n != len(line) || err != nil {
				t.Fatal(n, err)
			}
		}
		if took := time.Since(began); took != 0 {
			t.Errorf("writers waited %s", took)
		}
		kept := 3_000 - int(w.Dropped())
		if kept > maxBytes/len(line)+1 || kept < maxBytes/len(line)-1 {
			t.Errorf("%d lines are kept", kept)
		}
		synctest.Wait()
		time.Sleep(29 * time.Second)
		if err := w.Stuck(30 * time.Second); err != nil {
			t.Errorf("too early: %v", err)
		}
		time.Sleep(2 * time.Second)
		if err := w.Stuck(30 * time.Second); err == nil || !strings.Contains(err.Error(), "nobody has read the log (stderr) for 31s") {
			t.Errorf("got %v", err)
		}
		if w.Close(time.Second) {
			t.Error("flushed to nobody")
		}
		close(v.shut)
	})
}

func TestHowManyWereDroppedIsSaidWhenItFlowsAgain(t *testing.T) {
	for name, more := range map[string]int{"AndNothingFollows": 0, "AndMoreFollows": 3} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				v := &valve{shut: make(chan struct{})}
				w := New(v, note)
				line := []byte(strings.Repeat("x", 999) + "\n")
				for range 1_500 {
					_, _ = w.Write(line)
				}
				dropped := w.Dropped()
				v.mu.Lock()
				close(v.shut)
				v.shut = nil
				v.mu.Unlock()
				synctest.Wait()
				for range more {
					_, _ = w.Write(line)
				}
				if !w.Close(time.Minute) || w.Stuck(0) != nil {
					t.Error("still stuck")
				}
				want := 1_500 - int(dropped) + 1 + more
				at := 1_500 - int(dropped)
				if v.lines() != want || string(v.writes[at]) != fmt.Sprintf("dropped %d\n", dropped) || w.Dropped() != dropped {
					t.Errorf("%d lines, want %d; at %d %.40q; %d dropped", v.lines(), want, at, v.writes[at], w.Dropped())
				}
			})
		})
	}
}

func TestAReaderThatIsGoneAndAFullDisk(t *testing.T) {
	for name, tt := range map[string]struct {
		err   error
		stuck bool
	}{"Gone": {&os.PathError{Op: "write", Err: syscall.EPIPE}, true}, "FullDisk": {&os.PathError{Op: "write", Err: syscall.ENOSPC}, false}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				v := &valve{err: tt.err}
				w := New(v, note)
				_, _ = w.Write([]byte("one\n"))
				time.Sleep(time.Minute)
				_, _ = w.Write([]byte("two\n"))
				synctest.Wait()
				if got := w.Stuck(30*time.Second) != nil; got != tt.stuck || w.Dropped() != 2 {
					t.Errorf("stuck %v, %d dropped", got, w.Dropped())
				}
				v.mu.Lock()
				v.err = nil
				v.mu.Unlock()
				_, _ = w.Write([]byte("three\n"))
				w.Close(time.Minute)
				if got := string(bytes.Join(v.writes, nil)); got != "dropped 2\nthree\n" || w.Stuck(0) != nil {
					t.Errorf("wrote %q, stuck %v", got, w.Stuck(0))
				}
			})
		})
	}
}

func TestALineWithoutEndIsDropped(t *testing.T) {
	var out bytes.Buffer
	w := New(&out, note)
	_, _ = w.Write(make([]byte, maxLine+1))
	_, _ = io.WriteString(w, "short\n")
	w.Close(time.Minute)
	_, _ = io.WriteString(w, "after the end\n")
	if out.String() != "dropped 1\nshort\n" || w.Dropped() != 2 {
		t.Errorf("wrote %q, %d dropped", out.String(), w.Dropped())
	}
	if w.Stuck(0) != nil {
		t.Error("stuck")
	}
}
