package live

import (
	"sync"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	toolscache "k8s.io/client-go/tools/cache"

	"github.com/podcullis/podcullis/cluster"
)

// event says what an object is now; without api and foreign: gone.
type event struct {
	ref     cluster.Ref
	api     runtime.Object
	foreign *cluster.Foreign
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

// handler puts the events of one kind's informer in the queue.
type handler struct {
	kind  string
	queue *queue
}

// OnAdd implements toolscache.ResourceEventHandler.
func (h *handler) OnAdd(o any, _ bool) { h.put(o) }

// OnUpdate implements toolscache.ResourceEventHandler.
func (h *handler) OnUpdate(old, now any) {
	before, err := meta.Accessor(old)
	after, err2 := meta.Accessor(now)
	if err == nil && err2 == nil && before.GetResourceVersion() != "" && before.GetResourceVersion() == after.GetResourceVersion() {
		return // a periodic resync, not a change
	}
	h.put(now)
}

// OnDelete implements toolscache.ResourceEventHandler.
func (h *handler) OnDelete(o any) {
	// A watch that missed the deletion knows the key for certain, the object not.
	if missed, ok := o.(toolscache.DeletedFinalStateUnknown); ok {
		namespace, name, err := toolscache.SplitMetaNamespaceKey(missed.Key)
		if err == nil {
			h.queue.put(event{ref: h.ref(namespace, name)})
		}
		return
	}
	if m, err := meta.Accessor(o); err == nil {
		h.queue.put(event{ref: h.ref(m.GetNamespace(), m.GetName())})
	}
}

func (h *handler) put(o any) {
	api, ok := o.(runtime.Object)
	if !ok {
		return // informers hold nothing else
	}
	if m, err := meta.Accessor(o); err == nil {
		h.queue.put(event{ref: h.ref(m.GetNamespace(), m.GetName()), api: api})
	}
}

func (h *handler) ref(namespace, name string) cluster.Ref {
	return cluster.Ref{Namespace: namespace, Kind: h.kind, Name: name}
}
