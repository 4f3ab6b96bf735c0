package ledger

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// start runs a book until the test ends.
func start(t testing.TB, o Options) *Book {
	t.Helper()
	b := New(o)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		b.Run(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		<-done
	})
	return b
}

func harmless(View) error { return nil }

func TestCommitIsAllowedOnlyAfterAWrite(t *testing.T) {
	store := NewMemory()
	b := start(t, bookOptions(store))
	e := netpolEntry("shop", "web", "1")
	if err := b.Commit(t.Context(), e, View{}, harmless); err != nil {
		t.Fatal(err)
	}
	o, err := store.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	d, err := Decode(o.Data)
	if err != nil {
		t.Fatal(err)
	}
	if len(d.Entries) != 1 || !d.Entries[0].same(e) || d.Entries[0].Set != "set" {
		t.Errorf("the ledger holds %+v", d.Entries)
	}
	// An event settles it: it is in flight no more, and then it is freed.
	b.Observe(created(e, 17))
	b.Applied(e.Resource, "17")
	if v := b.View(); len(v.Entries) != 0 {
		t.Errorf("in flight after its event: %+v", v.Entries)
	}
	waitFor(t, b, func(Stats) bool {
		o, err := store.Load(t.Context())
		if err != nil {
			return false
		}
		d, err := Decode(o.Data)
		return err == nil && len(d.Entries) == 0 && d.Floors[e.Resource] == Floor{Version: "17", Newest: 2}
	})
}

// waitFor polls a condition that nobody tells of.
func waitFor(t *testing.T, b *Book, condition func(Stats) bool) {
	t.Helper()
	deadline := time.NewTimer(10 * time.Second)
	tick := time.NewTicker(time.Millisecond)
	defer deadline.Stop()
	defer tick.Stop()
	for !condition(b.Stats()) {
		select {
		case <-tick.C:
		case <-deadline.C:
			t.Fatal("it does not come true")
		}
	}
}

func TestADenialEndsACommitAndIsWrittenNowhere(t *testing.T) {
	store := NewMemory()
	b := start(t, bookOptions(store))
	if err := b.Commit(t.Context(), netpolEntry("shop", "a", "1"), View{}, harmless); err != nil {
		t.Fatal(err)
	}
	err := b.Commit(t.Context(), netpolEntry("shop", "b", "2"), View{}, func(v View) error {
		if len(v.Entries) != 1 {
			t.Errorf("judged with %+v", v.Entries)
		}
		return errDenied
	})
	if !errors.Is(err, errDenied) {
		t.Errorf("got %v", err)
	}
	if v := b.View(); len(v.Entries) != 1 {
		t.Errorf("in flight: %+v", v.Entries)
	}
}

