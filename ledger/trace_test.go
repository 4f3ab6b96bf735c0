package ledger

import (
	"container/heap"
	"errors"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/podcullis/podcullis/cluster"
)

// trace is a day's work in a cluster, on a virtual clock: two replicas, each a real
// core, and an API server that takes a few milliseconds. It counts what the ledger costs.
type trace struct {
	rng      *rand.Rand
	now      time.Duration
	queue    events
	order    uint64
	revision uint64
	version  uint64
	doc      *Document
	cores    []*core
	waiting  [][]*traced
	wakes    []time.Duration
	written  map[uint64]time.Duration

	creates, skipped, reviews, tooMany, full, busy int
	keys                                           []int
	lives                                          []time.Duration
	waits                                          []time.Duration
}

// traced is one review.
type traced struct {
	entry    Entry
	ticket   *ticket
	begun    time.Duration
	refused  bool // by something after us
	attempts int
	then     func()
}

func (c *trace) at(at time.Duration, do func()) {
	c.order++
	heap.Push(&c.queue, event{max(at, c.now), c.order, do})
}

func (c *trace) after(d time.Duration, do func()) { c.at(c.now+d, do) }

func (c *trace) clock() time.Time { return epoch.Add(c.now) }

func (c *trace) review(v *traced) {
	c.reviews++
	i := c.rng.IntN(len(c.cores))
	v.ticket, v.begun = c.cores[i].begin(c.clock(), v.entry, View{}), c.now
	c.waiting[i] = append(c.waiting[i], v)
	c.after(time.Second, func() {
		c.cores[i].giveUp(v.ticket)
		c.pump(i)
	})
	c.pump(i)
}

func (c *trace) pump(i int) {
	k := c.cores[i]
	for _, v := range slices.Clone(c.waiting[i]) {
		if view, ok := k.toJudge(v.ticket); ok {
			c.after(time.Millisecond, func() {
				c.keys = append(c.keys, keysOf(view, v.entry))
				_, err := view.Worlds(v.entry)
				k.judged(v.ticket, view, err)
				c.pump(i)
			})
		}
	}
	c.waiting[i] = slices.DeleteFunc(c.waiting[i], func(v *traced) bool {
		if v.ticket.state == ticketDone {
			c.answer(v)
		}
		return v.ticket.state == ticketDone
	})
	step, at := k.nextStore(c.clock())
	switch step.kind {
	case load:
		c.after(2*time.Millisecond, func() {
			o, d, err := c.load()
			k.loaded(c.clock(), o, d, err)
			c.pump(i)
		})
		return
	case save, create:
		c.after(2*time.Millisecond, func() {
			o, err := c.save(step)
			c.after(2*time.Millisecond, func() {
				k.saved(c.clock(), o, err)
				c.pump(i)
			})
		})
		return
	}
	if q, ok, due := k.nextRead(c.clock()); !ok {
		at = earlier(at, due)
	} else if q.entry != nil { // none of those that were refused is there
		c.after(2*time.Millisecond, func() {
			k.outcome(c.clock(), q, Outcome{ReadVersion: formatVersion(c.revision)}, nil)
			c.pump(i)
		})
	}
	when := c.now + max(at.Sub(c.clock()), time.Millisecond)
	if c.wakes[i] <= c.now || when < c.wakes[i] {
		c.wakes[i] = when
		c.at(when, func() { c.pump(i) })
	}
}

// keysOf are the objects of the pair of namespaces that has most of them.
func keysOf(v View, about Entry) int {
	places := map[string]map[cluster.Ref]bool{}
	for _, e := range v.Entries {
		if e.Operation == Appear || e.Ref == about.Ref {
			continue
		}
		if places[e.Place()] == nil {
			places[e.Place()] = map[cluster.Ref]bool{}
		}
		places[e.Place()][e.Ref] = true
	}
	most := 0
	for name, keys := range places {
		if name != about.Place() {
			most = max(most, len(keys))
		}
	}
	return most + len(places[about.Place()])
}

func (c *trace) load() (Object, *Document, error) {
	if c.doc == nil {
		return Object{}, nil, ErrMissing
	}
	return Object{UID: "l", Version: formatVersion(c.version)}, c.doc, nil
}

