package remote

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/cluster/manifest"
)

// foreign lists the objects of other policy APIs. A kind that may not be listed is
// there all the same: it counts for an object that may do what the kind can do.
func (r *reader) foreign(ctx context.Context, served Discovery) error {
	kinds, err := foreignKinds(served)
	if err != nil {
		return err
	}
	for _, k := range kinds {
		err := errNotListed
		if k.listed {
			err = r.list(ctx, k.GroupVersion().WithResource(k.resource), func(u *unstructured.Unstructured) error { return r.keepForeign(k.GroupVersionKind, u) })
		}
		if apierrors.IsForbidden(err) || errors.Is(err, errNotListed) {
			r.notes = append(r.notes, manifest.Note{Location: r.at, Text: fmt.Sprintf(
				"%s is served and may not be listed (%v): it counts as if an object were there that may do all that the kind can do", k.GroupKind(), err)})
			err = r.add(&unstructured.Unstructured{Object: map[string]any{}}, k.GroupVersionKind, nil,
				&cluster.Foreign{Group: k.Group, Kind: k.Kind, Name: cluster.UnreadForeign})
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (r *reader) keepForeign(gvk schema.GroupVersionKind, u *unstructured.Unstructured) error {
	if known, _ := cluster.ForeignKindOf(gvk.Group, gvk.Kind); !known.Says(u.GetName()) {
		return nil
	}
	return r.add(u, gvk, nil, &cluster.Foreign{Group: gvk.Group, Kind: gvk.Kind, Namespace: u.GetNamespace(), Name: u.GetName()})
}

var errNotListed = errors.New("it has no verb list")

// servedKind is a kind of another API, as it is served.
type servedKind struct {
	schema.GroupVersionKind
	resource string
	listed   bool
}

// foreignKinds are the policy kinds of other APIs that are served.
func foreignKinds(served Discovery) ([]servedKind, error) {
	return servedKinds(served, func(group string, r metav1.APIResource) bool {
		return cluster.IsForeign(group, r.Kind) && !strings.Contains(r.Name, "/")
	})
}

// servedKinds are those that are served, each in its preferred version.
func servedKinds(served Discovery, wanted func(group string, r metav1.APIResource) bool) ([]servedKind, error) {
	lists, err := served.ServerPreferredResources()
	if err != nil && !otherGroups(err) {
		return nil, fmt.Errorf("ask which APIs are served: %w", err)
	}
	var out []servedKind
	for _, list := range lists {
		gv, err := schema.ParseGroupVersion(list.GroupVersion)
		if err != nil {
			return nil, fmt.Errorf("ask which APIs are served: %w", err)
		}
		for _, r := range list.APIResources {
			if wanted(gv.Group, r) {
				out = append(out, servedKind{gv.WithKind(r.Kind), r.Name, listable(r)})
			}
		}
	}
	return out, nil
}

func listable(r metav1.APIResource) bool { return slices.Contains(r.Verbs, "list") }

// otherGroups tells whether an error of discovery is about aggregated APIs that
// hold no policy and no route, such as metrics: they are down more often than not.
func otherGroups(err error) bool {
	var failed *discovery.ErrGroupDiscoveryFailed
	if !errors.As(err, &failed) {
		return false
	}
	for gv := range failed.Groups {
		if cluster.ForeignGroup(gv.Group) || cluster.IsRoute(gv.Group, "HTTPRoute") {
			return false
		}
	}
	return true
}
