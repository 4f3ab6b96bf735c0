package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// target is an object to remove: RESOURCE[.GROUP]/[NAMESPACE/]NAME.
type target struct {
	resource        schema.GroupResource
	namespace, name string
}

func parseTarget(text string) (target, error) {
	parts := strings.Split(text, "/")
	t := target{resource: schema.ParseGroupResource(parts[0]), name: parts[len(parts)-1]}
	switch len(parts) {
	case 2:
	case 3:
		t.namespace = parts[1]
	default:
		return target{}, fmt.Errorf("want RESOURCE[.GROUP]/[NAMESPACE/]NAME, got %q", text)
	}
	if t.resource.Resource == "" || t.name == "" {
		return target{}, fmt.Errorf("want RESOURCE[.GROUP]/[NAMESPACE/]NAME, got %q", text)
	}
	return t, nil
}

// removeObjects deletes what --remove names, in that order, and says so. What is
// not there, or of an API that is not there, needs no removing.
func removeObjects(ctx context.Context, o *options, stdout io.Writer) error {
	config, err := restConfig(o)
	if err != nil {
		return err
	}
	c, err := client.New(config, client.Options{})
	if err != nil {
		return fmt.Errorf("API server: %w", err)
	}
	for _, text := range o.remove {
		t, err := parseTarget(text)
		if err != nil {
			return err
		}
		err = t.remove(ctx, c)
		switch {
		case meta.IsNoMatchError(err) || apierrors.IsNotFound(err):
			fmt.Fprintf(stdout, "%s is not there\n", text)
		case err != nil:
			return fmt.Errorf("remove %s: %w", text, err)
		default:
			fmt.Fprintf(stdout, "%s removed\n", text)
		}
	}
	return nil
}

func (t target) remove(ctx context.Context, c client.Client) error {
	kind, err := c.RESTMapper().KindFor(t.resource.WithVersion(""))
	if err != nil {
		return err
	}
	object := &unstructured.Unstructured{}
	object.SetGroupVersionKind(kind)
	object.SetNamespace(t.namespace)
	object.SetName(t.name)
	return c.Delete(ctx, object)
}
