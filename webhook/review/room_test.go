package review

import (
	"context"
	"errors"
	"io"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/podcullis/podcullis/webhook/serving"
)

// sender is a body whose bytes come when the test sends them.
type sender struct {
	*serving.Body
	length int64
	chunks chan int64
	left   int64 // of a chunk
	cut    chan struct{}
	result chan error
	free   func()
}

// newSender is one that ends with the test.
func newSender(t *testing.T, b *bodies, length int64) *sender {
	s := &sender{length: length, chunks: make(chan int64, 100), cut: make(chan struct{}), result: make(chan error, 1)}
	s.Body = serving.NewBody(io.NopCloser(readerFunc(s.read)), time.Now().Add(time.Hour), func(end time.Time) error {
		if !end.IsZero() && !end.After(time.Now()) {
			close(s.cut)
		}
		return nil
	})
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(func() {
		cancel()
		close(s.chunks)
	})
	go func() {
		_, free, err := b.read(ctx, s.Body, s.length)
		s.free = free
		s.result <- err
	}()
	return s
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

func (s *sender) read(p []byte) (int, error) {
	for s.left == 0 {
		select {
		case n, more := <-s.chunks:
			if !more {
				return 0, io.ErrUnexpectedEOF
			}
			s.left = n
		case <-s.cut:
			return 0, os.ErrDeadlineExceeded
		}
	}
	n := min(int64(len(p)), s.left)
	s.left -= n
	return int(n), nil
}

func (s *sender) send(size int64) { s.chunks <- size }

func (s *sender) outcome() string {
	select {
	case err := <-s.result:
		switch {
		case err == nil:
			return "here"
		case errors.Is(err, errNoRoom):
			return "no room"
		default:
			return "gone"
		}
	default:
		return "coming"
	}
}

const mebibyte = 1 << 20

// Eight senders, each as large as half of the room, come at the same pace. They do not
// wait for each other without end, and who has begun is not pushed out by who comes.
func TestLargeBodiesDoNotWaitForEachOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBodies(8*mebibyte, 4*mebibyte)
		var senders []*sender
		for range 8 {
			s := newSender(t, b, 3*mebibyte)
			s.send(mebibyte)
			senders = append(senders, s)
		}
		synctest.Wait()
		for _, s := range senders {
			s.send(2 * mebibyte)
		}
		synctest.Wait()
		got := map[string]int{}
		for _, s := range senders {
			got[s.outcome()]++
		}
		if got["here"] == 0 {
			t.Errorf("%v: nobody is here", got)
		}
	})
}

// Who is read at a good pace stays, however long others wait, and however much faster they came.
func TestWhoComesOnIsNotPushed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBodies(8*mebibyte, 4*mebibyte) // 6 MiB for large ones
		steady := newSender(t, b, 4*mebibyte)
		steady.send(3 * mebibyte) // which takes all 4
		synctest.Wait()
		fast := newSender(t, b, 3*mebibyte)
		fast.send(fast.length)
		for range 4 { // in 1.6 s
			steady.send(serving.BodyQuantum)
			time.Sleep(400 * time.Millisecond)
			synctest.Wait()
		}
		if got := steady.outcome(); got != "coming" {
			t.Errorf("the steady one is %s", got)
		}
		steady.send(steady.length)
		synctest.Wait()
		pushed := steady.Why()
		if got := steady.outcome(); got != "here" || pushed != nil {
			t.Fatalf("the steady one is %s, %v", got, pushed)
		}
		steady.free()
		synctest.Wait()
		if got := fast.outcome(); got != "here" {
			t.Errorf("the fast one is %s", got)
		}
	})
}

// Who stops goes as soon as somebody else waits.
func TestWhoStopsGoesForOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBodies(8*mebibyte, 4*mebibyte)
		stopped := newSender(t, b, 4*mebibyte)
		stopped.send(3 * mebibyte)
		synctest.Wait()
		other := newSender(t, b, 3*mebibyte)
		other.send(other.length)
		time.Sleep(2 * serving.SlowGrace)
		synctest.Wait()
		if a, b := stopped.outcome(), other.outcome(); a != "gone" || b != "here" {
			t.Errorf("who stopped is %s, the other %s", a, b)
		}
	})
}

// Who comes on, but takes longer than all of a body should, goes when others wait.
func TestWhoComesOnForTooLongGoesForOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBodies(8*mebibyte, 4*mebibyte)
		steady := newSender(t, b, 4*mebibyte)
		steady.send(3 * mebibyte)
		synctest.Wait()
		other := newSender(t, b, 3*mebibyte)
		for range 7 { // in 2.8 s
			steady.send(serving.BodyQuantum)
			time.Sleep(400 * time.Millisecond)
			synctest.Wait()
		}
		if got := steady.outcome(); got != "coming" {
			t.Errorf("while nobody waits it is %s", got)
		}
		other.send(other.length)
		for range 3 {
			steady.send(serving.BodyQuantum)
			time.Sleep(serving.SlowGrace / 2)
			synctest.Wait()
		}
		if a, b := steady.outcome(), other.outcome(); a != "gone" || b != "here" {
			t.Errorf("the steady one is %s, the other %s", a, b)
		}
	})
}

// The first in line wants more than there is. A modest body does not wait for that.
func TestModestBodiesPassTheLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBodies(64*mebibyte, 32*mebibyte) // 48 MiB for large ones
		judged := newSender(t, b, 30*mebibyte)
		judged.send(judged.length)
		synctest.Wait()
		waits := newSender(t, b, 30*mebibyte)
		waits.send(waits.length)
		synctest.Wait()
		modest := newSender(t, b, mebibyte)
		modest.send(modest.length)
		synctest.Wait()
		if a, b, c := judged.outcome(), waits.outcome(), modest.outcome(); a != "here" || b != "coming" || c != "here" {
			t.Errorf("judged is %s, who waits %s, the modest one %s", a, b, c)
		}
		judged.free()
		synctest.Wait()
		if got := waits.outcome(); got != "here" {
			t.Errorf("who waited is %s", got)
		}
	})
}

// Large ones that wait for room hold nothing that a small one needs.
func TestSmallBodiesWaitBehindNoLargeOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBodies(4*smallBody, 2*mebibyte) // one small body's share
		judged := newSender(t, b, 2*mebibyte)
		judged.send(judged.length)
		synctest.Wait()
		if got := judged.outcome(); got != "here" {
			t.Fatal(got)
		}
		b.small.giveBack(smallBody) // as if it had come in another way
		large := newSender(t, b, mebibyte)
		large.send(large.length)
		synctest.Wait()
		small := newSender(t, b, 1000)
		small.send(small.length)
		synctest.Wait()
		if a, b := large.outcome(), small.outcome(); a != "gone" || b != "here" {
			t.Errorf("the large one is %s, the small one %s", a, b)
		}
	})
}