func (c *trace) save(s step) (Object, error) {
	if (s.kind == create) != (c.doc == nil) || (s.kind == save && parseVersion(s.object.Version) != c.version) {
		return Object{}, ErrConflict
	}
	there := map[uint64]bool{}
	for _, e := range s.doc.Entries {
		there[e.ID] = e.Operation != Appear
		if _, ok := c.written[e.ID]; !ok && there[e.ID] {
			c.written[e.ID] = c.now
		}
	}
	for id, at := range c.written {
		if !there[id] {
			c.lives = append(c.lives, c.now-at)
			delete(c.written, id)
		}
	}
	c.revision++
	c.version, c.doc = c.revision, s.doc
	o, d, _ := c.load()
	for i := range c.cores {
		c.after(3*time.Millisecond, func() {
			c.cores[i].saw(c.clock(), o, d, nil, false)
			c.pump(i)
		})
	}
	return o, nil
}

func (c *trace) answer(v *traced) {
	c.waits = append(c.waits, c.now-v.begun)
	if err := v.ticket.err; err != nil {
		switch {
		case errors.Is(err, ErrTooMany):
			c.tooMany++
		case errors.Is(err, ErrFull):
			c.full++
		default:
			c.busy++
		}
		if v.attempts++; v.attempts < 10 { // client-go waits a second and tries again
			again := &traced{entry: v.entry, refused: v.refused, attempts: v.attempts, then: v.then}
			c.after(time.Second, func() { c.review(again) })
			return
		}
	}
	if v.ticket.err == nil && !v.refused {
		c.after(4*time.Millisecond, func() { // it is written, and shows
			c.revision++
			o := created(v.entry, c.revision)
			c.after(5*time.Millisecond, func() {
				for i, k := range c.cores {
					k.observe(c.clock(), o)
					k.apply(o.Resource, parseVersion(o.ResourceVersion))
					c.pump(i)
				}
			})
		})
	}
	if v.then != nil {
		v.then()
	}
}

func (c *trace) entry(kind, resource, namespace string, size int) Entry {
	c.order++
	id := strconv.FormatUint(c.order, 10)
	content := `{"metadata":{"labels":{"app":"` + string(make0(size)) + `"}}}`
	return Entry{
		Ref: cluster.Ref{Namespace: namespace, Kind: kind, Name: "object-" + id}, Resource: resource, Operation: Create,
		UID: uidOf(uint32(c.order)), Digest: "0123456789abcdef0123456789abcdef", Content: []byte(content), Set: "",
	}
}

func make0(n int) []byte { return slices.Repeat([]byte("x"), n) }

