package live

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	toolscache "k8s.io/client-go/tools/cache"
	"k8s.io/klog/v2"

	"github.com/podcullis/podcullis/cluster"
)

// againAfter is the pause before a list or watch that failed is tried again, and
// jitter makes it up to twice as long; a watch that finds its resourceVersion
// forgotten pauses once more before it lists. It does not grow with each outage, as
// an informer's does, up to a minute: the model would be out of date for that long
// after the API server is back.
const (
	againAfter = time.Second / 2
	jitter     = 1.0
)

// feed puts what a reflector hears of one kind into the queue. It keeps no
// objects, those are in the model, but their names and versions: a new list tells of what
// has gone meanwhile by not holding it. Only the reflector calls it, and catchUp.
type feed struct {
	kind string
	trim toolscache.TransformFunc
	// resource is the kind's for an observer, listens whether there is one.
	resource string
	listens  bool
	version  schema.GroupVersionResource
	// now is the version that is served, for one that may not be served; else nil.
	now func(schema.GroupVersionResource) schema.GroupVersionResource

	queue  *queue
	listed chan struct{} // closed once the first list is in the queue
	once   sync.Once

	mu    sync.Mutex
	known map[types.NamespacedName]uint64 // their resourceVersions; 0 is of one that is no number
	// caught is until where the objects are known to be all there is, although the watch
	// has not told so yet. What it tells of before is history.
	caught uint64
}

var (
	_ toolscache.TransformingStore      = (*feed)(nil)
	_ toolscache.ResourceVersionUpdater = (*feed)(nil)
)

func newFeed(kind string, q *queue, trim toolscache.TransformFunc) *feed {
	return &feed{kind: kind, trim: trim, queue: q, known: map[types.NamespacedName]uint64{}, listed: make(chan struct{})}
}

// reflector makes the feed's reflector. What it has to say itself is dropped:
// attentive and freshness tell what matters, once.
func (f *feed) reflector(lw *toolscache.ListWatch, object runtime.Object, log *slog.Logger) *toolscache.Reflector {
	silence := logr.Discard()
	return toolscache.NewReflectorWithOptions(
		&attentive{ListWatch: lw, kind: f.kind, log: log, last: map[string]string{}}, object, f,
		toolscache.ReflectorOptions{
			Logger: &silence, Name: f.kind,
			Backoff: &wait.Backoff{Duration: againAfter, Jitter: jitter},
		},
	)
}

// run follows the kind until ctx ends.
func (f *feed) run(ctx context.Context, r *toolscache.Reflector) {
	r.RunWithContext(klog.NewContext(ctx, logr.Discard()))
}

// Add implements toolscache.ReflectorStore.
func (f *feed) Add(o any) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.isHistory(o) {
		f.queue.put(f.is(o)...)
	}
	return nil
}

// Update implements toolscache.ReflectorStore.
func (f *feed) Update(o any) error { return f.Add(o) }

// Delete implements toolscache.ReflectorStore.
func (f *feed) Delete(o any) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if m, err := meta.Accessor(o); err == nil && !f.isHistory(o) {
		name := types.NamespacedName{Namespace: m.GetNamespace(), Name: m.GetName()}
		gone := f.gone(name)
		if gone.seen = f.observation(name, m, o); gone.seen != nil {
			gone.seen.Deleted = true
		}
		gone.write = writeOf(m)
		gone.write.Manager, gone.write.At = "", time.Time{} // those of the write before
		f.queue.put(gone)
	}
	return nil
}

// Replace implements toolscache.ReflectorStore: these are all objects of the kind.
func (f *feed) Replace(objects []any, version string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	before := f.known
	f.known, f.caught = make(map[types.NamespacedName]uint64, len(objects)), 0
	events := make([]event, 0, len(objects))
	for _, o := range objects {
		events = append(events, f.is(o)...)
	}
	for name := range before {
		if _, ok := f.known[name]; !ok {
			events = append(events, f.gone(name))
		}
	}
	if f.listens {
		f.queue.list(f.resource, version, events...)
	} else {
		f.queue.put(events...)
	}
	f.once.Do(func() { close(f.listed) })
	return nil
}

// Resync implements toolscache.ReflectorStore; there is nothing to do again.
func (f *feed) Resync() error { return nil }

// Transformer implements toolscache.TransformingStore: a list that is streamed is
// trimmed as it comes.
func (f *feed) Transformer() toolscache.TransformFunc { return f.trim }

// is says what an object is now; nothing if it is none.
func (f *feed) is(o any) []event {
	write := cluster.Write{Seen: time.Now()}
	if m, err := meta.Accessor(o); err == nil {
		write = writeOf(m)
	}
	trimmed, err := f.trim(o)
	api, ok := trimmed.(runtime.Object)
	if err != nil || !ok {
		return nil
	}
	m, err := meta.Accessor(api)
	if err != nil {
		return nil
	}
	name := types.NamespacedName{Namespace: m.GetNamespace(), Name: m.GetName()}
	f.known[name] = versionOf(m.GetResourceVersion())
	if c, ok := api.(*customObject); ok && c.model == nil && c.err == nil {
		return []event{{ref: f.ref(name), write: write, seen: f.observation(name, m, api)}} // without a template it makes no pods of its own
	}
	return []event{{ref: f.ref(name), api: api, write: write, seen: f.observation(name, m, api)}}
}

func (f *feed) gone(name types.NamespacedName) event {
	delete(f.known, name)
	return event{ref: f.ref(name), write: cluster.Write{Seen: time.Now()}}
}

func (f *feed) ref(name types.NamespacedName) cluster.Ref {
	return cluster.Ref{Namespace: name.Namespace, Kind: f.kind, Name: name.Name}
}
