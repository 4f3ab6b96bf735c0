package live

import (
	"sync"

	"k8s.io/apimachinery/pkg/runtime"

	"github.com/podcullis/podcullis/cluster"
)

// event says what an object is now; without api and foreign: gone.
type event struct {
	ref     cluster.Ref
	api     runtime.Object
	foreign *cluster.Foreign
	write   cluster.Write
	// applied, if set, makes the event a mark that is about no object: it is
	// called when all events before it are in the snapshot.
	applied func()
	// seen is for the observer; nil when there is none, and for what a list does not hold.
	seen *Observation
}

// batch is what gathered between two snapshots.
type batch struct {
	events []event
	// reached is how far each resource is when they are applied.
	reached map[string]string
	// listed are the lists among them, for the observer.
	listed map[string]string
}

// queue gathers events for the applier. It is closed at first, so that the
// initial lists become one batch: a batch costs as much as the namespaces that
// it touches.
type queue struct {
	mu     sync.Mutex
	batch  batch
	opened bool
	wake   chan struct{} // holds a token when there may be something to take
}

func (q *queue) put(events ...event) {
	q.mu.Lock()
	q.batch.events = append(q.batch.events, events...)
	opened := q.opened
	q.mu.Unlock()
	if opened {
		q.signal()
	}
}

// reach says that all events of a resource until a resourceVersion have been put.
func (q *queue) reach(resource, version string) {
	if version == "" || version == notServed {
		return
	}
	q.mu.Lock()
	if q.batch.reached == nil {
		q.batch.reached = map[string]string{}
	}
	q.batch.reached[resource] = version
	opened := q.opened
	q.mu.Unlock()
	if opened {
		q.signal()
	}
}

// list is put for all objects of a resource, as a list has them.
func (q *queue) list(resource, version string, events ...event) {
	q.mu.Lock()
	if q.batch.listed == nil {
		q.batch.listed = map[string]string{}
	}
	q.batch.listed[resource] = version
	q.mu.Unlock()
	q.put(events...)
	q.reach(resource, version)
}

// open lets the applier take what has gathered, and from then on all that comes.
func (q *queue) open() {
	q.mu.Lock()
	q.opened = true
	q.mu.Unlock()
	q.signal()
}

func (q *queue) signal() {
	select {
	case q.wake <- struct{}{}:
	default: // the applier will look anyway
	}
}

// take empties the queue, in the order in which events came.
func (q *queue) take() batch {
	q.mu.Lock()
	defer q.mu.Unlock()
	b := q.batch
	q.batch = batch{}
	return b
}