func TestWhyACommitFails(t *testing.T) {
	unreachable := errors.New("connection refused")
	full := func(t *testing.T, b *Book) {
		for i := range MaxEntries {
			for errors.Is(b.Commit(t.Context(), netpolEntry("shop", strconv.Itoa(i), strconv.Itoa(i)), View{}, harmless), ErrBusy) {
				continue // the machine is busy, and Patience is short here
			}
		}
		if err := b.Commit(t.Context(), netpolEntry("other", "x", "y"), View{}, harmless); err != nil {
			t.Errorf("another namespace has its own share: %v", err)
		}
	}
	document := func(d *Document) func(*testing.T, *Options) {
		return func(t *testing.T, o *Options) {
			data, err := d.Encode()
			if err != nil {
				t.Fatal(err)
			}
			if _, err := o.Store.Create(t.Context(), Object{Data: data}); err != nil {
				t.Fatal(err)
			}
		}
	}
	foreign := netpolEntry("shop", "web", "1")
	foreign.ID, foreign.Set = 1, "other"
	tests := map[string]struct {
		options func(*testing.T, *Options)
		before  func(*testing.T, *Book)
		want    error
	}{
		"Unreachable": {func(_ *testing.T, o *Options) {
			o.Store = &failing{Store: o.Store, load: func(context.Context) (Object, error) { return Object{}, unreachable }}
		}, nil, ErrUnavailable},
		"Lost":    {func(_ *testing.T, o *Options) { o.Fresh = false }, nil, ErrBarrier},
		"Garbled": {func(t *testing.T, o *Options) { _, _ = o.Store.Create(t.Context(), Object{Data: []byte("{}")}) }, nil, ErrBarrier},
		"OfANewerVersion": {func(t *testing.T, o *Options) {
			_, _ = o.Store.Create(t.Context(), Object{Data: []byte(`{"schema":2}`)})
		}, nil, ErrForeign},
		"OtherGuardrails": {document(&Document{Schema: schema, Sequence: 1, Next: 2, Entries: []Entry{foreign}}), nil, ErrForeign},
		"Behind":          {document(&Document{Schema: schema, Sequence: 1, Next: 1, Floors: map[string]Floor{"pods": {"7", 0}}}), nil, ErrBehind},
		"FullNamespace":   {nil, full, ErrFull},
		"NeverAnAnswer": {func(t *testing.T, o *Options) {
			document(&Document{Schema: schema, Sequence: 1, Next: 1})(t, o)
			o.Store = &failing{Store: o.Store, save: func(ctx context.Context, _ Object) (Object, error) {
				<-ctx.Done()
				return Object{}, ctx.Err()
			}}
		}, nil, ErrBusy},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := bookOptions(NewMemory())
			o.Patience = 300 * time.Millisecond
			if tt.options != nil {
				tt.options(t, &o)
			}
			b := start(t, o)
			if tt.before != nil {
				tt.before(t, b)
			}
			if err := b.Commit(t.Context(), netpolEntry("shop", "last", "last"), View{}, harmless); !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
		})
	}
}

func TestEntriesThatNothingCouldSettle(t *testing.T) {
	good := netpolEntry("shop", "web", "1")
	tests := map[string]func(*Entry){
		"NoUID":        func(e *Entry) { e.UID = "" },
		"NoResource":   func(e *Entry) { e.Resource = "" },
		"NoName":       func(e *Entry) { e.Ref.Name = "" },
		"NoBase":       func(e *Entry) { e.Operation = Update },
		"BaseNoNumber": func(e *Entry) { e.Operation, e.Base = Delete, "x" },
		"Operation":    func(e *Entry) { e.Operation = Barrier },
		"Content":      func(e *Entry) { e.Content = []byte("{") },
	}
	b := New(bookOptions(NewMemory()))
	for name, spoil := range tests {
		e := good
		spoil(&e)
		if err := b.Commit(t.Context(), e, View{}, harmless); err == nil {
			t.Errorf("%s: committed", name)
		}
	}
}

// TestALostAnswerIsReadBack has writes whose answers get lost: what was written counts,
// once, and what was not is written again.
func TestALostAnswerIsReadBack(t *testing.T) {
	for _, written := range []bool{true, false} {
		t.Run(fmt.Sprintf("Written%v", written), func(t *testing.T) {
			store := NewMemory()
			var once sync.Once
			f := &failing{Store: store}
			f.save = func(ctx context.Context, o Object) (out Object, err error) {
				out, err = Object{}, errLost
				lost := false
				once.Do(func() {
					lost = true
					if written {
						_, _ = store.Save(ctx, o)
					}
				})
				if lost {
					return out, err
				}
				return store.Save(ctx, o)
			}
			b := start(t, bookOptions(f))
			if err := b.Commit(t.Context(), netpolEntry("shop", "web", "1"), View{}, harmless); err != nil {
				t.Fatal(err)
			}
			if v := b.View(); len(v.Entries) != 1 {
				t.Errorf("in flight: %+v", v.Entries)
			}
		})
	}
}

