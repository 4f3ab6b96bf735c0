package remote

import (
	"context"
	"errors"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/dynamic"

	"github.com/podcullis/podcullis/cluster/manifest"
)

// Unread is a resource that may not be listed.
type Unread struct {
	// Resource is its name, "policies of other APIs" for those together.
	Resource string
	Err      error
}

// ReadPart is Read for whoever can do with less: what may not be listed is told, and is no error.
// What a set with something unread opens or blocks is not known.
func ReadPart(ctx context.Context, client dynamic.Interface, served Discovery, name string) (*manifest.Set, []Unread, error) {
	r := reader{client: client, at: manifest.Location{File: name}}
	var unread []Unread
	listed := 0
	for _, k := range kinds() {
		err := r.list(ctx, k.GroupVersion().WithResource(k.resource), func(u *unstructured.Unstructured) error { return r.keep(k, u) })
		switch {
		case apierrors.IsForbidden(err):
			unread = append(unread, Unread{k.resource, err})
		case err != nil:
			return nil, nil, err
		default:
			listed++
		}
	}
	if err := r.foreign(ctx, served); err != nil {
		if ctx.Err() != nil {
			return nil, nil, err
		}
		unread = append(unread, Unread{"policies of other APIs", err})
	}
	if listed == 0 {
		errs := make([]error, 0, len(unread))
		for _, u := range unread {
			errs = append(errs, u.Err)
		}
		return nil, nil, fmt.Errorf("nothing at all may be listed: %w", errors.Join(errs...))
	}
	set := manifest.NewSet(r.objects...)
	set.Notes = r.notes
	return set, unread, nil
}
