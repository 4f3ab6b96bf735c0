package live

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/metadata"
)

// ErrBehind is CatchUp's where the watch has yet to tell of something.
var ErrBehind = errors.New("the watch has not told of everything yet")

var (
	errNotFollowed = errors.New("the model does not follow it")
	errNoMetadata  = errors.New("there is no client to ask")
)

// CatchUp asks the API server, and not its cache, for all objects of a resource
// ("pods", "networkpolicies.networking.k8s.io"), and tells the observer how far the
// snapshot is when that is what the watch has told of. Of a resource to which
// nothing happens a watch says so once a minute only, with a bookmark.
func (m *Model) CatchUp(ctx context.Context, resource string) error {
	f, ok := m.feeds[resource]
	switch {
	case !ok:
		return fmt.Errorf("%s: %w", resource, errNotFollowed)
	case m.metadata == nil:
		return errNoMetadata
	case !m.Synced():
		return ErrBehind
	}
	stored, version, err := f.stored(ctx, m.metadata)
	if err != nil {
		return fmt.Errorf("%s: %w", resource, err)
	}
	return f.catchUp(stored, version)
}

// served is the resource in the version that is served.
func (f *feed) served() schema.GroupVersionResource {
	if f.now == nil {
		return f.version
	}
	return f.now(f.version)
}

// stored are the versions of all objects, and that of the list.
func (f *feed) stored(ctx context.Context, client metadata.Interface) (map[types.NamespacedName]uint64, string, error) {
	list, err := client.Resource(f.served()).List(ctx, metav1.ListOptions{})
	if f.now != nil && apierrors.IsNotFound(err) {
		return f.notServed(ctx, client)
	}
	if err != nil {
		return nil, "", err
	}
	out := make(map[types.NamespacedName]uint64, len(list.Items))
	for i := range list.Items {
		o := &list.Items[i]
		out[types.NamespacedName{Namespace: o.Namespace, Name: o.Name}] = versionOf(o.ResourceVersion)
	}
	return out, list.ResourceVersion, nil
}

// notServed is the empty list of a resource that is not served: it is as new as that of
// another resource which was read before that was found out.
func (f *feed) notServed(ctx context.Context, client metadata.Interface) (map[types.NamespacedName]uint64, string, error) {
	other, err := client.Resource(schema.GroupVersionResource{Version: "v1", Resource: "namespaces"}).List(ctx, metav1.ListOptions{Limit: 1})
	if err != nil {
		return nil, "", err
	}
	if _, err = client.Resource(f.served()).List(ctx, metav1.ListOptions{Limit: 1}); !apierrors.IsNotFound(err) {
		return nil, "", errors.Join(ErrBehind, err)
	}
	return nil, other.ResourceVersion, nil
}

// catchUp compares what the watch has told with what is stored. Something may have come
// and gone between the two, of which the watch will tell: that is history then.
func (f *feed) catchUp(stored map[types.NamespacedName]uint64, version string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if versionOf(version) == 0 || len(stored) != len(f.known) {
		return ErrBehind
	}
	for name, v := range stored {
		if v == 0 || f.known[name] != v {
			return ErrBehind
		}
	}
	f.caught = max(f.caught, versionOf(version))
	f.queue.reach(f.resource, version)
	return nil
}

// isHistory reports whether an event is older than what the objects were compared with.
func (f *feed) isHistory(o any) bool {
	if f.caught == 0 {
		return false
	}
	m, err := meta.Accessor(o)
	if err != nil {
		return false
	}
	v := versionOf(m.GetResourceVersion())
	return v != 0 && v <= f.caught
}

// versionOf is a resourceVersion as a number; 0 is none (KEP 5504 has them be numbers).
func versionOf(v string) uint64 {
	n, err := strconv.ParseUint(v, 10, 64)
	if err != nil {
		return 0
	}
	return n
}