// TestReplicasNeverOverlookEachOther has many commits of several replicas at once. Each
// is judged to be harmless only while no other of its pair is in flight: of each pair
// one gets in, never both.
func TestReplicasNeverOverlookEachOther(t *testing.T) {
	const pairs, replicas = 40, 3
	store := NewMemory()
	var books []*Book
	for i := range replicas {
		o := bookOptions(store)
		o.Replica, o.Replicas, o.Patience = strconv.Itoa(i), replicas, 20*time.Second
		books = append(books, start(t, o))
	}
	var allowed [pairs]atomic.Int32
	var version atomic.Uint64
	version.Store(1000)
	var group sync.WaitGroup
	for pair := range pairs {
		for side := range 2 {
			group.Go(func() {
				b := books[rand.IntN(replicas)]
				e := netpolEntry([]string{"a", "b"}[side], strconv.Itoa(pair), fmt.Sprintf("%d/%d", pair, side))
				err := b.Commit(t.Context(), e, View{}, func(v View) error {
					for _, other := range v.Entries {
						if other.Ref.Name == e.Ref.Name && other.UID != e.UID {
							return errUndecided
						}
					}
					if allowed[pair].Load() > 0 { // it has happened: the snapshot shows it
						return errDenied
					}
					return nil
				})
				switch {
				case err == nil:
					allowed[pair].Add(1) // and only then its event
					at := version.Add(1)
					for _, other := range books {
						other.Observe(created(e, at))
						other.Applied(e.Resource, formatVersion(at))
					}
				case !errors.Is(err, errUndecided) && !errors.Is(err, errDenied):
					t.Errorf("pair %d: %v", pair, err)
				}
			})
		}
	}
	group.Wait()
	for pair := range pairs {
		if n := allowed[pair].Load(); n != 1 {
			t.Errorf("of pair %d %d were allowed, want one", pair, n)
		}
	}
}

func TestWaitFor(t *testing.T) {
	b := start(t, bookOptions(NewMemory()))
	e := netpolEntry("shop", "web", "1")
	if err := b.Commit(t.Context(), e, View{}, harmless); err != nil {
		t.Fatal(err)
	}
	gone := make(chan bool)
	go func() { gone <- b.WaitFor(t.Context(), func(v View) bool { return len(v.Entries) == 0 }) }()
	b.Observe(created(e, 5))
	b.Applied(e.Resource, "5")
	if !<-gone {
		t.Error("it does not come back")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if b.WaitFor(ctx, func(View) bool { return false }) {
		t.Error("true without the condition")
	}
}

// TestAJudgeThatPanicsLeavesNothingBehind: the server recovers, and others go on.
func TestAJudgeThatPanicsLeavesNothingBehind(t *testing.T) {
	b := start(t, bookOptions(NewMemory()))
	func() {
		defer func() { _ = recover() }()
		_ = b.Commit(t.Context(), netpolEntry("shop", "a", "1"), View{}, func(View) error { panic("x") })
	}()
	if err := b.Commit(t.Context(), netpolEntry("shop", "b", "2"), View{}, harmless); err != nil {
		t.Fatal(err)
	}
	if v := b.View(); len(v.Entries) != 1 {
		t.Errorf("in flight: %+v", v.Entries)
	}
}

// BenchmarkCommit is of 16 workers over the memory store, with the pause between writes
// that is there for etcd: a commit waits for it, and shares a write.
func BenchmarkCommit(b *testing.B) {
	book := start(b, bookOptions(NewMemory()))
	var serial atomic.Uint64
	b.SetParallelism(16)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			n := serial.Add(1)
			e := netpolEntry("ns"+strconv.FormatUint(n%64, 10), strconv.FormatUint(n, 10), strconv.FormatUint(n, 10))
			if err := book.Commit(b.Context(), e, View{}, harmless); err != nil {
				b.Fatal(err)
			}
			book.Observe(created(e, n))
			book.Applied(e.Resource, formatVersion(n))
		}
	})
	s := book.Stats()
	b.ReportMetric(float64(s.Commits)/float64(max(s.Writes, 1)), "commits/write")
	b.ReportMetric(float64(s.Judgements)/float64(max(s.Commits, 1)), "judgements/commit")
}
