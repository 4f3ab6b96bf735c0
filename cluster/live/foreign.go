package live

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/url"
	"slices"
	"sync/atomic"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/podcullis/podcullis/cluster"
)

const (
	foreignPeriod  = time.Minute
	servedPeriod   = 2 * time.Second
	foreignRetry   = time.Second      // while there is no API server to ask
	foreignTimeout = 20 * time.Second // for one question
	foreignPage    = 500              // objects
)

// foreignWatch asks now and then which policies of other APIs are there, and in
// which namespaces (cluster.Foreign). One object stands for all of its kind in a
// namespace. Which kinds are served it asks every other second, so that one that
// appears is looked at before it is much used; a watch of their definitions would
// need the right to, and would not tell of aggregated APIs.
//
// A kind that is served and cannot be read is there: it counts for an object that may
// do all that the kind can do.
type foreignWatch struct {
	reader    client.Reader
	discovery Discovery
	period    time.Duration
	log       *slog.Logger

	mark   string
	served map[schema.GroupKind]ServedKind // the policy kinds
	known  map[schema.GroupKind]map[cluster.Ref]*cluster.Foreign
	errors map[schema.GroupKind]string // the last of each kind, logged once
	failed string                      // the last error of discovery
	unread atomic.Int64                // kinds
}

func newForeignWatch(opts Options, log *slog.Logger) *foreignWatch {
	w := &foreignWatch{
		reader: opts.Reader, discovery: opts.Discovery, period: opts.ForeignPeriod, log: log,
		known:  map[schema.GroupKind]map[cluster.Ref]*cluster.Foreign{},
		errors: map[schema.GroupKind]string{},
	}
	if w.period <= 0 {
		w.period = foreignPeriod
	}
	return w
}

