package ledger

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"
)

// Book is one replica's part in the ledger. It is safe for concurrent use.
type Book struct {
	options Options

	mu   sync.Mutex
	core *core
	// changed is closed, and made anew, whenever somebody who waits may go on.
	changed chan struct{}
}

// New makes a Book. It does nothing before Run.
func New(o Options) *Book {
	o = o.withDefaults()
	return &Book{options: o, core: newCore(o), changed: make(chan struct{})}
}

// Run commits, frees and follows the ledger until ctx ends.
func (b *Book) Run(ctx context.Context) {
	var loops sync.WaitGroup
	loops.Go(func() { b.loop(ctx, b.store) })
	loops.Go(func() { b.loop(ctx, b.read) })
	if b.options.CatchUp != nil {
		loops.Go(func() { b.loop(ctx, b.catchUp) })
	}
	loops.Wait()
}

// loop does what there is to do, and then waits until that may have changed.
func (b *Book) loop(ctx context.Context, turn func(context.Context) (did bool, at time.Time, changed chan struct{})) {
	for ctx.Err() == nil {
		did, at, changed := turn(ctx)
		if did {
			continue
		}
		timer := time.NewTimer(max(at.Sub(b.options.Now()), time.Millisecond))
		select {
		case <-ctx.Done():
		case <-changed:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// afterFailure is the pause after a call that failed: an API server that is away would be
// asked without end.
const afterFailure = 100 * time.Millisecond

// rest pauses after a call that failed, but for what the store itself has to say.
func rest(ctx context.Context, err error) {
	if err == nil || errors.Is(err, ErrConflict) || errors.Is(err, ErrMissing) {
		return
	}
	timer := time.NewTimer(afterFailure)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// store does the next read or write of the object.
func (b *Book) store(ctx context.Context) (bool, time.Time, chan struct{}) {
	b.mu.Lock()
	s, at := b.core.nextStore(b.options.Now())
	changed := b.changed
	b.mu.Unlock()
	if s.kind == idle {
		return false, at, changed
	}
	ctx, cancel := context.WithTimeout(ctx, b.options.Patience)
	defer cancel()
	object := s.object
	var err error
	if s.kind != load {
		if object.Data, err = s.doc.Encode(); err != nil {
			b.change(func() { b.core.unsendable(b.options.Now(), err) })
			return true, at, changed
		}
	}
	switch s.kind {
	case load:
		var d *Document
		if object, err = b.options.Store.Load(ctx); err == nil {
			d, err = Decode(object.Data)
		}
		b.change(func() { b.core.loaded(b.options.Now(), object, d, err) })
	case save:
		object, err = b.options.Store.Save(ctx, object)
		b.change(func() { b.core.saved(b.options.Now(), object, err) })
	case create:
		object, err = b.options.Store.Create(ctx, object)
		b.change(func() { b.core.saved(b.options.Now(), object, err) })
	}
	rest(ctx, err)
	return true, at, changed
}

// read asks the API server what became of an entry that did not show.
func (b *Book) read(ctx context.Context) (bool, time.Time, chan struct{}) {
	b.mu.Lock()
	r, ok, at := b.core.nextRead(b.options.Now())
	changed := b.changed
	b.mu.Unlock()
	if !ok {
		return false, at, changed
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	if r.entry == nil {
		version, err := b.options.Newest(ctx, r.newest)
		b.change(func() { b.core.readNewest(b.options.Now(), r.newest, parseVersion(version), err) })
		rest(ctx, err)
		return true, at, changed
	}
	outcome, err := Outcome{}, errors.New("there is nobody to ask")
	if b.options.Quorum != nil {
		outcome, err = b.options.Quorum(ctx, *r.entry)
	}
	b.change(func() { b.core.outcome(b.options.Now(), r, outcome, err) })
	rest(ctx, err)
	return true, at, changed
}

// catchUp has the snapshot compared with what is stored, where no event tells how far it is.
func (b *Book) catchUp(ctx context.Context) (bool, time.Time, chan struct{}) {
	b.mu.Lock()
	resource, ok, at := b.core.nextCatchUp(b.options.Now())
	changed := b.changed
	b.mu.Unlock()
	if !ok {
		return false, at, changed
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	err := b.options.CatchUp(ctx, resource)
	b.change(func() { b.core.caughtUp(b.options.Now(), resource) })
	rest(ctx, err)
	return true, at, changed
}

// change does something to the core, and wakes whoever waits.
func (b *Book) change(do func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	do()
	b.wake()
}

func (b *Book) wake() {
	close(b.changed)
	b.changed = make(chan struct{})
}

// Observe takes in an event, or an item of a list, that is applied to the snapshot.
// Applied or Listed says how far that brings the snapshot.
func (b *Book) Observe(o Observation) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.core.observe(b.options.Now(), o) {
		b.wake()
	}
}

// Applied says that the snapshot holds all of a resource up to a resourceVersion: of
// the last event that was applied, or of a bookmark.
func (b *Book) Applied(resource, version string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.core.apply(resource, parseVersion(version))
	if len(b.core.tickets) > 0 {
		b.wake()
	}
}

// Listed says that the snapshot's objects of a resource were, or are about to be,
// replaced by a list of this resourceVersion. Call it before such a snapshot is shown;
// a list can be older than what was known.
func (b *Book) Listed(resource, version string) {
	b.change(func() { b.core.listed(resource, parseVersion(version)) })
}

// Saw takes in the object as a watch showed it, so that a commit needs no read first.
func (b *Book) Saw(o Object) {
	d, err := Decode(o.Data)
	b.change(func() { b.core.saw(b.options.Now(), o, d, err, false) })
}

// View is what is in flight. Take the snapshot after it.
func (b *Book) View() View {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.core.view()
}

// Stats are the figures so far.
func (b *Book) Stats() Stats {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.core.stats
}

// WaitFor waits until a view satisfies the condition, or ctx ends.
func (b *Book) WaitFor(ctx context.Context, condition func(View) bool) bool {
	for {
		b.mu.Lock()
		v, changed := b.core.view(), b.changed
		b.mu.Unlock()
		if condition(v) {
			return true
		}
		select {
		case <-ctx.Done():
			return false
		case <-changed:
		}
	}
}

// Commit writes the entry to the ledger and returns nil only when that succeeded. judge
// is called with a view whenever the entry has to be judged against it: first, if seen
// is the zero View, else when others came since. It takes its own snapshot; its error
// ends the commit and is returned, but ErrUndecided and ErrTooMany, after which it is asked
// again when something has happened. It may be called several times, never twice at once.
//
// After an error the change has to be refused: the ledger forgets it.
func (b *Book) Commit(ctx context.Context, e Entry, seen View, judge func(View) error) error {
	if err := e.validate(); err != nil {
		return err
	}
	timer := time.NewTimer(b.options.Patience)
	defer timer.Stop()
	b.mu.Lock()
	defer b.mu.Unlock()
	t := b.core.begin(b.options.Now(), e, seen)
	defer b.core.giveUp(t) // judge may panic
	b.wake()
	for t.state != ticketDone {
		if v, ok := b.core.toJudge(t); ok {
			err := b.unlocked(func() error { return judge(v) })
			b.core.judged(t, v, err)
			b.wake()
			continue
		}
		if t.state == ticketDone {
			break
		}
		changed := b.changed
		b.mu.Unlock()
		select {
		case <-changed:
			b.mu.Lock()
		case <-timer.C:
			b.mu.Lock()
			b.core.giveUp(t)
		case <-ctx.Done():
			b.mu.Lock()
			b.core.giveUp(t)
		}
	}
	return t.err
}

func (b *Book) unlocked(do func() error) error {
	b.mu.Unlock()
	defer b.mu.Lock()
	return do()
}

// validate reports what makes an entry one that nothing could settle.
func (e Entry) validate() error {
	switch e.Operation {
	case Create, Update, Delete, DeleteCollection, Bind:
	default:
		return fmt.Errorf("ledger: operation %q of %s is none that can be committed", e.Operation, e.Ref)
	}
	switch {
	case e.Ref.Kind == "" || e.Ref.Name == "" || e.Place() == "":
		return fmt.Errorf("ledger: %q names no object", e.Ref)
	case e.Resource == "" || e.UID == "":
		return fmt.Errorf("ledger: %s has no resource or uid, by which it could be settled", e.Ref)
	case e.Operation != Create && e.Operation != Bind && parseVersion(e.Base) == 0:
		return fmt.Errorf("ledger: the base of %s is %q, want a resourceVersion", e.Ref, e.Base)
	case len(e.Content) > 0 && !json.Valid(e.Content), len(e.Before) > 0 && !json.Valid(e.Before):
		return fmt.Errorf("ledger: the content of %s is not JSON", e.Ref)
	}
	return nil
}
