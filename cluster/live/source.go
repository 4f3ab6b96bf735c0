package live

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/resourceversion"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	toolscache "k8s.io/client-go/tools/cache"
)

// Source lists and watches the objects of a resource, in all namespaces.
type Source func(schema.GroupVersionResource) (*toolscache.ListWatch, error)

// NewSource makes a Source of an API server, which need not be there yet.
func NewSource(config *rest.Config) (Source, error) {
	client, err := rest.HTTPClientFor(config) // one for all: a connection carries many watches
	if err != nil {
		return nil, fmt.Errorf("watches of the API server: %w", err)
	}
	others, err := dynamic.NewForConfigAndClient(unlimited(config), client)
	if err != nil {
		return nil, fmt.Errorf("watches of the API server: %w", err)
	}
	return func(resource schema.GroupVersionResource) (*toolscache.ListWatch, error) {
		if !scheme.Scheme.IsVersionRegistered(resource.GroupVersion()) {
			return listWatch(others.Resource(resource)), nil
		}
		version := resource.GroupVersion()
		c := rest.CopyConfig(config)
		c.GroupVersion, c.APIPath = &version, "/apis"
		if version.Group == "" {
			c.APIPath = "/api"
		}
		c.NegotiatedSerializer = scheme.Codecs.WithoutConversion()
		c.ContentType = runtime.ContentTypeProtobuf
		c.AcceptContentTypes = runtime.ContentTypeProtobuf + "," + runtime.ContentTypeJSON
		c.QPS = -1 // a reflector's pause between its tries is what spares the API server
		api, err := rest.RESTClientForConfigAndClient(c, client)
		if err != nil {
			return nil, fmt.Errorf("watch %s: %w", resource.Resource, err)
		}
		return toolscache.NewListWatchFromClient(api, resource.Resource, metav1.NamespaceAll, fields.Everything()), nil
	}, nil
}

// attentive is a ListWatch for reflectors, which try every second for as long as it
// takes: it logs that a call fails, and that none does any more, each once; it spares an
// API server that refuses watches; and it notices when the API server's past is another.
type attentive struct {
	*toolscache.ListWatch
	kind string
	log  *slog.Logger

	mu      sync.Mutex
	last    map[string]string // the error of the last list and watch, where there is one
	refused int               // watches in a row, by an API server that answers
}

// maxRefusedPause bounds the pause after a watch that was refused.
const maxRefusedPause = 10 * time.Second

// ListWithContext implements toolscache.ListerWithContext.
func (a *attentive) ListWithContext(ctx context.Context, options metav1.ListOptions) (runtime.Object, error) {
	list, err := a.ListWatch.ListWithContext(ctx, options)
	a.heard(ctx, "list", err)
	return list, err
}

// WatchWithContext implements toolscache.WatcherWithContext.
func (a *attentive) WatchWithContext(ctx context.Context, options metav1.ListOptions) (watch.Interface, error) {
	if options.SendInitialEvents != nil {
		// A list follows if this fails: there are API servers that stream none.
		return a.ListWatch.WatchWithContext(ctx, options)
	}
	if err := a.checkPast(ctx, options.ResourceVersion); err != nil {
		return nil, err
	}
	w, err := a.ListWatch.WatchWithContext(ctx, options)
	if !forgotten(err) { // a list follows then, too
		a.heard(ctx, "watch", err)
	}
	a.spare(ctx, err)
	return w, err
}

// checkPast asks whether the API server is older than what was heard of it, as
// after a restore of etcd. It would take the watch, and be silent until it has come as
// far again, so that neither the watch nor a probe would ever tell that all is
// different. A restore ends every watch, so that it is enough to ask before the next.
func (a *attentive) checkPast(ctx context.Context, heard string) error {
	if heard == "" || heard == "0" {
		return nil
	}
	list, err := a.ListWatch.ListWithContext(ctx, metav1.ListOptions{Limit: 1})
	if err != nil {
		return err
	}
	m, err := meta.ListAccessor(list)
	if err != nil {
		return err
	}
	switch order, err := resourceversion.CompareResourceVersion(m.GetResourceVersion(), heard); {
	case err != nil:
		return err
	case order < 0:
		a.log.Warn("the API server is older than it was, listing anew", "kind", a.kind, "resourceVersion", m.GetResourceVersion(), "heard", heard)
		return apierrors.NewResourceExpired(fmt.Sprintf("resourceVersion %s is not reached any more", heard))
	}
	return nil
}

// spare waits longer with each watch in a row that is refused while lists work: the
// reflector lists all objects before each try. What is not there at all, or asks to
// wait, is no reason to.
func (a *attentive) spare(ctx context.Context, err error) {
	var status apierrors.APIStatus
	if !errors.As(err, &status) || forgotten(err) || apierrors.IsTooManyRequests(err) {
		a.refused = 0
		return
	}
	a.refused++
	select {
	case <-time.After(min(againAfter<<min(a.refused, 10), maxRefusedPause)):
	case <-ctx.Done():
	}
}

func forgotten(err error) bool { return apierrors.IsResourceExpired(err) || apierrors.IsGone(err) }

func (a *attentive) heard(ctx context.Context, call string, err error) {
	if ctx.Err() != nil {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	before, failed := a.last[call]
	switch {
	case err == nil && failed:
		delete(a.last, call)
		if len(a.last) == 0 {
			a.log.Info("kind can be listed and watched again", "kind", a.kind)
		}
	case err != nil && err.Error() != before:
		a.last[call] = err.Error()
		a.log.Warn("kind cannot be listed or watched, trying again", "kind", a.kind, "error", err)
	}
}