// run looks at once, closes looked when an API server has answered, and looks
// again every period until ctx ends; when other kinds are served, at once, and for
// one period all the time.
func (w *foreignWatch) run(ctx context.Context, q *queue, looked chan<- struct{}) {
	var last, eager time.Time // when everything was looked at, and until when it is looked at all the time
	for {
		pause := min(w.period, servedPeriod)
		changed, err := w.discover(ctx)
		if changed {
			eager = time.Now().Add(w.period) // the first objects of a new kind follow it
		}
		due := changed || time.Now().Before(eager) || time.Since(last) >= w.period
		if err == nil && w.mark == "" {
			pause = w.period // each question is a dear one
		}
		switch {
		case w.served == nil: // nobody knows yet what there is to look at
			pause = min(pause, foreignRetry)
		case due:
			events, answered := w.look(ctx)
			q.put(events...)
			if !answered {
				pause, last = min(pause, foreignRetry), time.Time{}
				break
			}
			last = time.Now()
			if looked != nil {
				close(looked)
				looked = nil
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
	}
}

// discover asks which policy kinds are served, and whether that has changed.
func (w *foreignWatch) discover(ctx context.Context) (changed bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, foreignTimeout)
	defer cancel()
	served, err := w.discovery(ctx, w.mark)
	if err != nil {
		if ctx.Err() == nil && w.failed != err.Error() && !unreachable(err) {
			w.failed = err.Error()
			w.log.Warn("cannot find out which policy APIs are served, those that are known stay", "error", err)
		}
		return false, err
	}
	w.failed, w.mark = "", served.Mark
	if served.Unchanged {
		return false, nil
	}
	now := w.policies(served)
	changed = !maps.Equal(now, w.served)
	w.served = now
	return changed, nil
}

// policies are the kinds to look at: those that are served, and of a group that is
// down those that were, and those that it is known for.
func (w *foreignWatch) policies(served Served) map[schema.GroupKind]ServedKind {
	out := map[schema.GroupKind]ServedKind{}
	for _, k := range served.Kinds {
		if !cluster.IsForeign(k.Group, k.Kind) {
			continue
		}
		out[k.GroupKind()] = k
		if known, _ := cluster.ForeignKindOf(k.Group, k.Kind); known.Resource == "" && w.served[k.GroupKind()] == (ServedKind{}) {
			w.log.Info("a policy API that is known by its name only: it may open and restrict", "api", k.GroupKind().String())
		}
	}
	for _, group := range served.Down {
		for gk, k := range w.served {
			if _, ok := out[gk]; !ok && gk.Group == group {
				out[gk] = k
			}
		}
		for _, k := range cluster.ForeignKinds() {
			gk := schema.GroupKind{Group: k.Group, Kind: k.Kind}
			if _, ok := out[gk]; !ok && k.Group == group && k.Matters() {
				out[gk] = ServedKind{GroupVersionKind: gk.WithVersion(""), Namespaced: k.Namespaced}
			}
		}
	}
	return out
}

// look tells what has come and gone since it last looked. answered is false when
// there was nobody to ask.
func (w *foreignWatch) look(ctx context.Context) (events []event, answered bool) {
	for gk := range w.known {
		if _, ok := w.served[gk]; !ok {
			events = append(events, w.replace(gk, nil)...)
			delete(w.known, gk)
			delete(w.errors, gk)
		}
	}
	for _, gk := range slices.SortedFunc(maps.Keys(w.served), func(a, b schema.GroupKind) int {
		return slices.Compare([]string{a.Group, a.Kind}, []string{b.Group, b.Kind})
	}) {
		one, cancel := context.WithTimeout(ctx, foreignTimeout)
		found, err := w.list(one, w.served[gk])
		slow := one.Err() != nil // an aggregated API that hangs must not hide the others
		cancel()
		if ctx.Err() != nil || (unreachable(err) && !slow) {
			return events, false
		}
		if err != nil {
			found = w.unreadable(gk, err)
		} else {
			delete(w.errors, gk)
		}
		events = append(events, w.replace(gk, found)...)
	}
	w.unread.Store(int64(len(w.errors)))
	return events, true
}

// unreadable is what counts for a kind that cannot be listed: what was known of it,
// unless that may be no longer or never was.
func (w *foreignWatch) unreadable(gk schema.GroupKind, err error) map[cluster.Ref]*cluster.Foreign {
	known, was := w.known[gk]
	unknown := !was || apierrors.IsForbidden(err) || errors.Is(err, errNoList)
	if w.errors[gk] != err.Error() {
		w.errors[gk] = err.Error()
		text := "policy API cannot be looked at, what was there stays"
		if unknown {
			text = "policy API cannot be looked at: it counts as if an object were there that may do all that it can"
		}
		w.log.Warn(text, "api", gk.String(), "error", err)
	}
	if !unknown {
		return known
	}
	f := &cluster.Foreign{Group: gk.Group, Kind: gk.Kind, Name: cluster.UnreadForeign}
	if was && known[f.Ref()] != nil {
		return known
	}
	return map[cluster.Ref]*cluster.Foreign{f.Ref(): f}
}

// replace tells what has come and gone of one kind.
func (w *foreignWatch) replace(gk schema.GroupKind, found map[cluster.Ref]*cluster.Foreign) []event {
	var events []event
	for ref, f := range found {
		if _, ok := w.known[gk][ref]; !ok {
			events = append(events, event{ref: ref, foreign: f})
		}
	}
	for ref := range w.known[gk] {
		if _, ok := found[ref]; !ok {
			events = append(events, event{ref: ref})
		}
	}
	w.known[gk] = found
	return events
}

func unreachable(err error) bool {
	var nobody *url.Error
	return errors.As(err, &nobody)
}

var errNoList = errors.New("it cannot be listed")

// list finds the first object of a kind in each namespace, by name.
func (w *foreignWatch) list(ctx context.Context, k ServedKind) (map[cluster.Ref]*cluster.Foreign, error) {
	if !k.Listable {
		return nil, errNoList
	}
	known, _ := cluster.ForeignKindOf(k.Group, k.Kind)
	first := map[string]string{} // name by namespace
	list := &metav1.PartialObjectMetadataList{}
	for {
		list.SetGroupVersionKind(k.GroupVersion().WithKind(k.Kind + "List"))
		switch err := w.reader.List(ctx, list, client.Limit(foreignPage), client.Continue(list.Continue)); {
		case apierrors.IsNotFound(err): // its definition was deleted
			return nil, nil
		case err != nil:
			return nil, fmt.Errorf("list %s: %w", k.GroupKind(), err)
		}
		for i := range list.Items {
			o := &list.Items[i]
			if name, ok := first[o.Namespace]; known.Says(o.Name) && (!ok || o.Name < name) {
				first[o.Namespace] = o.Name
			}
		}
		if list.Continue == "" || (!k.Namespaced && len(first) > 0) {
			break
		}
	}
	found := map[cluster.Ref]*cluster.Foreign{}
	for _, namespace := range slices.Sorted(maps.Keys(first)) {
		f := &cluster.Foreign{Group: k.Group, Kind: k.Kind, Namespace: namespace, Name: first[namespace]}
		found[f.Ref()] = f
	}
	return found, nil
}
