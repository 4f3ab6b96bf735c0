package ledger

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/podcullis/podcullis/cluster"
)

// Why a change could not be written. Each is worth another try (429), as its text says.
var (
	// ErrBusy: too many others came between, for as long as a commit may take.
	ErrBusy = errors.New("other changes came first: try again")
	// ErrTooMany: more changes are in flight than can be judged in every combination. A
	// judge that returns it is asked again, as with ErrUndecided.
	ErrTooMany = errors.New("too many changes that matter to this one are in flight: try again when they have happened")
	// ErrUndecided is for a judge to return (wrapped) when the answer depends on what is
	// in flight: it is asked again when some of that has happened, until Patience ends.
	ErrUndecided = errors.New("the answer depends on changes that are in flight: try again when they have happened")
	// ErrFull: the namespace has used its share of the ledger, or the ledger is full.
	ErrFull = errors.New("the ledger of changes in flight is full: try again when some have happened")
	// ErrBarrier: the ledger was lost or replaced, and what it held may yet happen.
	ErrBarrier = errors.New("the ledger of changes in flight was lost, and what it held may yet happen: try again in two minutes")
	// ErrUnavailable: it can be neither read nor written.
	ErrUnavailable = errors.New("the ledger of changes in flight cannot be reached: try again")
	// ErrBehind: this replica's snapshot does not hold yet what others have seen.
	ErrBehind = errors.New("this replica does not know yet what others do: try again")
	// ErrForeign: it has entries by other guardrails, or of another version's schema.
	ErrForeign = errors.New("the ledger is written by another version of Podcullis or with other guardrails: try again when all replicas have the same")
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
	// the same for one object of a collection's deletion, 65 s. Appear is how long the
	// pods of a template that changed may still come: the change may land, show late (15 s
	// in a model that is as old as it may be), and a pod that was let through until then
	// lands after that; 100 s. Barrier is how long nothing is written after the ledger was
	// lost, 100 s, too: it may have held such a change.
	Window, Collection, Appear, Barrier time.Duration
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
	// It is empty for a resource that is not served, of which nothing is in flight.
	Newest func(ctx context.Context, resource string) (string, error)
	// CatchUp compares the snapshot's objects of a resource with those that are stored. If they
	// are the same, Applied is called with the version of that list, and the snapshot
	// is not brought back to what it was before by what a watch tells late. Without
	// it a quiet resource is behind for up to a minute, until a bookmark comes.
	CatchUp func(ctx context.Context, resource string) error
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

// withDefaults fills in what is not set.
func (o Options) withDefaults() Options {
	set := func(d *time.Duration, value time.Duration) {
		if *d == 0 {
			*d = value
		}
	}
	set(&o.Window, 45*time.Second)
	set(&o.Collection, 65*time.Second)
	set(&o.Appear, 100*time.Second)
	set(&o.Barrier, 100*time.Second)
	set(&o.Patience, time.Second)
	set(&o.Poll, time.Second)
	if o.Random == nil {
		o.Random = rand.Float64
	}
	if o.Set == nil {
		o.Set = func() string { return "" }
	}
	return o
}
