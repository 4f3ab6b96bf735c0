package live

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"net/url"
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/podcullis/podcullis/cluster"
)

const (
	foreignPeriod  = time.Minute
	foreignRetry   = time.Second      // while there is no API server to ask
	foreignTimeout = 20 * time.Second // for one round of questions
	foreignPage    = 500              // objects
)

// ForeignKinds are the policy APIs that are looked for: those of
// cluster.ForeignKind. Looking needs the right to list them.
func ForeignKinds() []schema.GroupKind {
	return []schema.GroupKind{
		{Group: "policy.networking.k8s.io", Kind: "ClusterNetworkPolicy"},
		{Group: "policy.networking.k8s.io", Kind: "AdminNetworkPolicy"},
		{Group: "policy.networking.k8s.io", Kind: "BaselineAdminNetworkPolicy"},
		{Group: "cilium.io", Kind: "CiliumNetworkPolicy"},
		{Group: "cilium.io", Kind: "CiliumClusterwideNetworkPolicy"},
		{Group: "crd.projectcalico.org", Kind: "NetworkPolicy"},
		{Group: "crd.projectcalico.org", Kind: "GlobalNetworkPolicy"},
		{Group: "projectcalico.org", Kind: "NetworkPolicy"},
		{Group: "projectcalico.org", Kind: "GlobalNetworkPolicy"},
		{Group: "crd.antrea.io", Kind: "NetworkPolicy"},
		{Group: "crd.antrea.io", Kind: "ClusterNetworkPolicy"},
		{Group: "security.istio.io", Kind: "AuthorizationPolicy"},
	}
}

// foreignWatch asks now and then which policy APIs that the model does not
// understand are in use, and in which namespaces. One object stands for all of
// its kind in a namespace. Nobody needs to know sooner, and a watch would have
// to follow custom resource definitions that come and go.
type foreignWatch struct {
	reader client.Reader
	mapper meta.RESTMapper
	period time.Duration
	log    *slog.Logger
	known  map[schema.GroupKind]map[cluster.Ref]*cluster.Foreign
	errors map[schema.GroupKind]string // the last of each kind, logged once
}

func newForeignWatch(opts Options, log *slog.Logger) *foreignWatch {
	w := &foreignWatch{
		reader: opts.Reader, mapper: opts.Mapper, period: opts.ForeignPeriod, log: log,
		known:  map[schema.GroupKind]map[cluster.Ref]*cluster.Foreign{},
		errors: map[schema.GroupKind]string{},
	}
	if w.period <= 0 {
		w.period = foreignPeriod
	}
	return w
}

// run looks at once, closes looked when an API server has answered, and looks
// again every period until ctx ends.
func (w *foreignWatch) run(ctx context.Context, q *queue, looked chan<- struct{}) {
	for {
		events, answered := w.look(ctx)
		q.put(events...)
		pause := w.period
		switch {
		case !answered:
			pause = min(pause, foreignRetry)
		case looked != nil:
			close(looked)
			looked = nil
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
	}
}

// look tells what has come and gone since it last looked. A kind that it may not
// list, or that cannot be listed now, stays as it was. answered is false when
// there was nobody to ask.
func (w *foreignWatch) look(ctx context.Context) (events []event, answered bool) {
	ctx, cancel := context.WithTimeout(ctx, foreignTimeout)
	defer cancel()
	for _, gk := range ForeignKinds() {
		found, err := w.list(ctx, gk)
		var unreachable *url.Error
		if errors.As(err, &unreachable) {
			return events, false
		}
		if err != nil {
			if ctx.Err() == nil && w.errors[gk] != err.Error() {
				w.errors[gk] = err.Error()
				w.log.Warn("policy API cannot be looked at, its presence is not known", "api", gk.String(), "error", err)
			}
			continue
		}
		delete(w.errors, gk)
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
	}
	return events, true
}

// list finds the first object of a kind in each namespace, by name.
func (w *foreignWatch) list(ctx context.Context, gk schema.GroupKind) (map[cluster.Ref]*cluster.Foreign, error) {
	mapping, err := w.mapper.RESTMapping(gk)
	switch {
	case meta.IsNoMatchError(err):
		return nil, nil
	case err != nil:
		return nil, err
	}
	first := map[string]string{} // name by namespace
	list := &metav1.PartialObjectMetadataList{}
	for {
		list.SetGroupVersionKind(mapping.GroupVersionKind.GroupVersion().WithKind(gk.Kind + "List"))
		switch err := w.reader.List(ctx, list, client.Limit(foreignPage), client.Continue(list.Continue)); {
		case apierrors.IsNotFound(err), meta.IsNoMatchError(err): // its definition was deleted
			return nil, nil
		case err != nil:
			return nil, err
		}
		for i := range list.Items {
			o := &list.Items[i]
			if name, ok := first[o.Namespace]; !ok || o.Name < name {
				first[o.Namespace] = o.Name
			}
		}
		if list.Continue == "" || mapping.Scope.Name() == meta.RESTScopeNameRoot {
			break
		}
	}
	found := map[cluster.Ref]*cluster.Foreign{}
	for _, namespace := range slices.Sorted(maps.Keys(first)) {
		f := &cluster.Foreign{Group: gk.Group, Kind: gk.Kind, Namespace: namespace, Name: first[namespace]}
		found[f.Ref()] = f
	}
	return found, nil
}
