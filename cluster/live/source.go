package live

import (
	"context"
	"fmt"
	"log/slog"
	"sync"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
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
	return func(resource schema.GroupVersionResource) (*toolscache.ListWatch, error) {
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

// outspoken is a ListWatch that logs that it fails, and that it does no more,
// each once: reflectors try every second or two, for as long as it takes.
type outspoken struct {
	*toolscache.ListWatch
	kind string
	log  *slog.Logger

	mu   sync.Mutex
	last string // the error; empty when all is well
}

// ListWithContext implements toolscache.ListerWithContext.
func (o *outspoken) ListWithContext(ctx context.Context, options metav1.ListOptions) (runtime.Object, error) {
	list, err := o.ListWatch.ListWithContext(ctx, options)
	o.heard(ctx, err)
	return list, err
}

// WatchWithContext implements toolscache.WatcherWithContext.
func (o *outspoken) WatchWithContext(ctx context.Context, options metav1.ListOptions) (watch.Interface, error) {
	w, err := o.ListWatch.WatchWithContext(ctx, options)
	// A list follows these in any case: an API server that streams none, and one that
	// has forgotten what came after that resourceVersion.
	expected := err != nil && (options.SendInitialEvents != nil || apierrors.IsResourceExpired(err) || apierrors.IsGone(err))
	if !expected {
		o.heard(ctx, err)
	}
	return w, err
}

func (o *outspoken) heard(ctx context.Context, err error) {
	if ctx.Err() != nil {
		return
	}
	now := ""
	if err != nil {
		now = err.Error()
	}
	o.mu.Lock()
	last := o.last
	o.last = now
	o.mu.Unlock()
	switch {
	case now == last:
	case now == "":
		o.log.Info("kind can be listed and watched again", "kind", o.kind)
	default:
		o.log.Warn("kind cannot be listed or watched, trying again", "kind", o.kind, "error", now)
	}
}
