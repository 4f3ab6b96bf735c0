package ledger

import (
	"context"
	"errors"
	"iter"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/podcullis/podcullis/cluster"
)

// Why a change could not be written. All but a denial are to be tried again (429).
var (
	// ErrBusy: too many others came between, for as long as a commit may take.
	ErrBusy = errors.New("other changes came first")
	// ErrTooMany: more changes are in flight than can be judged in every combination.
	ErrTooMany = errors.New("too many changes are in flight")
	// ErrFull: the namespace has used its share of the ledger, or the ledger is full.
	ErrFull = errors.New("the ledger is full")
	// ErrBarrier: the ledger was lost or replaced, and what it held may yet happen.
	ErrBarrier = errors.New("the ledger was lost")
	// ErrUnavailable: it can be neither read nor written.
	ErrUnavailable = errors.New("the ledger cannot be reached")
	// ErrBehind: this replica's snapshot does not hold yet what others have seen.
	ErrBehind = errors.New("this replica is behind")
	// ErrForeign: it has entries by other guardrails, or of another version's schema.
	ErrForeign = errors.New("the ledger is written by another version or other guardrails")
)

// Options are what a Book needs.
type Options struct {
	Store Store
	// Now is the monotonic clock. It may stand still, and never runs ahead.
	Now func() time.Time
	// Random is in [0, 1), for the jitter.
	Random func() float64
	// Replica is this replica's name, Replicas how many there may be.
	Replica  string
	Replicas int
	// Window is after how long no write can land any more; 45 s when zero. Collection is
	// the same for one object of a collection's deletion, 65 s, and Appear how long the
	// pods of a template that changed may still come, 80 s.
	Window, Collection, Appear time.Duration
	// Patience bounds a commit; 1 s when zero.
	Patience time.Duration
	// Poll is how often the object is read when nobody calls Saw; 1 s when zero.
	Poll time.Duration
	// Fresh is set when nothing can be in flight although there is no ledger: then there
	// is no barrier.
	Fresh bool
	// Set is the hash of the guardrails in force.
	Set func() string
	// Resources are all those of entries.
	Resources []string
	// Quorum reads what became of an entry, never out of a cache: a list by the
	// object's name without a resourceVersion.
	Quorum func(context.Context, Entry) (Outcome, error)
	// Newest is the resourceVersion of a list of a resource that is read the same way.
	Newest func(ctx context.Context, resource string) (string, error)
}

// Observation is an object of a watch's event, or of a list, that the snapshot holds by now.
type Observation struct {
	Resource        string
	Ref             cluster.Ref
	UID             types.UID
	ResourceVersion string
	// Deleted is set for a DELETED event, whose object has the resourceVersion of the
	// deletion. It is not for an object that a list does not show any more.
	Deleted     bool
	Terminating bool
	// Bound is set for a pod that has a node.
	Bound bool
}

// Book is one replica's view of the ledger. It is safe for concurrent use.
type Book struct {
	options Options
}

// New makes a Book. It does nothing before Run.
func New(o Options) *Book { return &Book{options: o} }

// Run commits, frees and follows the ledger until ctx ends.
func (b *Book) Run(ctx context.Context) { <-ctx.Done() }

// Observe takes in an event, or an item of a list, that is applied to the snapshot.
func (b *Book) Observe(Observation) {}

// Applied says that the snapshot holds all of a resource up to a resourceVersion: of
// the last event that was applied, or of a bookmark.
func (b *Book) Applied(resource, version string) {}

// Listed says that the snapshot's objects of a resource were, or are about to be,
// replaced by a list of this resourceVersion. Call it before such a snapshot is shown.
func (b *Book) Listed(resource, version string) {}

// Saw takes in the object as a watch showed it, so that a commit needs no read first.
func (b *Book) Saw(Object) {}

// View is what is in flight. Take the snapshot after it.
func (b *Book) View() View { return View{} }

// Commit writes the entry to the ledger and returns nil only when that succeeded. judge
// is called with a view whenever the entry has to be judged against it: first, if seen
// is the zero View, else when others came since. It takes its own snapshot, and its
// error ends the commit and is returned. It may be called several times, never twice at once.
func (b *Book) Commit(ctx context.Context, e Entry, seen View, judge func(View) error) error {
	return ErrUnavailable
}

// Worlds are the combinations of entries in flight that the change has to be judged in,
// each the same before and after: the entries that have happened in that world, in
// order; Appear entries bring a template beside whatever there is, Bind entries lay
// their labels over their pod, before the change and after it. about is the change
// itself: entries of its own object are left out, because it persists only over the
// version that was reviewed, but Bindings, and for a Binding the versions of its pod.
func Worlds(entries []Entry, about Entry) (iter.Seq[[]Entry], error) {
	return func(yield func([]Entry) bool) { yield(nil) }, nil
}

// AllWorlds are those for guardrails that look at more than pairs of namespaces.
func AllWorlds(entries []Entry, about Entry) (iter.Seq[[]Entry], error) {
	return Worlds(entries, about)
}

// Skips reports whether a pod's creation needs no entry, because a template that is
// there counts for pods like it.
func Skips(s *cluster.Snapshot, pod *cluster.Pod, v View) bool { return false }
