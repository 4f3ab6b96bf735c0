package live

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/metadata"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/podcullis/podcullis/cluster"
)

// Options are what a Model can do without.
type Options struct {
	// Log tells of objects that cannot be read; nil says nothing.
	Log *slog.Logger
	// Reader and Discovery, when both are set, are asked for objects of policy APIs
	// that the model does not understand (cluster.Foreign). The reader must not
	// be a cache: it would watch every one of those APIs. NewDiscovery makes the other.
	Reader    client.Reader
	Discovery Discovery
	// Custom are kinds of other APIs that make pods: they are followed, too. One that
	// is not served has no objects.
	Custom []cluster.Custom
	// Entries is set to follow Services, Ingresses and routes, too. Routes that are not
	// served have no objects.
	Entries bool
	// Documents are kinds of which whole objects are kept, beside what the model needs of them.
	Documents []schema.GroupKind
	// ForeignPeriod is how often the objects are asked for; 0 means every minute. Kinds
	// that are newly served are looked at within seconds.
	ForeignPeriod time.Duration
	// Probe, if set, is asked about each kind all the time, so that Age can tell a
	// quiet watch from one that is cut off; NewProbe makes one.
	Probe Probe
	// ProbePeriod is the pause between two questions about a kind; 0 means 3 s.
	ProbePeriod time.Duration
	// Memory bounds what is remembered of pods and templates that are gone; the zero
	// value remembers nothing.
	Memory cluster.MemoryLimits
	// Bounds are how much an object may hold to be read; zero is the default.
	Bounds cluster.Bounds
	// AskOthers, if set, is asked once for what another replica remembers, when the
	// initial objects are known and before the model is synced. It has 5 s; nil and no
	// error is that nobody is there.
	AskOthers func(context.Context) (*cluster.MemoryCopy, error)
	// Observer, if set, is told what is in the snapshot.
	Observer Observer
	// Metadata, if set, is asked by CatchUp.
	Metadata metadata.Interface
}

// Model is the model of a running cluster. Its methods are safe for concurrent use.
type Model struct {
	source    Source
	kinds     []kind
	log       *slog.Logger
	foreign   *foreignWatch // nil without a reader
	freshness *freshness    // nil without a probe

	queue  queue
	now    atomic.Pointer[generation]
	synced chan struct{} // closed once the initial objects are in the snapshot

	trim     toolscache.TransformFunc // of the kinds that cluster.FromAPI knows
	feeds    map[string]*feed         // by resource
	metadata metadata.Interface
	journal  journal

	askOthers func(context.Context) (*cluster.MemoryCopy, error) // see Options
	copied    *cluster.MemoryCopy                                // what they said; the applier's once the queue is open

	// The following belong to the applier.
	fromAPI    func(runtime.Object) (cluster.Object, error)
	complaints map[cluster.Ref]string // the last error of each object that has one
	limits     cluster.MemoryLimits
	memory     *cluster.Memory // nil until the initial objects are in the snapshot
	observer   Observer
	unapplied  map[cluster.Ref]struct{} // what the snapshot does not hold as it is
}

// generation is a snapshot and the end of its time as the newest one.
type generation struct {
	snapshot   *cluster.Snapshot
	superseded chan struct{}
}

// New makes a model of what a source tells. The caller starts it.
func New(source Source, opts Options) *Model {
	m := &Model{
		source:     source,
		kinds:      kindsOf(opts),
		log:        opts.Log,
		queue:      queue{wake: make(chan struct{}, 1)},
		synced:     make(chan struct{}),
		fromAPI:    reader(opts.Bounds),
		trim:       trimmer(opts.Bounds, opts.Documents),
		complaints: map[cluster.Ref]string{},
		limits:     opts.Memory,
		askOthers:  opts.AskOthers,
		observer:   opts.Observer,
		unapplied:  map[cluster.Ref]struct{}{},
		feeds:      map[string]*feed{},
		metadata:   opts.Metadata,
	}
	for _, k := range m.kinds {
		f := newFeed(k.name, &m.queue, m.trim)
		f.version, f.resource, f.listens = k.resource, k.resource.GroupResource().String(), m.observer != nil
		if k.other != nil {
			f.trim, f.now = k.other.trim, k.other.now
		}
		m.feeds[f.resource] = f
	}
	if m.log == nil {
		m.log = slog.New(slog.DiscardHandler)
	}
	if opts.Reader != nil && opts.Discovery != nil {
		m.foreign = newForeignWatch(opts, m.log)
	}
	if opts.Probe != nil {
		m.freshness = newFreshness(opts, m.log)
	}
	m.now.Store(&generation{snapshot: &cluster.Snapshot{}, superseded: make(chan struct{})})
	return m
}

