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
}

// queue gathers events for the applier. It is closed at first, so that the
// initial lists become one batch: a batch costs as much as the namespaces that
// it touches.
type queue struct {
	mu     sync.Mutex
	events []event
	opened bool
	wake   chan struct{} // holds a token when there may be something to take
}

func (q *queue) put(events ...event) {
	q.mu.Lock()
	q.events = append(q.events, events...)
	opened := q.opened
	q.mu.Unlock()
	if opened {
		q.signal()
	}
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
func (q *queue) take() []event {
	q.mu.Lock()
	defer q.mu.Unlock()
	events := q.events
	q.events = nil
	return events
}
