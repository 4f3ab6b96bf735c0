package live

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/rest"
)

// Probe asks an API server what has happened to the objects of a resource after
// a resourceVersion. newest is the resourceVersion of something that has, and
// empty when nothing has; an error means that nobody knows.
type Probe func(ctx context.Context, resource schema.GroupVersionResource, since string) (newest string, err error)

// errNotServed is for a resource that the API server does not know.
var errNotServed = errors.New("404 Not Found")

// maxProbeError bounds what is read of an answer that is no watch, in bytes.
const maxProbeError = 4 << 10

// NewProbe makes a Probe that asks twice. First it lists one object and gives no
// resourceVersion: for that the API server has to hear from etcd. One that is cut off from
// etcd, and would go on telling out of its watch cache that nothing happens, cannot answer.
//
// Then it opens a watch for a second. The API server sends
// at once what has happened after since, out of its watch cache, and ends the
// watch in good order when the second is over: only that end says that nothing
// has happened. The metadata is all it asks for.
func NewProbe(config *rest.Config) (Probe, error) {
	client, err := rest.HTTPClientFor(config)
	if err != nil {
		return nil, fmt.Errorf("probe of the API server: %w", err)
	}
	server, _, err := rest.DefaultServerUrlFor(config)
	if err != nil {
		return nil, fmt.Errorf("probe of the API server: %w", err)
	}
	return func(ctx context.Context, resource schema.GroupVersionResource, since string) (string, error) {
		stored, err := asked(ctx, client, probeURL(server, resource, url.Values{"limit": {"1"}}), "PartialObjectMetadataList")
		if err != nil {
			return "", err
		}
		_, err = io.Copy(io.Discard, stored)
		if err := errors.Join(err, stored.Close()); err != nil {
			return "", fmt.Errorf("the list broke off: %w", err)
		}
		query := url.Values{"watch": {"1"}, "resourceVersion": {since}, "timeoutSeconds": {"1"}}
		happened, err := asked(ctx, client, probeURL(server, resource, query), "PartialObjectMetadata")
		if err != nil {
			return "", err
		}
		defer happened.Close()
		return firstEvent(happened)
	}, nil
}

// asked is the body of an answer that is 200. The caller closes it.
func asked(ctx context.Context, client *http.Client, url, as string) (io.ReadCloser, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Accept", "application/json;as="+as+";g=meta.k8s.io;v=v1")
	response, err := client.Do(request)
	if err != nil {
		return nil, err
	}
	if response.StatusCode == http.StatusOK {
		return response.Body, nil
	}
	defer response.Body.Close()
	text, _ := io.ReadAll(io.LimitReader(response.Body, maxProbeError))
	if response.StatusCode == http.StatusNotFound {
		return nil, fmt.Errorf("%w: %s", errNotServed, text)
	}
	return nil, fmt.Errorf("%s: %s", response.Status, text)
}

func probeURL(server *url.URL, resource schema.GroupVersionResource, query url.Values) string {
	path := server.JoinPath("apis", resource.Group, resource.Version, resource.Resource)
	if resource.Group == "" {
		path = server.JoinPath("api", resource.Version, resource.Resource)
	}
	path.RawQuery = query.Encode()
	return path.String()
}

// firstEvent reads the resourceVersion of a watch's first event; empty when the
// watch ended without one. A stream that breaks off is an error.
func firstEvent(stream io.Reader) (string, error) {
	var event metav1.WatchEvent
	switch err := json.NewDecoder(stream).Decode(&event); {
	case errors.Is(err, io.EOF):
		return "", nil
	case err != nil:
		return "", fmt.Errorf("the watch broke off: %w", err)
	}
	if event.Type == string(watch.Error) {
		var status metav1.Status
		if err := json.Unmarshal(event.Object.Raw, &status); err != nil {
			return "", err
		}
		return "", apierrors.FromObject(&status)
	}
	var object metav1.PartialObjectMetadata
	if err := json.Unmarshal(event.Object.Raw, &object); err != nil {
		return "", err
	}
	if object.ResourceVersion == "" {
		return "", fmt.Errorf("an event of type %q has no resourceVersion", event.Type)
	}
	return object.ResourceVersion, nil
}
