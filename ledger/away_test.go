package ledger

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// away is a store that nobody answers for.
type away struct{ asked atomic.Int64 }

func (a *away) Load(context.Context) (Object, error) {
	a.asked.Add(1)
	return Object{}, errors.New("connection refused")
}

func (a *away) Save(ctx context.Context, _ Object) (Object, error)   { return a.Load(ctx) }
func (a *away) Create(ctx context.Context, _ Object) (Object, error) { return a.Load(ctx) }

// An API server that is away is asked again and again, but not without end.
func TestAStoreThatIsAwayIsNotAskedWithoutEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &away{}
		ctx, cancel := context.WithCancel(t.Context())
		b := New(Options{Store: store, Now: time.Now})
		done := make(chan struct{})
		go func() { b.Run(ctx); close(done) }()
		time.Sleep(10 * time.Second)
		cancel()
		<-done
		if n := store.asked.Load(); n < 2 || n > 200 {
			t.Errorf("asked %d times in 10 s, want about %d", n, 10*time.Second/afterFailure)
		}
	})
}