// TestTraceOfACluster counts on ten minutes with rollouts, operators, bare pods, a
// GitOps sync of 500 objects by ten workers, and loops that a quota refuses.
func TestTraceOfACluster(t *testing.T) {
	const length = 10 * time.Minute
	c := &trace{rng: rand.New(rand.NewPCG(1, 2)), written: map[uint64]time.Duration{}}
	for range 2 {
		c.cores = append(c.cores, newCore(Options{Fresh: true, Replicas: 2, Random: c.rng.Float64}))
	}
	c.waiting, c.wakes = make([][]*traced, 2), make([]time.Duration, 2)
	c.pump(0)
	c.pump(1)
	namespace := func(n int) string { return "team-" + strconv.Itoa(c.rng.IntN(n)) }
	every := func(from, d time.Duration, do func()) {
		var turn func()
		turn = func() {
			if c.now < length {
				do()
				c.after(time.Duration(c.rng.Int64N(int64(2*d))), turn)
			}
		}
		c.at(from, turn)
	}
	pods := func(n int, d time.Duration) { // of a template that shows
		for i := range n {
			c.after(time.Duration(i)*d, func() { c.creates++; c.skipped++ })
		}
	}
	// Rollouts: a ReplicaSet, and its pods a moment later; and pods that come and go.
	every(time.Second, 1500*time.Millisecond, func() {
		c.review(&traced{entry: c.entry("ReplicaSet", "replicasets.apps", namespace(40), 300), then: func() { pods(10, 50*time.Millisecond) }})
	})
	every(time.Second, 500*time.Millisecond, func() { pods(1, 0) })
	pod := func(ns string, refused bool) {
		c.creates++
		c.review(&traced{entry: c.entry("Pod", "pods", ns, 200), refused: refused})
	}
	every(time.Second, 10*time.Second, func() { pod("operators", false) })
	every(time.Second, 20*time.Second, func() { pod("ci-"+strconv.Itoa(c.rng.IntN(5)), false) })
	// Quota: a ReplicaSet's pods are of a known class and are written nowhere; a loop of
	// bare pods, with the backoff of a controller, is.
	every(time.Second, time.Second, func() { pods(1, 0) })
	every(time.Second, 30*time.Second, func() { pod("exhausted", true) })
	// A sync: in each of 20 namespaces netpols, templates and labels of the namespace.
	before, syncs := 0, 0
	for _, from := range []time.Duration{2 * time.Minute, 6 * time.Minute} {
		c.at(from, func() {
			before = c.reviews
			left := 500
			var worker func()
			worker = func() {
				if left--; left < 0 {
					return
				}
				ns := "team-" + strconv.Itoa(left/25)
				e := c.entry("NetworkPolicy", "networkpolicies.networking.k8s.io", ns, 600)
				switch {
				case left%25 == 0:
					e.Ref, e.Resource = cluster.Ref{Kind: "Namespace", Name: ns}, "namespaces"
				case left%5 < 2:
					e.Ref.Kind, e.Resource = "Deployment", "deployments.apps"
				case left%5 < 3:
					c.after(15*time.Millisecond, worker) // of a kind that is not judged
					return
				}
				c.review(&traced{entry: e, then: func() { c.after(15*time.Millisecond, worker) }})
			}
			for range 10 {
				worker()
			}
		})
		c.at(from+time.Minute, func() { syncs += c.reviews - before })
	}
	for len(c.queue) > 0 && c.now < length {
		e := heap.Pop(&c.queue).(event)
		c.now = e.at
		e.do()
	}
	var total Stats
	for _, k := range c.cores {
		total.Writes += k.stats.Writes
		total.Conflicts += k.stats.Conflicts
		total.Bytes += k.stats.Bytes
		total.Judgements += k.stats.Judgements
		total.Commits += k.stats.Commits
	}
	slices.Sort(c.keys)
	slices.Sort(c.lives)
	slices.Sort(c.waits)
	share := float64(c.skipped) / float64(c.creates) * 100
	t.Logf("pod creates %d, of which written nowhere %.2f %%", c.creates, share)
	t.Logf("keys in two namespaces p50 %d p99 %d most %d", at(c.keys, 50), at(c.keys, 99), at(c.keys, 100))
	t.Logf("reviews with an entry %d, 429s per 1,000: %.1f (too many %d, full %d, busy %d)", c.reviews,
		float64(c.tooMany+c.full+c.busy)/float64(c.reviews)*1000, c.tooMany, c.full, c.busy)
	t.Logf("commits %d, writes %d, conflicts %d: %.2f writes and %.2f judgements a commit", total.Commits, total.Writes, total.Conflicts,
		float64(total.Writes)/float64(total.Commits), float64(total.Judgements)/float64(total.Commits))
	t.Logf("bytes a second to etcd %.0f", float64(total.Bytes)/length.Seconds())
	t.Logf("life of an entry p50 %v p99 %v; a review waits p50 %v p99 %v", at(c.lives, 50), at(c.lives, 99), at(c.waits, 50), at(c.waits, 99))
	if share < 95 {
		t.Errorf("%.2f %% of the pod creates are written nowhere", share)
	}
	if total.Bytes > 256<<10*uint64(length.Seconds()) {
		t.Errorf("%d bytes in %v", total.Bytes, length)
	}
}

func at[T any](sorted []T, percent int) (out T) {
	if len(sorted) == 0 {
		return out
	}
	return sorted[min(len(sorted)-1, len(sorted)*percent/100)]
}