func kindsOf(opts Options) []kind {
	out := append(kinds(), customKinds(opts.Custom)...)
	if opts.Entries {
		out = append(out, entryKinds()...)
	}
	return out
}

func (m *Model) listWatch(k kind) (*toolscache.ListWatch, error) {
	if k.other != nil {
		return k.other.listWatch(m.source, k.resource)
	}
	return m.source(k.resource)
}

// Snapshot is the newest snapshot; the empty cluster before Synced.
func (m *Model) Snapshot() *cluster.Snapshot { return m.now.Load().snapshot }

// Synced reports whether every watch has listed its objects and they are in the
// snapshot. It does not become false again; see Age.
func (m *Model) Synced() bool {
	select {
	case <-m.synced:
		return true
	default:
		return false
	}
}

// Age is for how long the model may be out of date: what the API server had
// stored and was ready to tell longer ago than that is in the snapshot. kind is
// the one of which least is known. Where all is well the age swings between
// nothing and the probe's period and second. Without a Probe it is always 0.
func (m *Model) Age() (age time.Duration, kind string) {
	if m.freshness == nil {
		return 0, ""
	}
	return m.freshness.age()
}

// UnreadPolicyKinds is how many kinds of other policy APIs are served and cannot be
// read: each counts as if an object were there that may do all that the kind can do.
func (m *Model) UnreadPolicyKinds() int {
	if m.foreign == nil {
		return 0
	}
	return int(m.foreign.unread.Load())
}

// WaitFor waits until the model is synced and a snapshot meets the condition,
// and reports whether that came before the end of ctx. It sees the newest
// snapshot, not each one.
func (m *Model) WaitFor(ctx context.Context, condition func(*cluster.Snapshot) bool) bool {
	select {
	case <-m.synced:
	case <-ctx.Done():
		return false
	}
	for {
		now := m.now.Load()
		if condition(now.snapshot) {
			return true
		}
		select {
		case <-now.superseded:
		case <-ctx.Done():
			return false
		}
	}
}

// publish makes a snapshot the newest one, with what is remembered beside it.
func (m *Model) publish(s *cluster.Snapshot) {
	if m.memory != nil {
		m.memory = m.memory.After(s, time.Now())
		s = s.WithMemory(m.memory)
	}
	old := m.now.Swap(&generation{snapshot: s, superseded: make(chan struct{})})
	close(old.superseded)
}

// NeedLeaderElection implements manager.LeaderElectionRunnable: every replica
// needs a model.
func (m *Model) NeedLeaderElection() bool { return false }

// Start implements manager.Runnable: it follows the cluster until ctx ends. It
// may be called once. The error is that of a kind that the source does not have.
func (m *Model) Start(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	var background sync.WaitGroup
	defer background.Wait()
	defer cancel()

	var initial []<-chan struct{}
	for _, k := range m.kinds {
		lw, err := m.listWatch(k)
		if err != nil {
			return err
		}
		f := m.feeds[k.resource.GroupResource().String()]
		initial = append(initial, f.listed)
		reflector := f.reflector(lw, k.object, m.log)
		if m.freshness != nil {
			m.freshness.begin(k.name)
			background.Go(func() { m.freshness.follow(ctx, k, reflector, &m.queue) })
		}
		background.Go(func() { f.run(ctx, reflector) })
	}
	looked := make(chan struct{})
	if m.foreign == nil {
		close(looked)
	} else {
		background.Go(func() { m.foreign.run(ctx, &m.queue, looked) })
	}
	background.Go(func() {
		for _, known := range append(initial, looked) {
			select {
			case <-known:
			case <-ctx.Done():
				return
			}
		}
		m.copyMemory(ctx)
		m.queue.open()
	})
	m.follow(ctx)
	return nil
}
